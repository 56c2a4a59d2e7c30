"""The helper process. Run by file path with ``python -I``; not for people.

Arguments: one JSON object (see ``process.ReaderProcess``). Before it touches the file it says that
it is ready and which walls stand around it, then that it opened the file. It answers each request
on standard output in order, and leaves when standard input ends.
"""

from __future__ import annotations

import importlib.util
import json
import mmap
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict


def _load_package() -> None:
    """Make ``nlb_reader`` of this folder, without the rest of the scorer."""
    here = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "nlb_reader", here / "__init__.py", submodule_search_locations=[str(here)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["nlb_reader"] = module
    spec.loader.exec_module(module)


def _answer(request: Dict[str, Any], submission: Any, buffer: memoryview) -> Dict[str, Any]:
    if request["op"] == "describe":
        return {"facts": submission.describe(request["groups"])}
    for path, start, stop, offset in request["parts"]:
        try:
            submission.read(path, start, stop, buffer[offset:])
        except MemoryError:
            return {"error": "memory", "where": path}
        except Exception:  # noqa: BLE001 - whatever it was, the scorer must hear where
            return {"error": "data", "where": path}
    return {}


def _started_pool() -> ThreadPoolExecutor:
    """Two threads that run already: later none can be started."""
    threading.stack_size(1 << 20)  # address space is what the memory limit counts
    pool = ThreadPoolExecutor(2)
    both = threading.Barrier(2)
    for started in [pool.submit(both.wait) for _ in range(2)]:
        started.result()
    return pool


def main() -> None:
    """Confine this process, open the submission, and answer requests until input ends."""
    settings = json.loads(sys.argv[1])
    sys.path.extend(path for path in settings["library_paths"] if path not in sys.path)
    _load_package()
    from nlb_reader import h5file, sandbox, wire  # type: ignore[import-not-found]

    answers = os.dup(1)
    os.dup2(2, 1)  # whatever else prints must not break the protocol
    pool = _started_pool()
    buffer = mmap.mmap(settings["buffer_fd"], settings["buffer_bytes"])
    raw = open(settings["submission_fd"], "rb", buffering=0)  # noqa: SIM115, PTH123
    walls = sandbox.confine(settings["parent"], settings["memory_bytes"], settings["cpu_seconds"])

    def send(message: Dict[str, Any]) -> None:
        data = wire.pack(message)
        while data:
            data = data[os.write(answers, data) :]

    send({"ready": walls})
    try:
        submission = h5file.H5Submission(raw, pool)
    except MemoryError:
        send({"error": "memory", "where": None})
        return
    except h5file.OpenForWriting:
        send({"error": "writing", "where": None})
        return
    except Exception:  # noqa: BLE001
        send({"error": "open", "where": None})
        return
    send({"opened": True})
    receive = wire.reader_of(0)
    while True:
        request = wire.unpack(receive)
        if request is None:
            break
        try:
            answer = _answer(request, submission, memoryview(buffer))
        except MemoryError:
            answer = {"error": "memory", "where": None}
        except Exception:  # noqa: BLE001
            answer = {"error": "data", "where": None}
        send(answer)
    # Straight out: closing a damaged file in the HDF5 library could only go wrong.
    os._exit(0)


if __name__ == "__main__":
    main()
