"""Settings of the whole process that calls at once may need: kept until the last is done."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from typing import Callable, ContextManager


class Held:
    """A setting of the whole process, made by the first call that needs it, undone by the last.

    To be used as ``with held:`` by any number of threads at once. Where each saved and restored
    the setting for itself, the one that leaves last would restore what another had set.

    Parameters
    ----------
    setting : callable
        Makes a context manager, which makes the setting and undoes it.
    """

    def __init__(self, setting: Callable[[], ContextManager[object]]) -> None:
        self._setting = setting
        self._lock = threading.Lock()
        self._holders = 0
        self._undo = ExitStack()
        os.register_at_fork(after_in_child=self._forked)

    def __enter__(self) -> None:
        with self._lock:
            if not self._holders:
                self._undo.enter_context(self._setting())
            self._holders += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._holders -= 1
            if not self._holders:
                self._undo.close()

    def _forked(self) -> None:
        """In a forked child what is set stays set: the threads that could undo it are not there."""
        self._lock = threading.Lock()
        if self._holders:
            self._holders += 1  # nobody, who never leaves
