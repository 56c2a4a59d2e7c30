"""Codabench's worker runs this, with the scorer beside it: ``python3 score.py INPUT OUTPUT``."""

import sys

from program.main import run

from evaluation_script.scoring import score

if __name__ == "__main__":
    sys.exit(run(score, *sys.argv[1:]))
