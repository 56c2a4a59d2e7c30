"""Pushing a bundle, against a stand-in for EvalAI over HTTP that enforces the contract."""

from __future__ import annotations

import email
import email.policy
import io
import json
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h5py
import pytest
from click.testing import CliRunner

from nlb_evalai import cli
from nlb_evalai.challenge.evalai.bundle import build_bundle
from nlb_evalai.challenge.evalai.push import push
from nlb_evalai.challenge.evalai.rules.run import BundleCheckError
from nlb_evalai.cli.bundle import bundle as bundle_command
from nlb_evalai.errors import ToolError
from nlb_evalai.web.http import Timing

TOKEN = "host-token-0123456789abcdef"
QUICK = Timing(connect_seconds=5, answer_seconds=5, repeats=2, first_pause_seconds=0.01)
VALIDATE, CREATE = "validate_challenge_config", "create_or_update_github_challenge"


class EvalAI:
    """Enforces the contract of the two calls; ``faults`` (one a request) come before it."""

    team = 7

    def __init__(self):
        self.calls = []
        self.challenges = {}
        self.faults = []
        self.problems = None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.evalai = self
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def judge(self, path, headers, content):
        """(status, answer) as EvalAI gives them."""
        match = re.fullmatch(r"/api/challenges/challenge/challenge_host_team/(\d+)/(\w+)/", path)
        if match is None:
            return 404, {"detail": "Not found."}
        self.calls.append(match.group(2))
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"detail": "Invalid token"}
        if int(match.group(1)) != self.team:
            return 403, {"error": "Sorry, you are not authorized to make this request"}
        form = parse_form(headers["Content-Type"], content)
        if set(form) != {"GITHUB_REPOSITORY", "zip_configuration"}:
            return 400, {"error": f"fields: {sorted(form)}"}
        with zipfile.ZipFile(io.BytesIO(form["zip_configuration"])) as archive:
            assert archive.testzip() is None
            assert "challenge_config.yaml" in archive.namelist()
        if self.problems:
            return 400, {"error": self.problems}
        if match.group(2) == VALIDATE:
            return 200, {"Success": "The challenge config has been validated successfully"}
        repository = form["GITHUB_REPOSITORY"].decode()
        created = repository not in self.challenges
        self.challenges[repository] = form["zip_configuration"]
        word = "created" if created else "updated"
        return (201 if created else 200), {"Success": f"Challenge {word} successfully"}


def parse_form(content_type, content):
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + content, policy=email.policy.HTTP)
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in message.iter_parts()
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        evalai = self.server.evalai
        content = self.rfile.read(int(self.headers["Content-Length"]))
        fault = evalai.faults.pop(0) if evalai.faults else None
        if fault is not None:
            evalai.calls.append(f"fault {fault if isinstance(fault, str) else fault[0]}")
        if fault == "drop":
            self.close_connection = True
            return
        status, answer, headers = fault or (*evalai.judge(self.path, self.headers, content), {})
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def evalai():
    server = EvalAI()
    yield server
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("push")
    for phase in ("val", "test"):
        with h5py.File(folder / f"{phase}.h5", "w") as file:
            file.attrs["phase"] = phase
    return build_bundle(folder / "bundle.zip", folder).path


def push_to(evalai, bundle, **changes):
    arguments = {
        "api": evalai.url,
        "host_team": EvalAI.team,
        "repository": "neurallatents/nlb-challenge",
        "token": TOKEN,
        "timing": QUICK,
        **changes,
    }
    return push(bundle, **arguments)


def refusal(evalai, bundle, **changes):
    with pytest.raises(ToolError) as caught:
        push_to(evalai, bundle, **changes)
    assert TOKEN not in str(caught.value)
    return str(caught.value)


