"""The root of the errors that the command line shows without a traceback."""

from __future__ import annotations


class ToolError(Exception):
    """Something the user can mend; the message says where, what was found and expected."""
