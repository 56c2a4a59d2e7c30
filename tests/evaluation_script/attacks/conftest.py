"""After every attack: no descriptor and no process is left, and an honest file still scores."""

from __future__ import annotations

import gc
import textwrap
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from evaluation_script import scoring
from evaluation_script.reader import process as client
from tests.evaluation_script.attacks.arena import Arena
from tests.evaluation_script.conftest import children, open_descriptors

PRELUDE = """
import importlib.util, os, signal, sys, time
spec = importlib.util.spec_from_file_location("genuine_main", {main!r})
genuine = importlib.util.module_from_spec(spec)
spec.loader.exec_module(genuine)
genuine_answer = genuine._answer
{body}
genuine.main()
"""


@pytest.fixture(scope="session")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Arena:
    return Arena(tmp_path_factory.mktemp("arena"))


@pytest.fixture(autouse=True)
def aftermath(arena: Arena) -> Iterator[None]:
    # Other tests of this process may have left some, and may let go of them meanwhile.
    descriptors, processes = open_descriptors(), children()
    yield
    arena.check_honest()
    gc.collect()
    assert not open_descriptors() - descriptors, "file descriptors leak"
    assert not children() - processes, "processes are left behind"


@pytest.fixture
def wicked_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Replace the helper's program: the genuine one, after ``body`` has tampered with it."""

    def install(body: str) -> None:
        program = tmp_path / "wicked.py"
        genuine = str(Path(client.__file__).with_name("__main__.py"))
        program.write_text(PRELUDE.format(main=genuine, body=textwrap.dedent(body)))
        patch.setattr(client, "_PROGRAM", program)

    with monkeypatch.context() as patch:
        yield install


@pytest.fixture
def strict() -> Iterator[Callable[..., None]]:
    """Let ``evaluate`` go by stricter limits."""
    original = scoring.ReaderProcess
    with pytest.MonkeyPatch.context() as patch:

        def limit(**limits: Any) -> None:
            patch.setattr(
                scoring,
                "ReaderProcess",
                lambda descriptor, _: original(descriptor, client.Limits(**limits)),
            )

        yield limit
