"""``python -m nlb_evalai.challenge FOLDER``: write the generated files of a checkout there."""

import sys
from pathlib import Path

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.challenge.evalai.compose import challenge_files, write_files
from nlb_evalai.challenge.head import head_of

write_files(challenge_files(DEFAULT_SUITE, head_of(DEFAULT_SUITE)), Path(sys.argv[1]))
