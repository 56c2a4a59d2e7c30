"""``python -m tests.fuzz --count 2000 --seed 0``: exit code 1 if a promise was broken."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz import campaign


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="how many mutants")
    parser.add_argument("--seed", type=int, default=100_000, help="the first one's seed")
    parser.add_argument("--workers", type=int, default=2, help="how many at a time")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        seeds = range(options.seed, options.seed + options.count)
        tally = campaign.run(seeds, Path(folder), options.workers, progress=True)
    print("\n".join(campaign.summary(tally, time.monotonic() - started)))
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
