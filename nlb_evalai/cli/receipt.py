"""``nlb-evalai receipt``: look at a receipt, and check it against its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional

import click

from evaluation_script.suites import Suite, SuiteError, find
from evaluation_script.text import plural, printable
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.cli._terminal import echo, print_json
from nlb_evalai.cli.evaluate import scoring_bar
from nlb_evalai.errors import ToolError
from nlb_evalai.outputs import spare_inputs
from nlb_evalai.submission.evaluate import not_verified, verify_receipt
from nlb_evalai.submission.receipts import is_public, phase_of, public_receipt, read_receipt

_RECEIPT = click.argument("receipt", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group("receipt")
def receipt_group() -> None:
    """Receipts: from what, with what, and to which numbers a submission was scored."""


@receipt_group.command()
@_RECEIPT
def show(receipt: Path) -> None:
    """Tell what RECEIPT says, in brief."""
    try:
        lines = list(_lines(read_receipt(receipt)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # only where jsonschema is not installed
        what = f"{type(error).__name__}: {error}"
        raise ToolError(f"{receipt}: is no receipt: a field is not as expected ({what})") from None
    for line in lines:
        echo(line)


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    truth = found.get("truth", {"is_public": None, "published_as": None})
    known = (
        truth["published_as"]
        or {True: "public", False: "hidden", None: "it does not say"}[truth["is_public"]]
    )
    yield f"suite {found['suite']}, rules {found['rules_version']}, phase {found['phase']}"
    took = f" in {found['seconds']} s" if "seconds" in found else ""
    yield f"scored {found['created_at']}{took}; truth: {known}"
    for name, facts in found["files"].items():
        yield f"{name.replace('_', ' ')}: sha256 {facts['sha256']}, {facts['bytes']} bytes"
    for name, group in found["groups"].items():
        scores = "  ".join(f"{key} {one['value']:.6f}" for key, one in group["scores"].items())
        yield f"  {printable(name):20} {scores}"
        for key, reason in group["left_out"].items():
            yield f"  {printable(name):20} {key} left out: {reason}"


@receipt_group.command()
@_RECEIPT
@suite_option("the receipt")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File to write to.",
)
def public(receipt: Path, suite: Optional[Suite], out: Path) -> None:
    """Write what everyone may see of RECEIPT: shown scores, and nothing of the host.

    Scores on hidden truth are rounded and floored as on the boards; those on truth that is known to
    be public keep every digit.
    """
    spare_inputs([out], [receipt])
    said = read_receipt(receipt)
    try:
        phase = phase_of(said, suite or find(said["suite"]))
    except (SuiteError, ToolError) as error:
        raise ToolError(f"{receipt}: {error}") from None
    text = json.dumps(public_receipt(said, phase), indent=1) + "\n"
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ToolError(f"{out}: cannot be written: {error.strerror}") from None
    digits = "all" if phase.score_decimals is None else str(phase.score_decimals)
    was = "it was public already" if is_public(said) else f"scores with {digits} decimals"
    echo(f"{out}: written, {was}")


@receipt_group.command()
@_RECEIPT
@click.option(
    "--submission",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The submission that was scored.",
)
@click.option(
    "--annotations",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The truth that it was scored on.",
)
@suite_option("the receipt")
@click.option("--json", "json_wanted", is_flag=True, help="Print what was found as JSON.")
def verify(
    receipt: Path, submission: Path, annotations: Path, suite: Optional[Suite], json_wanted: bool
) -> None:
    """Check every hash and every number of RECEIPT by scoring its files again.

    The command exits with 1 if something differs, and says what and why it may.
    """
    said = read_receipt(receipt)
    with scoring_bar(json_wanted) as bar:
        task = bar.add_task("", total=None)
        verdict = verify_receipt(
            said,
            submission,
            annotations,
            suite,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if json_wanted:
        print_json(
            {
                "receipt": str(receipt),
                "verified": not verdict.differences,
                "differences": verdict.differences,
                "notes": verdict.notes,
            }
        )
    else:
        for note in verdict.notes:
            echo(f"note: {note}", err=True)
    if verdict.differences:
        raise not_verified(receipt, verdict.differences)
    if not json_wanted:
        echo(f"{receipt}: verified, {plural(verdict.n_scores, 'score')} agree to 1e-9")
