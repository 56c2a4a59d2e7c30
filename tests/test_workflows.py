"""Workflows are held to rules: what runs with a secret is pinned, and gets what it needs alone."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set

import pytest
import yaml

from nlb_evalai.challenge.names import names
from tests.nlb_evalai.test_imports import FILES, imports_of
from tests.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())
PUSH = ROOT / ".github" / "workflows" / "push-challenge.yml"
RELEASE = ROOT / ".github" / "workflows" / "release.yml"
CHECKS = ROOT / ".github" / "workflows" / "checks.yml"
ON_TAGS = "startsWith(github.ref, 'refs/tags/v') && github.event_name == 'push'"
PUBLISHES = "pypa/gh-action-pypi-publish@"
PROTECTED = "github.ref == 'refs/heads/challenge'"
INSTALL = "python -m pip install --no-deps --require-hashes --only-binary :all: -r "
_SECRET = re.compile(r"secrets\.|steps\.role\.outputs|github\.token")
_INSTALLS = re.compile(r"\b(pip|uv|conda|npm|apt-get|apt|make)\b|curl|wget")


def faults_of(text: str) -> List[str]:
    """What is wrong with a workflow, by the rules of this project."""
    workflow = yaml.safe_load(text)
    faults = list(_faults_of_actions(text))
    triggers = workflow[True]  # YAML takes `on` for a boolean
    if "pull_request_target" in triggers or "workflow_run" in triggers:
        faults.append("trigger: a stranger's code must not run with this repository's rights")
    if workflow.get("permissions") != {"contents": "read"}:
        faults.append("permissions: not only contents: read")
    if "env" in workflow:
        faults.append("env: of the whole workflow")
    for name, job in workflow["jobs"].items():
        faults += [f"{name}: {fault}" for fault in _faults_of_job(job)]
    return faults


def _faults_of_actions(text: str) -> Iterator[str]:
    for line in text.splitlines():
        found = re.search(r"uses:\s*(\S+)(.*)", line)
        if found and not re.fullmatch(r"[\w-]+/[\w./-]+@[0-9a-f]{40}", found[1]):
            yield f"{found[1]}: not pinned by commit"
        elif found and not re.fullmatch(r"\s+# v\d+\.\d+\.\d+", found[2]):
            yield f"{found[1]}: its release is not beside it"


def _faults_of_job(job: Dict[str, Any]) -> Iterator[str]:
    steps = job["steps"]
    if "timeout-minutes" not in job:
        yield "no end: timeout-minutes"
    if "env" in job:
        yield "env: of the whole job"
    holders = [number for number, step in enumerate(steps) if _is_trusted(step)]
    if any(step.get("uses", "").startswith(PUBLISHES) for step in steps):
        yield from _faults_of_publishing(job, holders)
    elif holders or "id-token" in job.get("permissions", {}):
        yield from _faults_of_trust(job, holders)
    for step in steps:
        if "${{" in step.get("run", ""):
            yield f"{step['name']}: an expression inside of a script"
        kept = step.get("with", {}).get("persist-credentials")
        if step.get("uses", "").startswith("actions/checkout@") and kept is not False:
            yield "checkout: leaves its credentials behind"
        inside = {key: value for key, value in step.items() if key != "env"}
        if _SECRET.search(yaml.safe_dump(inside)):
            yield f"{step['name']}: a secret outside of env"


def _is_trusted(step: Dict[str, Any]) -> bool:
    role = step.get("uses", "").startswith("aws-actions/configure-aws-credentials@")
    return role or bool(_SECRET.search(yaml.safe_dump(step.get("env", {}))))


def _faults_of_trust(job: Dict[str, Any], holders: List[int]) -> Iterator[str]:
    """Of a job that holds a secret or a role."""
    steps, condition = job["steps"], str(job.get("if", ""))
    if PROTECTED not in condition or "github.event_name != 'pull_request'" not in condition:
        yield "if: not only from the protected branch"
    if "environment" not in job:
        yield "environment: none, so no protection rules"
    if job.get("permissions") not in ({"contents": "read", "id-token": "write"},):
        yield "permissions: other than contents: read and id-token: write"
    installs = [number for number, step in enumerate(steps) if _INSTALLS.search(_run(step))]
    if len(installs) != 1 or not _run(steps[installs[0]]).startswith(INSTALL):
        yield "install: not once and from hashes"
    elif min(holders, default=0) < installs[0]:
        yield "install: after a secret or a role"
    if any("upload-artifact" in step.get("uses", "") for step in steps):
        yield "artifact: the bundle holds hidden truth"
    for step in steps:
        role = "configure-aws-credentials" in step.get("uses", "")
        if role and step["with"].get("output-env-credentials") is not False:
            yield "role: for every step that follows"
    takers = [step for step in steps if "steps.role.outputs" in yaml.safe_dump(step.get("env", {}))]
    if len(takers) != 1 or " bundle build " not in _run(takers[0]):
        yield "role: not for the build alone"
    if any("AWS_" in key and "secrets." in str(one) for s in steps for key, one in _env(s).items()):
        yield "role: stored keys"
    tokens = [step for step in steps if "secrets." in yaml.safe_dump(step.get("env", {}))]
    if len(tokens) != 1 or " bundle push " not in _run(tokens[0]):
        yield "token: not for the push alone"


def _faults_of_publishing(job: Dict[str, Any], holders: List[int]) -> Iterator[str]:
    """Of a job that PyPI trusts: it takes what another built, and runs no code of its own."""
    if job.get("if") != ON_TAGS:
        yield "if: not only on tags"
    if "environment" not in job:
        yield "environment: none, so no protection rules"
    if job.get("permissions") != {"id-token": "write"}:
        yield "permissions: other than id-token: write"
    if holders or "password" in yaml.safe_dump(job["steps"]):
        yield "secret: a trusted publisher needs none"
    used = [step.get("uses", "").partition("@")[0] + "@" for step in job["steps"]]
    if used != ["actions/download-artifact@", PUBLISHES]:
        yield "steps: more than to take the wheel and to publish it"


def _run(step: Dict[str, Any]) -> str:
    return str(step.get("run", ""))


def _env(step: Dict[str, Any]) -> Dict[str, Any]:
    return dict(step.get("env", {}))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_keeps_every_rule(path: Path) -> None:
    assert faults_of(path.read_text("utf-8")) == []


CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1  # v7.0.1"
#: a change of the workflow that pushes -> the fault that must be found
BROKEN = [
    (CHECKOUT, "actions/checkout@v7", "actions/checkout@v7: not pinned by commit"),
    ("  # v7.0.1", "", "its release is not beside it"),
    ("  pull_request:\n", "  pull_request_target:\n", "trigger: a stranger's code"),
    ("permissions:\n  contents: read\n", "permissions: write-all\n", "permissions: not only"),
    ("permissions:\n  contents: read\n", "", "permissions: not only"),
    ("concurrency:", "env:\n  A: b\nconcurrency:", "env: of the whole workflow"),
    ("    environment: evalai", "    env: {}\n    environment: evalai", "env: of the whole job"),
    ("    timeout-minutes: 30\n", "", "push: no end"),
    (PROTECTED, "true", "push: if: not only from the protected branch"),
    ("&& github.event_name != 'pull_request'", "", "push: if: not only from the protected"),
    ("    environment: evalai", "    # none", "push: environment: none"),
    ("id-token: write", "id-token: write\n      packages: write", "push: permissions: other"),
    ("--require-hashes ", "", "push: install: not once and from hashes"),
    ("run: python -m nlb_evalai bundle build --ann", "run: make bundle --ann", "install: not once"),
    ("persist-credentials: false", "fetch-depth: 0", "checkout: leaves its credentials"),
    ("output-env-credentials: false", "mask-aws-account-id: true", "role: for every step"),
    ("secrets.EVALAI_TOKEN }}", "secrets.EVALAI_TOKEN }}\n          K: ${{ steps.role.outputs.x }}",
     "role: not for the build alone"),
    ("${{ steps.role.outputs.aws-secret-access-key }}", "${{ secrets.AWS_KEY }}", "stored keys"),
    ('--host-team "$HOST_TEAM"', "--host-team ${{ vars.X }}", "an expression inside"),
    ("      - name: Push it", "      - uses: actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad"
     "77386f024f  # v7.0.0\n      - name: Push it", "artifact: the bundle holds hidden truth"),
    ("role-to-assume: ${{ vars.AWS_ROLE }}", "role-to-assume: ${{ secrets.ROLE }}",
     "a secret outside of env"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "fault"), BROKEN, ids=lambda value: str(value)[:25])
def test_a_workflow_that_breaks_a_rule_is_found(old: str, new: str, fault: str) -> None:
    text = PUSH.read_text("utf-8")
    assert old in text
    assert any(fault in found for found in faults_of(text.replace(old, new)))


#: a change of the workflow that publishes -> the fault that must be found
BROKEN_RELEASE = [
    (ON_TAGS, "github.event_name == 'push'", "publish: if: not only on tags"),
    ("    environment: pypi", "    # none", "publish: environment: none"),
    ("id-token: write", "id-token: write\n      contents: write", "publish: permissions: other"),
    ("          path: dist/\n", "          path: dist/\n      - run: make wheel\n",
     "publish: steps: more than"),
    ("          name: wheel\n          path: dist/", "          password: p", "publish: secret"),
    ("    timeout-minutes: 10\n", "", "publish: no end"),
    ("test -f", "echo ${{ github.ref }}; test -f", "the version: an expression"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "fault"), BROKEN_RELEASE, ids=lambda value: str(value)[:25])
def test_a_release_that_breaks_a_rule_is_found(old: str, new: str, fault: str) -> None:
    text = RELEASE.read_text("utf-8")
    assert old in text
    assert any(fault in found for found in faults_of(text.replace(old, new)))


def test_a_release_is_of_the_version_that_its_tag_says_and_is_tried_before() -> None:
    steps = yaml.safe_load(RELEASE.read_text("utf-8"))["jobs"]["build"]["steps"]
    runs = [step["run"] for step in steps if "run" in step]
    assert runs[0] == ".ci/wheel"
    assert "${GITHUB_REF_NAME#v}-py3" in runs[1]


def test_a_secret_before_the_installation_is_found() -> None:
    workflow = yaml.safe_load(PUSH.read_text("utf-8"))
    steps = workflow["jobs"]["push"]["steps"]
    (install,) = [step for step in steps if step.get("name") == "Install"]
    steps.remove(install)
    steps.insert(4, install)
    text = yaml.safe_dump(workflow)
    assert any("install: after a secret or a role" in found for found in faults_of(text))


def test_pull_requests_are_tried_without_a_secret_and_run_all_checks() -> None:
    for path in (PUSH, CHECKS):
        assert "pull_request" in yaml.safe_load(path.read_text("utf-8"))[True]
    validate = yaml.safe_load(PUSH.read_text("utf-8"))["jobs"]["validate"]
    assert not any(_is_trusted(step) for step in validate["steps"])
    assert "permissions" not in validate
    job = yaml.safe_load(CHECKS.read_text("utf-8"))["jobs"]["checks"]
    assert job["steps"][-1]["run"] == ".ci/run"
    pythons = job["strategy"]["matrix"]["python"]
    tested = re.findall(r"scorer_tests python(\S+)", (ROOT / ".ci" / "run").read_text("utf-8"))
    assert pythons == tested == ["3.9", "3.13"]
    assert job["steps"][1]["with"]["python-version"].split() == pythons


#: import name -> distribution, where they differ
DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "botocore": "boto3",
    "zlib_ng": "zlib-ng",
}


def test_what_the_push_imports_is_locked_by_hash() -> None:
    """Of all modules that its commands reach; what is only imported in a function counts too."""
    text = (ROOT / "docker" / "requirements-push.txt").read_text("utf-8")
    entries = re.split(r"\n(?=[a-z])", text)
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    locked = {entry.partition("==")[0] for entry in entries}
    platforms = {f"nlb_evalai.challenge.{name}.platform" for name in names()}
    used = third_parties({"nlb_evalai.cli.bundle", "nlb_evalai.cli.dry_run", *platforms})
    assert {"h5py", "jinja2", "requests"} <= used
    assert {DISTRIBUTIONS.get(name, name) for name in used} - locked == set()


def third_parties(modules: Set[str]) -> Set[str]:
    """Packages outside the project and the standard library that modules import, theirs too."""
    reached: Set[str] = set()
    waiting = set(modules)
    while waiting:
        module = waiting.pop()
        if module in reached:
            continue
        reached.add(module)
        waiting |= imports_of(module)
    names: Set[str] = set()
    for module in reached:
        for node in ast.walk(ast.parse(FILES[module].read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(str(node.module).partition(".")[0])
    ours = {"nlb_evalai", "evaluation_script"}
    return {name for name in names - ours if not _is_standard(name)}


def _is_standard(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    origin = (spec.origin or "") if spec else ""
    return spec is not None and "site-packages" not in origin
