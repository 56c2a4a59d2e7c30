"""How a worker treats submissions, and what the loops of its process have in common."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Collection, Dict, Mapping, Optional

from nlb_evalai.remote.health import Health
from nlb_evalai.remote.ledger import Ledger
from nlb_evalai.remote.scorer import Scorer
from nlb_evalai.web.fetch import MAX_BYTES, MAX_SECONDS
from nlb_evalai.web.http import Timing


@dataclass(frozen=True)
class Policy:
    """How a worker treats submissions.

    ``takeover_seconds``: a submission found running, begun by nobody in this host's record, may
    be in another host's hands for so long. ``max_tries`` counts those that the submission may
    have spoiled. ``challenge``: messages of another one are left alone. ``private_hosts``: storage
    at a private address that is fetched from all the same.
    """

    challenge: Optional[int] = None
    max_bytes: int = MAX_BYTES
    max_tries: int = 3
    takeover_seconds: float = 7200.0
    poll_seconds: float = 10.0
    fetch_timing: Timing = field(default_factory=Timing)
    fetch_seconds: float = MAX_SECONDS
    private_hosts: Collection[str] = ()


@dataclass
class Shared:
    """What the loops of one worker process have in common."""

    policy: Policy
    annotations: Mapping[str, Path]
    ledger: Ledger
    scorer: Scorer
    health: Health
    work: Path
    stop: threading.Event = field(default_factory=threading.Event)
    #: grace is over: give up what is in hand
    abort: threading.Event = field(default_factory=threading.Event)
    counts: Counter = field(default_factory=Counter)
    #: submission -> why it is not settled, though nobody else has it
    left: Dict[int, str] = field(default_factory=dict)
