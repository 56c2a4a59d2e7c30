"""Files that are no HDF5, told by their first bytes; nothing of them is ever unpacked or run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple

from nlb_evalai.lfs import read_lfs_pointer

HDF5_MARK = b"\x89HDF\r\n\x1a\n"
MATLAB_HDF5_MARK = b"MATLAB 7.3 MAT-file"
#: so much is looked at
_MOST_BYTES = 1024


@dataclass(frozen=True)
class Foreign:
    """What a file is instead: ``words`` name it, ``mend`` says how it becomes a submission."""

    words: str
    mend: str


_WRITE = "from nlb_evalai.submission import save; save('submission.h5', arrays, phase=...)"
_AGAIN = "download the file itself again, with the link for the raw file"
_UNPACK = "unpack it and send the .h5 file that is in it"

#: what a file of that kind matches at its start -> what it is; the first that matches counts
_KINDS: Tuple[Tuple[bytes, Foreign], ...] = (
    (rb"PK\x03\x04.{26}[^/]*/data\.pkl",
     Foreign("a PyTorch checkpoint", f"rates = torch.load(...) in your own code; {_WRITE}")),
    (rb"PK\x03\x04.{26}[\w./ -]*\.npy",
     Foreign("a NumPy archive (.npz)", f"arrays = dict(np.load('submission.npz')); {_WRITE}")),
    (rb"PK(\x03\x04|\x05\x06)", Foreign("a zip archive, as of a challenge", _UNPACK)),
    (rb"\x1f\x8b", Foreign("a gzip file", _UNPACK)),
    (rb"BZh[1-9]|\xfd7zXZ\0|7z\xbc\xaf\x27\x1c|\x28\xb5\x2f\xfd|Rar!|.{257}ustar",
     Foreign("an archive or a compressed file", _UNPACK)),
    (rb"\x93NUMPY", Foreign("a NumPy array (.npy)", f"rates = np.load('rates.npy'); {_WRITE}")),
    (rb"\x80[\x02-\x05]|\((lp|dp)[0-9]*\n|c[\w.]+\n[\w.]+\n",
     Foreign("a pickle", f"{_WRITE} where the arrays are made: pickles are never opened here")),
    (rb"MATLAB 5\.0 MAT-file",
     Foreign("a MATLAB file of version 5", f"arrays = scipy.io.loadmat('s.mat'); {_WRITE}")),
    (rb"PAR1", Foreign("a Parquet file", _WRITE)),
    (rb"CDF[\x01\x02\x05]", Foreign("a classic netCDF file", _WRITE)),
    (rb"\x0e\x03\x13\x01", Foreign("an HDF4 file", _WRITE)),
    (rb"(?i)\s*(<!--.{0,200}?-->\s*)?(<!doctype html|<html)",
     Foreign("a web page, as a server shows instead of a file", _AGAIN)),
    (rb"\s*<\?xml|\s*<Error>", Foreign("an XML text, as storage answers an error with", _AGAIN)),
    (rb"\0+\Z", Foreign("a file of zero bytes, as a download that broke off leaves it", _AGAIN)),
)  # fmt: skip


def foreign(path: Path) -> Optional[Foreign]:
    """What a file is that is no HDF5; None if it is HDF5, or cannot be told.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_MOST_BYTES)
        if start.startswith(HDF5_MARK) or start.startswith(MATLAB_HDF5_MARK):
            return None
    if not start:
        return Foreign("an empty file", f"close the file before you send it, or {_WRITE}")
    pointer = read_lfs_pointer(path)
    if pointer is not None:
        return Foreign(str(pointer), "git lfs pull")
    for pattern, found in _KINDS:
        if re.match(pattern, start, re.DOTALL):
            return found
    try:
        start.decode("utf-8", "strict" if len(start) < _MOST_BYTES else "ignore")
    except UnicodeDecodeError:
        return None
    return None if b"\0" in start else Foreign("a text file", _WRITE)


def missing_bytes(path: Path) -> int:
    """How many bytes an HDF5 file lacks at its end, by what its superblock says; 0 if none.

    Source: HDF5 file format specification, version 3.0, section II.A.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        for start in (0, 512, 1024, 2048):
            file.seek(start)
            block = file.read(96)
            if block.startswith(HDF5_MARK):
                return max(0, _end_of_file(block) - n_bytes)
    return 0


def _end_of_file(block: bytes) -> int:
    """The end-of-file address in a superblock; 0 if it is none that is known."""
    if len(block) < 48:
        return 0
    version = block[8]
    if version in (0, 1):
        width, first = block[13], 24 if version == 0 else 28
    elif version in (2, 3):
        width, first = block[9], 12
    else:
        return 0
    end = block[first + 2 * width : first + 3 * width]
    return int.from_bytes(end, "little") if width in (2, 4, 8) else 0
