"""Where the checkout and the tests' data lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "data"
GOLDEN = DATA / "golden"
#: a suite that is not the package's own
FINGERS = ROOT / "tests" / "suites" / "fingers.py"
