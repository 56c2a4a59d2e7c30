"""Codabench's worker runs this, with the scorer beside it: ``python3 score.py INPUT OUTPUT``."""

import sys

if __name__ == "__main__":
    try:
        from program.main import run

        from evaluation_script.scoring import score
    except ImportError as error:
        sys.exit(f"the image that scores lacks {error.name}: please tell the organizers")
    sys.exit(run(score, *sys.argv[1:]))
