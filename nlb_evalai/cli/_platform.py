"""For which platform a command works."""

from __future__ import annotations

from typing import Any, Callable, TypeVar

import click

from nlb_evalai.challenge.names import DEFAULT, names

Command = TypeVar("Command", bound=Callable[..., Any])


def platform_option(what: str) -> Callable[[Command], Command]:
    """``--platform NAME``; None where it is left out, which means the default one."""
    return click.option(
        "--platform", type=click.Choice(names()), help=f"{what}  [default: {DEFAULT}]"
    )
