"""Score one submission: ``score.py TRUTH SUBMISSION PHASE``; what ``evaluate`` returns, as JSON."""

import json
import sys
from contextlib import redirect_stdout

from evaluation_script import evaluate
from evaluation_script.errors import EvaluationError

if len(sys.argv) != 4:
    sys.exit(__doc__)
try:
    with redirect_stdout(sys.stderr):
        answer = evaluate(*sys.argv[1:])
except EvaluationError as error:  # made for people to read; a host is told more
    sys.exit(f"error: {getattr(error, 'detail', None) or error}")
json.dump(answer, sys.stdout, indent=1)
