"""HDF5 files in the reference's layout."""

from __future__ import annotations

import json
import platform
from typing import Dict, Mapping

import h5py
import numpy as np
import scipy
from numpy.typing import NDArray

from nlb_evalai import __version__


def write_arrays(group: h5py.Group, arrays: Mapping[str, object]) -> None:
    """Write arrays as the reference does: float32, int32, bool, lists as ragged int32; gzip.

    A list of index arrays stays ragged when all have one length (where the reference stops).
    """
    for name, value in arrays.items():
        if isinstance(value, list):
            ragged = np.empty(len(value), object)
            for i, row in enumerate(value):
                ragged[i] = np.asarray(row, np.int32)
            group.create_dataset(
                name, data=ragged, dtype=h5py.vlen_dtype(np.int32), compression="gzip"
            )
        else:
            array = np.asarray(value)
            dtype = {"f": np.float32, "i": np.int32}.get(array.dtype.kind, array.dtype)
            group.create_dataset(name, data=array, dtype=dtype, compression="gzip")


def read_arrays(group: h5py.Group) -> Dict[str, object]:
    """The arrays of a group, ragged ones as lists."""
    arrays: Dict[str, object] = {}
    for name, node in group.items():
        if not isinstance(node, h5py.Dataset):
            continue
        value: NDArray = node[()]
        arrays[name] = list(value) if h5py.check_vlen_dtype(node.dtype) else value
    return arrays


def write_provenance(
    file: h5py.File, phase: str, suite: str, rules_version: str, sources: Mapping[str, object]
) -> None:
    """Root attributes that tell what a file was made of, and by what.

    ``sources``: dataset -> file name -> sha256.
    """
    file.attrs["phase"] = phase
    file.attrs["suite"] = suite
    file.attrs["rules_version"] = rules_version
    file.attrs["sources"] = json.dumps(sources, sort_keys=True)
    file.attrs["versions"] = json.dumps(
        {
            "nlb-evalai": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "h5py": h5py.__version__,
        },
        sort_keys=True,
    )