def test_a_bundle_is_validated_then_created_then_updated(evalai, bundle):
    first = push_to(evalai, bundle)
    assert evalai.calls == [VALIDATE, CREATE]
    assert first.validated == ["The challenge config has been validated successfully"]
    assert first.created == ["Challenge created successfully"]
    assert push_to(evalai, bundle).created == ["Challenge updated successfully"]
    assert evalai.challenges == {"neurallatents/nlb-challenge": bundle.read_bytes()}


def test_validate_only_changes_nothing(evalai, bundle):
    assert push_to(evalai, bundle, validate_only=True).created is None
    assert evalai.calls == [VALIDATE]
    assert evalai.challenges == {}


def test_validation_errors_are_shown_line_by_line_and_nothing_is_created(evalai, bundle):
    evalai.problems = "ERROR: no title\nERROR: phase 1 has no end date\n"
    text = refusal(evalai, bundle)
    assert "HTTP 400: EvalAI refuses the bundle" in text
    assert "\n  EvalAI: ERROR: no title\n  EvalAI: ERROR: phase 1 has no end date" in text
    assert evalai.calls == [VALIDATE]


def test_errors_by_field_are_shown_with_the_field(evalai, bundle):
    evalai.problems = {"title": ["This field may not be blank."]}
    assert "EvalAI: title: This field may not be blank." in refusal(evalai, bundle)


def test_a_wrong_token_says_where_to_get_one(evalai, bundle):
    text = refusal(evalai, bundle, token="another-token")
    assert "HTTP 401: the token in AUTH_TOKEN is not valid or has expired" in text
    assert "another-token" not in text


def test_a_team_of_others_is_a_403_with_advice(evalai, bundle):
    text = refusal(evalai, bundle, host_team=8)
    assert "HTTP 403: this token's user is no host of that host team" in text
    assert "EvalAI: Sorry, you are not authorized" in text


def test_another_address_on_the_server_is_a_404(evalai, bundle):
    assert "HTTP 404" in refusal(evalai, bundle, api=evalai.url + "/elsewhere")


def test_throttling_is_waited_out(evalai, bundle):
    evalai.faults = [(429, {"detail": "throttled"}, {"Retry-After": "0"})]
    assert push_to(evalai, bundle).created == ["Challenge created successfully"]
    assert evalai.calls == ["fault 429", VALIDATE, CREATE]


def test_a_server_that_asks_for_a_day_is_asked_again_within_a_minute(evalai, bundle, monkeypatch):
    slept = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", slept.append)
    evalai.faults = [(429, {"detail": "throttled"}, {"Retry-After": "86400"})]
    assert push_to(evalai, bundle).created
    assert slept == [60.0]


def test_lasting_throttling_is_said(evalai, bundle):
    evalai.faults = [(429, {"detail": "throttled"}, {})] * 3
    assert "HTTP 429: EvalAI throttles" in refusal(evalai, bundle)
    assert VALIDATE not in evalai.calls


@pytest.mark.parametrize("earlier", [[], [None]], ids=[VALIDATE, CREATE])
def test_a_bare_500_is_explained_and_not_repeated(evalai, bundle, earlier):
    evalai.faults = [*earlier, (500, "<h1>Server Error (500)</h1>", {})]
    text = refusal(evalai, bundle)
    assert "EvalAI gave no reason (HTTP 500). Likeliest causes" in text
    assert "bundle check NEW --diff OLD" in text
    assert evalai.calls.count("fault 500") == 1
    assert evalai.challenges == {}


def test_a_passing_gateway_error_of_validation_is_repeated(evalai, bundle):
    evalai.faults = [(502, "", {}), "drop"]
    assert push_to(evalai, bundle).created


def test_validation_that_is_cut_off_each_time_is_said(evalai, bundle):
    evalai.faults = ["drop"] * 3
    text = refusal(evalai, bundle)
    assert "again when tried again; nothing was changed on EvalAI" in text


def test_a_lost_answer_to_the_creation_is_not_repeated_blindly(evalai, bundle):
    evalai.faults = [None, "drop"]
    text = refusal(evalai, bundle)
    assert "EvalAI may have taken the bundle all the same" in text
    assert evalai.calls == [VALIDATE, "fault drop"]


