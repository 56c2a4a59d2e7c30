"""A helper that crashes, hangs, lies or attacks: the scorer lives, answers, scores the next."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any, Callable, Dict, Tuple

import numpy as np
import pytest

from evaluation_script import scoring
from evaluation_script.arrays import RATE_ARRAYS as ARRAYS
from evaluation_script.errors import (
    EvaluationError,
    InternalError,
    LimitError,
    SubmissionError,
)
from evaluation_script.reader import facts as reader_facts
from evaluation_script.reader import wire
from evaluation_script.reader.process import ReaderProcess
from tests.evaluation_script.attacks.arena import MAZE, RSG, Arena, write_submission

Install = Callable[..., None]

FIRST = f"{MAZE}/train_rates_heldin"
#: does something when the first block is asked for
AT_READ = """
def answer(request, submission, buffer):
    if request["op"] == "read":
        {}
    return genuine_answer(request, submission, buffer)
genuine._answer = answer
"""
#: learns where answers go
ANSWERS = """
answers, genuine_dup = [], os.dup
os.dup = lambda number: answers.append(genuine_dup(number)) or answers[-1]
"""


DEATHS = {
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "the reader was killed", LimitError),
    "ended": ("os._exit(0)", "the reader ended unexpectedly", LimitError),
    "failed": ("os._exit(3)", "the reader ended unexpectedly", LimitError),
    "segfault": ("os.kill(os.getpid(), signal.SIGSEGV)", "it crashed the HDF5", SubmissionError),
    "abort": ("os.abort()", "it crashed the HDF5 library", SubmissionError),
    "bus error": ("os.kill(os.getpid(), signal.SIGBUS)", "it crashed", SubmissionError),
    "odd signal": ("os.kill(os.getpid(), signal.SIGRTMIN + 5)", "was killed", LimitError),
}


@pytest.mark.parametrize(("deed", "words", "kind"), DEATHS.values(), ids=DEATHS)
def test_a_reader_that_dies_is_one_clear_sentence(
    arena: Arena, wicked_reader: Install, deed: str, words: str, kind: type
) -> None:
    wicked_reader(AT_READ.format(deed))
    message = arena.refused(arena.new(), "the file could not be read: ", words, f" at {FIRST}")
    # Only what can be the file's fault is called a rejection.
    assert message.startswith("submission rejected") == (kind is SubmissionError)


def test_a_reader_that_hangs_is_ended_at_the_limit(
    arena: Arena, wicked_reader: Install, strict: Any
) -> None:
    strict(answer_seconds=1.0)
    started = time.monotonic()
    wicked_reader(AT_READ.format("time.sleep(60)"))
    arena.refused(arena.new(), f"the reader took too long at {FIRST}")
    assert time.monotonic() - started < 10


def test_a_reader_that_trickles_is_ended_at_the_total_limit(
    arena: Arena, wicked_reader: Install, strict: Any
) -> None:
    strict(total_seconds=3.0)
    trickle = (
        "[(os.write(answers[0], bytes([n])), time.sleep(0.7)) for n in b'\\x09\\0\\0\\0abcdef']"
    )
    wicked_reader(ANSWERS + AT_READ.format(trickle))
    started = time.monotonic()
    arena.refused(arena.new(), "the reader took too long")
    assert time.monotonic() - started < 8


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits as Linux keeps them")
def test_cpu_time_and_memory_are_limited(arena: Arena, wicked_reader: Install, strict: Any) -> None:
    strict(cpu_seconds=2)
    wicked_reader(AT_READ.format("\n        while True: pass"))
    arena.refused(arena.new(), f"the reader used too much CPU time at {FIRST}")
    wicked_reader("""
        def answer(request, submission, buffer):
            if request["op"] == "read":
                return {"error": "memory", "where": str(len(bytearray(1 << 30)))}
            return genuine_answer(request, submission, buffer)
        genuine._answer = answer
    """)
    arena.refused(arena.new(), f"the reader ran out of memory at {FIRST}")
    wicked_reader("""
        def read(self, path, start, stop, out, original=None):
            held.append(bytearray(1 << 30))
        held = []
        load = genuine._load_package
        def load_and_patch():
            load()
            from nlb_reader import h5file
            h5file.H5Submission.read = read
        genuine._load_package = load_and_patch
    """)
    arena.refused(arena.new(), f"the reader ran out of memory at {FIRST}")


GARBAGE = {
    "flood": "while True: os.write(answers[0], b'garbage ' * 10000)",
    "long message": "os.write(answers[0], b'\\xff\\xff\\xff\\xff'); time.sleep(60)",
    "no text": "os.write(answers[0], b'\\4\\0\\0\\0\\xff\\xfe\\0\\0'); time.sleep(60)",
    "no JSON": "os.write(answers[0], b'\\4\\0\\0\\0nope'); time.sleep(60)",
    "no object": "os.write(answers[0], b'\\2\\0\\0\\0[]'); time.sleep(60)",
    "deep": "os.write(answers[0], b'\\0\\0\\3\\0' + b'[' * 196608); time.sleep(60)",
    "long number": "os.write(answers[0], b'\\0\\0\\3\\0' + b'1' * 196608); time.sleep(60)",
    "no facts": "os.write(answers[0], b'\\2\\0\\0\\0{}'); time.sleep(60)",
}


@pytest.mark.parametrize("deed", GARBAGE.values(), ids=GARBAGE)
def test_garbage_instead_of_answers_is_refused_at_once(
    arena: Arena, wicked_reader: Install, deed: str
) -> None:
    wicked_reader(ANSWERS + AT_READ.replace('"read"', '"describe"').format(deed))
    started = time.monotonic()
    arena.refused(arena.new(), "the file could not be read: the reader went astray")
    assert time.monotonic() - started < 10


def test_facts_of_the_wrong_form_are_not_believed(arena: Arena, wicked_reader: Install) -> None:
    wicked_reader("""
        def answer(request, submission, buffer):
            found = genuine_answer(request, submission, buffer)
            if request["op"] == "describe":
                found["facts"]["groups"]["/etc/passwd"] = {"link": "\x1b[2J"}
            return found
        genuine._answer = answer
    """)
    arena.refused(arena.new(), "the reader went astray")


def good_facts() -> Tuple[Dict[str, Any], Dict[str, Any], Dict[str, Any]]:
    """An answer that is believed; its group; its array."""
    array = {
        "link": "hard", "kind": "dataset", "layout": "chunked", "external": 0, "dtype": "<f4",
        "shape": [8, 35, 3], "type_class": "float", "chunks": [8, 35, 3], "chunks_written": 1,
        "filters": [1], "stored_bytes": 10,
    }  # fmt: skip
    names: Dict[str, Any] = {"members": 1, "other": ["x"]}
    group = {"link": "hard", "kind": "group", **names, "arrays": {"eval_rates_heldout": array}}
    return {**names, "groups": {MAZE: group}}, group, array


LIES = [
    ("facts", "groups", {"/etc/passwd": {}}),
    ("facts", "other", ["x" * 10_000]),
    ("facts", "members", -1),
    ("group", "arrays", {"passwd": {}}),
    ("array", "shape", [8.5, 35, 3]),
    ("array", "shape", [float("nan"), 35, 3]),
    ("array", "shape", [1] * 1000),
    ("array", "shape", [10**30, 35, 3]),
    ("array", "shape", None),
    ("array", "dtype", "O"),
    ("array", "dtype", "f4,f4"),
    ("array", "dtype", "<f4\n"),
    ("array", "dtype", "<f3"),
    ("array", "dtype", "<i99"),
    ("array", "chunks", None),
    ("array", "chunks", [0, 0, 0]),
    ("array", "chunks", [1]),
    ("array", "type_class", "\x1b[2J"),
    ("array", "link", {}),
    ("array", "kind", "truth"),
    ("array", "filters", [True]),
]


@pytest.mark.parametrize(("holder", "key", "lie"), LIES)
def test_each_lie_about_a_file_is_seen(holder: str, key: str, lie: Any) -> None:
    facts, group, array = good_facts()
    assert reader_facts.checked(facts, {MAZE: ARRAYS}) == facts
    {"facts": facts, "group": group, "array": array}[holder][key] = lie
    with pytest.raises(ValueError, match="nonsense"):
        reader_facts.checked(facts, {MAZE: ARRAYS})


def test_nothing_more_is_taken_over_of_what_is_no_real_member() -> None:
    facts, group, array = good_facts()
    array.update(link="soft", shape="abc")
    found = reader_facts.checked(facts, {MAZE: ARRAYS})["groups"][MAZE]["arrays"]
    assert found == {"eval_rates_heldout": {"link": "soft", "kind": None}}
    group.update(link="external", kind={"x": 1})
    found = reader_facts.checked(facts, {MAZE: ARRAYS})["groups"]
    assert found == {MAZE: {"link": "external", "kind": None}}


def test_facts_mistyped_anywhere_raise_no_other_error() -> None:
    odd = [None, True, -1, 1.5, "x", "<f4", [], [[]], {}, {"x": {}}, [1] * 99, 1 << 70, ["x"]]
    facts, group, array = good_facts()
    seen = 0
    for holder in (facts, group, array):
        for key in holder:
            genuine = holder[key]
            for value in odd:
                holder[key] = value
                try:
                    reader_facts.checked(facts, {MAZE: ARRAYS})
                except ValueError:
                    seen += 1
            holder[key] = genuine
    assert seen > 150
    assert reader_facts.checked(facts, {MAZE: ARRAYS}) == facts


def test_wrong_numbers_from_the_reader_are_audited_like_any(
    arena: Arena, wicked_reader: Install
) -> None:
    wicked_reader("""
        def answer(request, submission, buffer):
            found = genuine_answer(request, submission, buffer)
            if request["op"] == "read":
                path, start, stop, offset = request["parts"][0]
                buffer[offset:offset + 4] = b"\\xff\\xff\\xff\\xff"
            return found
        genuine._answer = answer
    """)
    arena.refused(arena.new(), f"{FIRST}: 1 NaN or infinite values, first at trial 0")


def test_a_buffer_that_changes_under_the_scorer_breaks_nothing(
    arena: Arena, wicked_reader: Install
) -> None:
    # One of the threads that run already: no other can be had.
    wicked_reader("""
        def scribble(buffer):
            while True:
                buffer[:1 << 16] = os.urandom(1 << 16)
                os.write(2, b"")
        started = []
        def answer(request, submission, buffer):
            if request["op"] == "read" and not started:
                started.append(submission._pool.submit(scribble, buffer))
            return genuine_answer(request, submission, buffer)
        genuine._answer = answer
    """)
    for _ in range(3):
        try:
            answer = arena.score(arena.new())
        except EvaluationError:
            continue
        for entry in answer["result"]:
            for scores in entry.values():
                assert all(np.isfinite(list(scores.values())))


@pytest.mark.parametrize("group", [MAZE, RSG])
def test_what_is_audited_is_what_is_scored(
    arena: Arena, wicked_reader: Install, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    """A reader that flips rates after the audit forged a co-bps of 193853.9 once."""
    wicked_reader("""
        import struct
        buffers = []
        def flip(*_):
            n_values = 1 << 18
            buffers[0][: 4 * n_values] = struct.pack("<f", 1e-30) * n_values
        def answer(request, submission, buffer):
            buffers.append(buffer)
            return genuine_answer(request, submission, buffer)
        genuine._answer = answer
        signal.signal(signal.SIGUSR1, flip)
    """)
    audited, scored, readers = [], [], []
    passes, update = scoring.ValueAudit.passes, scoring.GroupScorer.update

    def passes_and_then(self: Any, block: Any, values: Any, used: Any) -> bool:
        answer = passes(self, block, values, used)
        audited.append([array.tobytes() for array in values])
        os.kill(readers[0]._process.pid, signal.SIGUSR1)
        time.sleep(0.2)
        return answer

    def noted(self: Any, block: Any, *values: Any) -> None:
        scored.append([array.tobytes() for array in values])
        update(self, block, *values)

    def reader(*arguments: Any) -> Any:
        readers.append(ReaderProcess(*arguments))
        return readers[-1]

    path = arena.folder / f"flipped_{group}.h5"
    write_submission(path, (group,))
    with monkeypatch.context() as patch:
        patch.setattr(scoring.ValueAudit, "passes", passes_and_then)
        patch.setattr(scoring.GroupScorer, "update", noted)
        patch.setattr(scoring, "ReaderProcess", reader)
        answer = arena.score(path)
    assert audited == scored
    assert answer["result"]
    readers.clear()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sealing is Linux's")
def test_a_buffer_cannot_be_cut_under_the_scorer(arena: Arena, wicked_reader: Install) -> None:
    """Else the scorer would die of SIGBUS at its next look."""
    wicked_reader("""
        import json
        settings = json.loads(sys.argv[1])
        for size in (0, 1 << 40):
            try:
                os.ftruncate(settings["buffer_fd"], size)
            except PermissionError:
                continue
            os.kill(os.getpid(), signal.SIGSEGV)
    """)
    arena.check_honest()


def test_a_reader_that_answers_more_than_it_was_asked_harms_nobody(
    arena: Arena, wicked_reader: Install
) -> None:
    wicked_reader("""
        def answer(request, submission, buffer):
            found = genuine_answer(request, submission, buffer)
            return {**found, "peak_bytes": 10**18, "more": "x" * 100000}
        genuine._answer = answer
    """)
    arena.check_honest()


def test_messages_have_a_longest_length() -> None:
    sent = iter([(wire.MAX_MESSAGE_BYTES + 1).to_bytes(4, "little")])
    with pytest.raises(ValueError, match="too long"):
        wire.unpack(lambda count: next(sent))


def test_a_reader_killed_from_outside_at_any_moment_is_survived(arena: Arena) -> None:
    import psutil

    me, done = psutil.Process(), threading.Event()

    def hunt() -> None:
        rng = np.random.default_rng(5)
        while not done.is_set():
            for child in me.children():
                time.sleep(float(rng.uniform(0, 0.25)))
                if child.is_running():
                    try:
                        child.kill()
                    except psutil.NoSuchProcess:
                        continue
            time.sleep(0.01)

    hunter = threading.Thread(target=hunt)
    hunter.start()
    refusals = []
    try:
        for _ in range(8):
            try:
                assert arena.score(arena.honest)["result"] == arena.honest_result
            except (LimitError, InternalError) as error:
                refusals.append(str(error))
    finally:
        done.set()
        hunter.join()
    assert refusals
    for message in refusals:
        assert "the reader was killed" in message or "server could not start reading" in message
