"""``python -m nlb_evalai.challenge.pages FOLDER``: render the pages there."""

import sys
from pathlib import Path

from nlb_evalai.challenge.pages import write_pages

write_pages(Path(sys.argv[1]))
