"""What the images are made of; no Docker engine is needed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.challenge.codabench.bundle import build_bundle
from nlb_evalai.challenge.codabench.replica import Replica
from nlb_evalai.challenge.evalai.replica.pins import NEWEST, PINS
from nlb_evalai.remote.service import Settings
from tests.docker.dockerfile import ROOT, Replay, targets
from tests.nlb_evalai.conftest import BOARDS, sample_paths  # noqa: F401
from tests.nlb_evalai.remote.conftest import tiny  # noqa: F401
from tests.nlb_evalai.remote.standin import QUEUE, TOKEN, StandIn

#: the stand-in's storage is on this machine
_LOCAL = ("--private-storage", "localhost")
FULL = pytest.mark.skipif(
    os.environ.get("NLB_REMOTE_FULL") != "1", reason="installs from the network; make test-remote"
)


def _pinned(name: str) -> dict:
    text = (ROOT / "docker" / f"requirements-{name}.txt").read_text(encoding="utf-8")
    found = {}
    for entry in re.split(r"\n(?=[a-z])", text):
        head, *hashes = entry.replace("\\\n", "").split("--hash=")
        assert hashes, f"{head}: without a hash"
        requirement, _, marker = (part.strip() for part in head.partition(";"))
        package, _, version = requirement.partition("==")
        assert version, f"{head}: not pinned"
        if ">= '3.1" not in marker:
            found[package] = version
    return found


def test_the_scorers_image_has_exactly_evalais_versions():
    pinned = _pinned("scorer")
    expected = {**PINS, **NEWEST}
    assert targets()["scorer"].base == "python:3.9-slim"
    assert {name: pinned[name] for name in expected if name in pinned} == {
        name: version for name, version in expected.items() if name in pinned
    }
    for name in ("numpy", "scipy", "scikit-learn", "pyyaml", "boto3", "h5py"):
        assert name in pinned


def test_the_scorers_image_has_what_the_evaluation_script_requires():
    pinned = _pinned("scorer")
    text = (ROOT / "evaluation_script" / "requirements.txt").read_text(encoding="utf-8")
    required = [Requirement(line) for line in text.splitlines() if line.partition("#")[0].strip()]
    assert required
    for one in required:
        assert one.specifier.contains(pinned[one.name.lower()]), (
            f"renew by docker/compile.sh: {one}"
        )


def test_the_worker_is_no_root_and_tells_its_health():
    worker = targets()["worker"]
    assert _pinned("worker")["requests"]
    assert worker.values("USER") == ["10001:10001"]
    (check,) = worker.values("HEALTHCHECK")
    state = dict(value.split("=") for value in worker.values("ENV"))["NLB_EVALAI_STATE"]
    assert f'"{state}/health.json"' in check


def test_every_install_is_by_hash_and_no_step_is_left_to_chance():
    for target in targets().values():
        installs = [value for value in target.values("RUN") if "pip" in value]
        assert len(installs) == 1
        assert "--require-hashes" in installs[0]
        assert "--no-deps" in installs[0]


def test_the_image_for_codabench_has_what_its_scoring_program_requires_and_no_entry_point():
    image, pinned = targets()["codabench"], _pinned("codabench")
    for instruction in ("ENTRYPOINT", "CMD", "USER"):
        assert image.values(instruction) == [], "Codabench gives the command, and owns the folders"
    folder = ROOT / "nlb_evalai" / "challenge" / "codabench" / "program"
    lines = [
        line
        for path in (folder, ROOT / "evaluation_script")
        for line in (path / "requirements.txt").read_text(encoding="utf-8").splitlines()
    ]
    required = [Requirement(line) for line in lines if line.partition("#")[0].strip()]
    assert {one.name for one in required} == {*pinned}
    for one in required:
        assert one.specifier.contains(pinned[one.name]), f"renew by docker/compile.sh: {one}"


def test_compose_gives_the_worker_more_time_than_its_grace():
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))
    worker = compose["services"]["worker"]
    assert worker["read_only"] is True
    assert int(worker["stop_grace_period"].rstrip("s")) > Settings.grace_seconds
    assert worker["build"]["target"] in targets()
    assert "AUTH_TOKEN" not in worker["environment"]  # a file, not the environment


@FULL
def test_the_scorers_steps_replayed_score_a_submission(tmp_path: Path, tiny):  # noqa: F811
    replay = Replay(targets()["scorer"], tmp_path)
    submission = tmp_path / "submission.h5"
    submission.write_bytes(tiny.files["smoothing"])
    truth = str(tiny.annotations / "val.h5")
    run = subprocess.run(
        [*replay.entry, truth, str(submission), "val"],
        env=replay.environment,
        cwd=tmp_path / "app",
        capture_output=True,
        check=True,
    )
    answer = json.loads(run.stdout)
    assert answer["submission_metadata"]["versions"]["numpy"] == PINS["numpy"]
    for entry in answer["result"]:
        for split, scores in entry.items():
            assert scores == pytest.approx(tiny.scores["smoothing"][split], abs=1e-9)


@FULL
def test_codabenchs_steps_replayed_score_as_this_environment_does(
    tmp_path: Path,
    sample_paths,  # noqa: F811
):
    replay = Replay(targets()["codabench"], tmp_path)
    truth, submission = sample_paths.annotations["test"], sample_paths.submissions["test"]["true"]
    bundle = build_bundle(tmp_path / "x.zip", truth.parent, suite=DEFAULT_SUITE).path
    with Replica(bundle) as here, Replica(bundle, replay.python) as there:
        outcome = there.score(submission, "test")
        assert outcome.fit, outcome.stderr
        assert outcome.output == here.score(submission, "test").output


@FULL
def test_the_workers_steps_replayed_work_off_a_queue(tmp_path: Path, tiny):  # noqa: F811
    replay = Replay(targets()["worker"], tmp_path)
    server = StandIn(BOARDS)
    try:
        pk = server.submit(tiny.files["mean"])
        environment = {
            **replay.environment,
            "AUTH_TOKEN": TOKEN,
            "API_SERVER": server.api,
            "QUEUE_NAME": QUEUE,
        }
        subprocess.run(
            [*replay.entry, "--annotations", str(tiny.annotations), "--once", *_LOCAL],
            env=environment,
            cwd=tmp_path / "app",
            check=True,
        )
        assert server.settled()
        (split,) = server.scores(pk)
        assert server.scores(pk)[split] == pytest.approx(tiny.scores["mean"][split], abs=1e-9)
        check = json.loads(targets()["worker"].values("HEALTHCHECK")[0].partition("CMD ")[2])
        health = [*replay.entry[:1], *check[1:3], str(tmp_path / "state" / "health.json"), "60"]
        subprocess.run(health, env=environment, cwd=tmp_path / "app", check=True)
    finally:
        server.close()
