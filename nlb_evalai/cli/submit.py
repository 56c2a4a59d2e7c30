"""``nlb-evalai submit``: upload a submission to EvalAI, and follow it to its scores."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Dict, Optional

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from evaluation_script.suites import Suite
from evaluation_script.text import listed, plural, printable
from nlb_evalai.cli._console import plain_console
from nlb_evalai.cli._suite import phase_of, suite_option
from nlb_evalai.cli._terminal import echo
from nlb_evalai.cli._token import take_token
from nlb_evalai.errors import NOT_FIT, ToolError
from nlb_evalai.submission.check import check_submission
from nlb_evalai.submission.submit import state
from nlb_evalai.submission.submit.answers import Answers
from nlb_evalai.submission.submit.client import Client, Submission
from nlb_evalai.submission.submit.outcome import outcome
from nlb_evalai.submission.submit.run import Submitter, doubt
from nlb_evalai.submission.submit.state import Store, Upload
from nlb_evalai.submission.submit.steps import Policy, Steps
from nlb_evalai.submission.submit.storage import Storage
from nlb_evalai.web.http import Timing

TOKEN_VARIABLE = "EVALAI_TOKEN"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", required=False, type=_FILE)
@click.option("--challenge", type=int, metavar="PK", help="The challenge's number on EvalAI.")
@click.option("--phase", metavar="CODENAME", help="The phase to submit to, as test.")
@suite_option()
@click.option("--method", default="", help="The method's name, which boards show.")
@click.option("--description", default="", help="What the method is.")
@click.option("--project-url", default="", help="Link to the project.")
@click.option("--publication-url", default="", help="Link to the publication.")
@click.option(
    "--public/--private", default=None, help="Who sees the entry; the phase decides if neither."
)
@click.option(
    "--code-will-be-released", is_flag=True, help="Commit to releasing the code (for prizes)."
)
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    metavar="NAME=VALUE",
    help="What else the phase asks for. May be given more than once.",
)
@click.option("--again", is_flag=True, help="Submit a file that was submitted and scored before.")
@click.option("--no-wait", is_flag=True, help="Leave once it is sent; --status tells the rest.")
@click.option("--send-again", is_flag=True, help="Send a message once more that may be lost.")
@click.option("--abandon", is_flag=True, help="Give up the unfinished upload of FILE, or all.")
@click.option("--status", type=int, metavar="ID", help="Show what became of a submission.")
@click.option("--api", default="https://eval.ai", show_default=True, help="EvalAI's address.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help=f"File with your token.  [default: the variable {TOKEN_VARIABLE}]",
)
@click.option(
    "--state",
    "folder",
    envvar="NLB_EVALAI_STATE",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that keeps what is unfinished.  [default: the user's state folder]",
)
@click.option(
    "--part-bytes",
    type=click.IntRange(min=1),
    default=16 << 20,
    hidden=True,
    help="Bytes of a part.",
)
@click.option(
    "--pause",
    type=click.FloatRange(min=0.001),
    default=2.0,
    hidden=True,
    help="Seconds between two looks.",
)
def submit(file: Optional[Path], **given: Any) -> None:
    """Upload FILE to EvalAI, have it scored, and show its scores.

    The file is checked first. After an interruption the same command goes on where it stopped. The
    token stands in the environment variable EVALAI_TOKEN or in --token-file. See
    docs/submitting.md.
    """
    challenge, phase, number = given["challenge"], given["phase"], given["status"]
    if number is None:
        missing = [f"--{name}" for name in ("challenge", "phase") if given[name] is None]
        if file is None and not given["abandon"]:
            missing.insert(0, "FILE")
        if missing:
            raise click.UsageError(f"{', '.join(missing)} missing, as --status is not given")
    token = take_token(TOKEN_VARIABLE, given["token_file"])
    timing = Timing(first_pause_seconds=given["pause"] / 2)
    with ExitStack() as stack:
        client = stack.enter_context(closing(Client(given["api"], token, timing=timing)))
        storage = stack.enter_context(closing(Storage(timing)))
        if number is not None:
            found = client.submission(number)
            echo(f"submission {found.pk} is {found.status}")
            _show(storage, found)
            return
        if file is not None and not given["abandon"]:
            _check(file, phase, given["suite"])
        bar = stack.enter_context(_Bar())
        policy = Policy(
            part_bytes=given["part_bytes"],
            pause_seconds=given["pause"],
            poll_seconds=2.5 * given["pause"],
        )
        steps = Steps(client, storage, Store(given["folder"]), policy, bar.say, bar.progress)
        submitter = Submitter(steps, challenge, phase)
        if given["abandon"]:
            cancelled = submitter.abandon(file)
            bar.say(f"{plural(len(cancelled), 'submission')} given up")
        else:
            found_or_none = _submit(submitter, file, given)
            bar.stop()
            if found_or_none is not None:
                _show(storage, found_or_none)


def _submit(
    submitter: Submitter, file: Optional[Path], given: Dict[str, Any]
) -> Optional[Submission]:
    """The submission at its end; None where nobody waits for it."""
    assert file is not None
    answers = Answers(
        method=given["method"],
        description=given["description"],
        project_url=given["project_url"],
        publication_url=given["publication_url"],
        public=given["public"],
        code_released=given["code_will_be_released"],
        attributes=tuple(given["attributes"]),
    )
    try:
        upload = submitter.submit(
            file, answers, again=given["again"], send_again=given["send_again"]
        )
        if not given["no_wait"]:
            return submitter.follow(upload)
    except KeyboardInterrupt:
        echo(_interrupted(submitter.upload), err=True)
        sys.exit(130)
    if upload.stage == state.SENDING:
        raise ToolError(doubt(upload))
    return None


def _interrupted(upload: Optional[Upload]) -> str:
    if upload is None:
        return "interrupted; run the same command again"
    if upload.stage in (state.SENT, state.TOLD):
        return (
            f"interrupted; submission {upload.submission} is being scored all the same: "
            f"--status {upload.submission} tells of it"
        )
    return (
        f"interrupted; submission {upload.submission} takes quota and a place: run the same "
        "command again within the hour to go on, or give it up with --abandon"
    )


def _check(file: Path, phase: str, suite: Suite) -> None:
    phase_of(suite, phase)
    report = check_submission(file, phase, suite=suite)
    for line in report.causes_told():
        echo(line, err=True)
    for note in report.notes:
        echo(f"note: {note}", err=True)
    if not report.accepted:
        head = f"{file}: would be rejected in phase {phase}, so nothing was sent,"
        for line in listed(head, report.problems).splitlines():
            echo(line, err=True)
        sys.exit(NOT_FIT)


def _show(storage: Storage, found: Submission) -> None:
    """Print scores or the reason; exit with 1 where it has no scores and will get none."""
    for line in outcome(storage, found):
        echo(line)
    if found.is_final and found.status != "finished":
        sys.exit(NOT_FIT)


class _Bar:
    """Lines on stderr, with a bar below them on terminals, and a line for each tenth elsewhere."""

    def __init__(self) -> None:
        self._console = plain_console(stderr=True)
        self._bar = Progress(
            "uploading",
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, visible=False)
        self._tenth = -1

    def __enter__(self) -> _Bar:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar.live.is_started:  # else it would print an empty line
            self._bar.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(printable(text), soft_wrap=True)

    def progress(self, done: int, total: int) -> None:
        """Show how much is uploaded."""
        if self._console.is_terminal:
            self._bar.update(self._task, completed=done, total=total, visible=done < total)
        elif 10 * done // total > self._tenth:
            self._tenth = 10 * done // total
            self.say(f"uploaded {done / 1e6:.1f} of {total / 1e6:.1f} MB")
