"""``python -m tests.snapshot --record [NAME ...]``: write the snapshots anew."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from . import bundles, compare, scorer, sessions, tools

TABLES = {**scorer.SNAPSHOTS, **tools.SNAPSHOTS, **bundles.SNAPSHOTS, **sessions.SNAPSHOTS}
TABLES["old_store"] = tools.old_store


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.snapshot", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TABLES))
    parser.add_argument("--record", action="store_true", help="say that you mean it")
    options = parser.parse_args()
    unknown = sorted({*options.names} - {*TABLES})
    if unknown:
        parser.error(f"no snapshot {unknown[0]!r}; expected some of {', '.join(TABLES)}")
    if not options.record:
        parser.error("--record overwrites what the tests expect; pytest compares")
    for name in options.names or TABLES:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="snapshot-") as folder:
            path = compare.record(name, TABLES[name](Path(folder)))
        seconds = time.perf_counter() - started
        print(f"{path.stat().st_size:8,d} bytes {seconds:5.1f} s  {path.name}")


if __name__ == "__main__":
    main()
