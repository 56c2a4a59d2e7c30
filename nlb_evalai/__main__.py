"""``python -m nlb_evalai``."""

from nlb_evalai.cli import main

main()
