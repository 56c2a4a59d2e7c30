"""Groups of commands that are imported when they run: to list them costs nothing."""

from __future__ import annotations

import importlib
from typing import Any, List, Mapping, Optional, Tuple

import click


class LazyGroup(click.Group):
    """A group that knows where its commands are, and what their short help says.

    Parameters
    ----------
    lazy : mapping
        Name of a command -> (``module:attribute``, its short help). The short help stands here so
        that a list of commands imports none of them; a test holds it equal to the command's own.
    """

    def __init__(
        self, *args: Any, lazy: Optional[Mapping[str, Tuple[str, str]]] = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> List[str]:
        return sorted({*self.lazy, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        stubs = {name: click.Command(name, help=text) for name, (_, text) in self.lazy.items()}
        click.Group(self.name, commands={**self.commands, **stubs}).format_commands(ctx, formatter)
