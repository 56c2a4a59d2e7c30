"""What stands in the state folder of an upload: enough to go on after a crash, and no token.

The addresses of parts are as good as keys for an hour, so the files are for their owner alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import platformdirs

from nlb_evalai.errors import ToolError

_FORMAT = 1
#: a submission was asked for, and no answer is known
ASKED = "asked"
#: the addresses are here; parts are being uploaded or put together
UPLOADING = "uploading"
#: it was asked to be scored, and no answer is known
SENDING = "sending"
#: it will be scored, or was
SENT = "sent"
#: ... and its outcome was told
TOLD = "told"


class Busy(ToolError):
    """Another process has the upload in hand."""


@dataclass
class Upload:
    """An upload of one file to one phase, as far as it came.

    ``content`` is what was said of the submission, ``before`` the team's newest submission when it
    was asked for. ``etags`` are by part, counted from 1; ``expires`` is in seconds since 1970.
    """

    api: str
    challenge: int
    phase: str
    phase_pk: int
    file: str
    sha256: str
    n_bytes: int
    part_bytes: int
    content: Dict[str, Any]
    before: int
    stage: str = ASKED
    submission: int = 0
    upload_id: str = ""
    addresses: List[str] = field(default_factory=list)
    expires: float = 0.0
    etags: Dict[int, str] = field(default_factory=dict)

    @property
    def n_parts(self) -> int:
        """Parts of the file."""
        return max(1, -(-self.n_bytes // self.part_bytes))

    def bytes_of(self, number: int) -> int:
        """The size of a part, counted from 1."""
        return min(self.part_bytes, self.n_bytes - (number - 1) * self.part_bytes)

    @property
    def missing(self) -> List[int]:
        """The parts that are not uploaded yet, counted from 1."""
        return [number for number in range(1, self.n_parts + 1) if number not in self.etags]

    @property
    def is_expired(self) -> bool:
        """Whether parts are missing whose addresses have expired."""
        return bool(self.missing) and time.time() >= self.expires


class Store:
    """The state folder.

    Parameters
    ----------
    folder : Path, optional
        Uploads stand in ``uploads`` below it. By default the user's own, as the platform has it.
    """

    def __init__(self, folder: Optional[Path] = None) -> None:
        self.folder = (folder or platformdirs.user_state_path("nlb-evalai")) / "uploads"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def key(self, api: str, challenge: int, phase: str, sha256: str) -> str:
        """The name of an upload's files."""
        text = "\n".join((api, str(challenge), phase, sha256))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def key_of(self, upload: Upload) -> str:
        """The name of the files of this one."""
        return self.key(upload.api, upload.challenge, upload.phase, upload.sha256)

    @contextmanager
    def held(self, key: str) -> Iterator[None]:
        """Hold an upload; the system lets go of it when the process ends.

        Raises
        ------
        Busy
            If another process holds it.
        """
        # The lock's file stays: a process that waits may have it open already.
        with (self.folder / f"{key}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Busy("this file is being submitted by another process just now") from None
            yield

    def load(self, key: str) -> Optional[Upload]:
        """What stands there of an upload, if anything.

        Raises
        ------
        ToolError
            If it cannot be understood: it may name a submission that holds quota.
        """
        path = self.folder / f"{key}.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found.pop("format") != _FORMAT:
                raise ValueError("another format")
            found["etags"] = {int(number): tag for number, tag in found["etags"].items()}
            if found.keys() != {one.name for one in fields(Upload)}:
                raise ValueError("other fields")
            return Upload(**found)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ToolError(
                f"{path}: is no record of an upload ({error}); delete it, then look on EvalAI "
                "whether a submission is left to be cancelled"
            ) from None

    def save(self, upload: Upload) -> None:
        """Keep an upload; what is there before a crash is there after it."""
        content = json.dumps({"format": _FORMAT, **asdict(upload)}, indent=1)
        # mkstemp's files have mode 600
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.folder / f"{self.key_of(upload)}.json")
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def drop(self, upload: Upload) -> None:
        """Forget an upload."""
        (self.folder / f"{self.key_of(upload)}.json").unlink(missing_ok=True)

    def unfinished(self, api: str, challenge: int, phase: str) -> List[Upload]:
        """Uploads to a phase that hold a place there, as far as this folder knows."""
        found = [self.load(path.stem) for path in sorted(self.folder.glob("*.json"))]
        return [
            one
            for one in found
            if one is not None
            and (one.api, one.challenge, one.phase) == (api, challenge, phase)
            and one.stage in (ASKED, UPLOADING, SENDING)
        ]
