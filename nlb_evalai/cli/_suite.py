"""Which suite a command works on, and which of its phases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

import click
import h5py

from evaluation_script import suites
from evaluation_script.annotation import Annotation, root_text
from evaluation_script.storage import resolve
from evaluation_script.suites import Phase, Suite, SuiteError
from evaluation_script.text import did_you_mean
from nlb_evalai.errors import ToolError

if TYPE_CHECKING:  # a store knows how to fetch submissions, which most commands do not
    from nlb_evalai.competition.store import Store

Command = TypeVar("Command", bound=Callable[..., None])


class _SuiteType(click.ParamType):
    """The name of a suite, or a Python file with one of the user's own, which is loaded."""

    name = "suite"

    def convert(
        self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]
    ) -> Suite:
        if isinstance(value, Suite):
            return value
        try:
            return suites.load(Path(value)) if value.endswith(".py") else suites.find(value)
        except SuiteError as error:
            self.fail(str(error), param, ctx)


def suite_option(says_it: str = "") -> Callable[[Command], Command]:
    """``--suite NAME|FILE.py``.

    Parameters
    ----------
    says_it : str
        What says which suite it is where the option is left out, as ``the truth``. Empty: nothing
        does, and it is the default suite.
    """
    what = "The benchmark: the name of a suite, or a Python file with one of your own, which runs."
    return click.option(
        "--suite",
        type=_SuiteType(),
        metavar="NAME|FILE.py",
        default=None if says_it else suites.DEFAULT,
        show_default=f"{says_it} says it" if says_it else True,
        help=what,
    )


def phase_of(suite: Suite, codename: str) -> Phase:
    """The phase of that codename; a usage error names those of the suite."""
    try:
        return suite.phase(codename)
    except KeyError:
        known = [phase.codename for phase in suite.phases]
        near = did_you_mean(codename, known)
        expected = f"expected {' or '.join(known)} (suite {suite.name}){near}"
        raise click.BadParameter(f"found {codename!r}, {expected}", param_hint="--phase") from None


def suite_of_truth(truth: Path, phase: str, given: Optional[Suite]) -> Suite:
    """The suite that a phase's ground truth is, or must be, of.

    Raises
    ------
    AnnotationError
        If the truth cannot be read, or is of an unknown suite.
    """
    if given is not None:
        return given
    try:
        with h5py.File(resolve(truth, phase), "r") as file:
            return suites.find(root_text(file, "suite") or suites.DEFAULT)
    except (OSError, SuiteError):
        with Annotation(truth, phase) as annotation:  # it says what is wrong
            return annotation.suite


def suite_of_store(store: Store, given: Optional[Suite]) -> Suite:
    """The suite whose scores a store holds; it was opened with the one that is given."""
    try:
        return given or suites.find(store.suite or suites.DEFAULT)
    except SuiteError as error:
        raise ToolError(f"{store.path}: {error}; name its file with --suite") from None