def test_no_server_is_said(evalai, bundle):
    assert "cannot connect" in refusal(evalai, bundle, api="http://127.0.0.1:9")


def test_a_redirect_is_not_followed_with_the_token(evalai, bundle):
    evalai.faults = [(302, "", {"Location": "https://elsewhere.example/"})]
    assert "points to https://elsewhere.example/" in refusal(evalai, bundle)


def test_a_page_instead_of_an_answer_is_not_taken_for_success(evalai, bundle):
    evalai.faults = [(200, "<html>Welcome</html>", {})]
    assert "this is not EvalAI's API" in refusal(evalai, bundle)


def test_a_token_that_the_server_repeats_is_masked(evalai, bundle):
    evalai.faults = [(400, {"error": f"bad header Bearer {TOKEN}"}, {})]
    assert "bad header Bearer ***" in refusal(evalai, bundle)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token": ""}, "AUTH_TOKEN is empty"),
        ({"token": "two words"}, "no token"),
        ({"repository": "no-slash"}, "expected OWNER/NAME"),
        ({"api": "eval.ai"}, "expected an address as https://eval.ai"),
        ({"api": "http://eval.ai"}, "would send the token unencrypted"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(evalai, bundle, changes, message):
    assert message in refusal(evalai, bundle, **changes)
    assert evalai.calls == []


def test_a_bundle_that_breaks_a_rule_is_not_sent(evalai, bundle, tmp_path):
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            if name != "logo.png":
                new.writestr(name, old.read(name))
    with pytest.raises(BundleCheckError, match="file-missing"):
        push_to(evalai, broken)
    assert evalai.calls == []


def test_the_embedded_sample_is_never_sent(evalai, tmp_path):
    sample = build_bundle(tmp_path / "sample.zip").path
    with pytest.raises(BundleCheckError, match="sample-truth"):
        push_to(evalai, sample)
    assert evalai.calls == []


def arguments_for(evalai, bundle):
    return [
        "push", str(bundle), "--api", evalai.url, "--host-team", "7",
        "--repository", "neurallatents/nlb-challenge",
    ]  # fmt: skip


def test_the_command_shows_each_answer_and_never_the_token(evalai, bundle):
    result = CliRunner().invoke(
        bundle_command, arguments_for(evalai, bundle), env={"AUTH_TOKEN": TOKEN + "\n"}
    )
    assert result.exit_code == 0, result.output
    assert "✓ EvalAI finds the bundle valid\n    The challenge config" in result.output
    assert "Challenge created successfully" in result.output
    assert TOKEN not in result.output


def test_json_is_all_that_the_command_prints(evalai, bundle, tmp_path):
    arguments, token = arguments_for(evalai, bundle), {"AUTH_TOKEN": TOKEN}
    result = CliRunner().invoke(bundle_command, [*arguments, "--json"], env=token)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert list(told) == [
        "bundle", "api", "repository", "fit", "problems", "warnings", "validated", "created",
    ]  # fmt: skip
    assert (told["fit"], told["problems"], told["warnings"]) == (True, [], [])
    assert told["validated"]
    assert any("created" in line for line in told["created"])
    sample = build_bundle(tmp_path / "sample.zip").path
    result = CliRunner().invoke(
        bundle_command, [*arguments_for(evalai, sample), "--json"], env=token
    )
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["fit"], told["created"]) == (False, None)
    assert "sample-truth" in told["problems"][0]


def test_the_command_fails_with_one_message(evalai, bundle, monkeypatch, capsys):
    monkeypatch.setenv("AUTH_TOKEN", TOKEN[::-1])
    arguments = ["nlb-evalai", "bundle", *arguments_for(evalai, bundle)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: ")
    assert "HTTP 401" in err
    assert TOKEN[::-1] not in out + err
