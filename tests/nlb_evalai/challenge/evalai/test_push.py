"""Pushing a bundle, against a stand-in for EvalAI over HTTP that enforces the contract."""

from __future__ import annotations

import json
import zipfile

import h5py
import pytest
from click.testing import CliRunner

from nlb_evalai import cli
from nlb_evalai.challenge.evalai.answers import ANSWERS, as_markdown, explained, lines_of
from nlb_evalai.challenge.evalai.bundle import build_bundle
from nlb_evalai.challenge.evalai.push import PushError, push
from nlb_evalai.challenge.evalai.rules.run import BundleCheckError
from nlb_evalai.cli.bundle import bundle as bundle_command
from nlb_evalai.errors import ToolError
from nlb_evalai.web.http import Timing
from tests.nlb_evalai.challenge.evalai.server import CREATE, TOKEN, VALIDATE, WRONG_TOKEN, EvalAI
from tests.paths import ROOT

QUICK = Timing(connect_seconds=5, answer_seconds=5, repeats=2, first_pause_seconds=0.01)


@pytest.fixture
def evalai():
    server = EvalAI()
    yield server
    server.close()


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
    (created,) = first.created
    assert "has been created successfully and sent for review" in created
    (updated,) = push_to(evalai, bundle).created
    assert "has been updated successfully" in updated
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


def test_a_refused_token_is_told_in_sentences_without_its_codes(evalai, bundle):
    text = refusal(evalai, bundle, token="another-token")
    assert text.splitlines()[2:] == [
        "  EvalAI: Given token not valid for any token type",
        "  EvalAI: the token is not valid",
        "  EvalAI: Token is invalid or expired",
    ]


def test_a_stranger_to_the_team_is_told_apart_from_a_wrong_token(evalai, bundle):
    text = refusal(evalai, bundle, host_team=EvalAI.others)
    assert "HTTP 401: the token is valid, but its user is not in that host team" in text
    assert "EvalAI: Sorry, you do not belong to this Host Team!" in text


def test_a_team_that_is_not_there_is_told_apart_from_a_wrong_address(evalai, bundle):
    text = refusal(evalai, bundle, host_team=99)
    assert "HTTP 404: there is no host team of that number: check --host-team" in text
    assert "EvalAI: ChallengeHostTeam 99 does not exist" in text


def test_another_address_on_the_server_is_a_404(evalai, bundle):
    text = refusal(evalai, bundle, api=evalai.url + "/elsewhere")
    assert "HTTP 404: there is no such API at that address: check --api" in text


def test_throttling_is_waited_out(evalai, bundle):
    evalai.faults = [(429, {"detail": "throttled"}, {"Retry-After": "0"})]
    assert push_to(evalai, bundle).created
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
    assert "bundle check NEW --diff LIVE" in text
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
    with pytest.raises(PushError, match="sample-truth") as caught:
        push_to(evalai, sample)
    assert "is not sent to EvalAI" in str(caught.value)
    assert "error" not in str(caught.value)  # warnings are not counted as errors
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
    assert "has been created successfully" in result.output
    last = result.output.rstrip().splitlines()[-1]
    assert last == f"Look at it: {evalai.url}/web/challenges/challenge-page/41/overview"
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


LOCKED = (
    "ERROR: Leaderboard 1 cannot be changed after the challenge is approved by an admin. Revert "
    "the leaderboard block to match the approved configuration or contact support."
)
#: what was seen of EvalAI, or read in its code, and the beginning of what people are told
SEEN = [
    (400, {"error": LOCKED}, "the update changes what is locked since"),
    (
        400,
        {"error": "Error in creating challenge: None. Please check the yaml configuration!"},
        "EvalAI's validation passed this, and its creation does not",
    ),
    (400, {"title": ["This field may not be blank."]}, "EvalAI refuses the bundle"),
    (401, {"error": "Sorry, you do not belong to this Host Team!"}, "the token is valid, but"),
    (401, WRONG_TOKEN, "the token in AUTH_TOKEN is not valid or has expired"),
    (403, {"detail": "Please verify your email!"}, "EvalAI has not verified the e-mail address"),
    (
        403,
        {
            "error": "Sorry, you are not a host for this challenge. Please check your user access "
            "token"
        },
        "the challenge that --repository names belongs to other hosts",
    ),
    (403, {"detail": "You do not have permission"}, "this token's user is no host"),
    (404, {"detail": "ChallengeHostTeam 9 does not exist"}, "there is no host team of that number"),
    (404, {"detail": "Not found."}, "there is no such API at that address"),
    (
        406,
        {
            "error": "Submissions are currently paused for this challenge phase. Please try again "
            "later."
        },
        "the challenge is paused",
    ),
    (406, {"error": "Leaderboard with id 3 doesn't exist."}, "what the bundle names by an id is"),
    (413, {}, "the bundle is too large for this server"),
    (429, {"detail": "Request was throttled."}, "EvalAI throttles"),
]


@pytest.mark.parametrize(("status", "answer", "told"), SEEN, ids=lambda value: str(value)[:30])
def test_every_refusal_is_a_sentence_that_says_what_to_do(status, answer, told):
    lines = explained(status, lines_of(answer))
    assert lines[0].startswith(f"HTTP {status}: {told}")
    assert all(line.startswith("  EvalAI: ") for line in lines[1:])
    assert not any(word in line for line in lines for word in ("messages:", "code:", "token_class"))


def test_every_row_of_the_table_of_answers_is_reached():
    reached = {explained(status, lines_of(answer))[0] for status, answer, _ in SEEN}
    assert reached == {f"HTTP {row.status}: {row.help}" for row in ANSWERS}


def test_the_table_for_hosts_is_the_table_of_the_code():
    assert as_markdown() in (ROOT / "docs" / "hosting.md").read_text("utf-8")


def test_what_evalai_says_twice_or_as_json_in_json_is_said_once():
    said = {"error": "no title", "error_message": '"no title"'}
    assert lines_of(said) == ["no title"]
    assert lines_of({"code": "odd\x1b[2J"}) == ["its code is odd\\x1b[2J"]


def test_what_the_host_must_know_of_the_challenge_comes_before_its_address(evalai, bundle):
    evalai.challenges = {f"others/{i}": b"" for i in range(5)}
    evalai.page_size = 2
    evalai.facts = {
        "approved_by_admin": False,
        "is_submission_paused": True,
        "remote_evaluation": True,
        "queue": "nlb-queue.fifo",
    }
    place = push_to(evalai, bundle).place
    assert place.told() == [
        "For `nlb-evalai worker`: --challenge 46 --queue nlb-queue.fifo",
        "EvalAI's staff have not approved it yet: ask for that on its page.",
        "Submissions are paused: nobody can submit until you resume them there.",
        f"Look at it: {evalai.url}/web/challenges/challenge-page/46/overview",
    ]
    evalai.challenges = {**evalai.challenges, **{f"others/{i}": b"" for i in range(5, 9)}}
    assert push_to(evalai, bundle).place.pk == 46  # on a later page


def test_a_push_does_not_fail_for_want_of_the_address(evalai, bundle):
    evalai.lists = False
    place = push_to(evalai, bundle).place
    assert place.told() == [f"Look at it: {evalai.url}/web/hosted-challenges"]
