"""How this package is installed, and what has to be installed for more than a participant needs."""

from __future__ import annotations

from typing import Optional

#: where the sources are; pages, README and docs name it in what :func:`install` says
SOURCE = "https://github.com/neurallatents/nlb-evalai"
#: whether the package index has this project, so that its name alone installs it
PUBLISHED = False

#: what a module is imported for -> the extra that brings it, as in pyproject.toml
EXTRA_OF = {
    "scipy": "score",
    "threadpoolctl": "score",
    "jsonschema": "host",  # with scoring, too; who misses it at the start misses more
    "sklearn": "host",
    "boto3": "host",
    "botocore": "host",
    "s3transfer": "host",
    "jinja2": "host",
    "matplotlib": "host",
    "packaging": "host",
    "distributed": "dask",
}


def install(extra: str = "") -> str:
    """The command that installs this package.

    Parameters
    ----------
    extra : str
        ``score``, ``diagnostics``, ``host`` or ``dask``, for more than a participant needs.

    Examples
    --------
    >>> install("score")
    'pip install "nlb-evalai[score] @ git+https://github.com/neurallatents/nlb-evalai"'
    """
    name = f"nlb-evalai[{extra}]" if extra else "nlb-evalai"
    return f'pip install "{name}"' if PUBLISHED else f'pip install "{name} @ git+{SOURCE}"'


def what_is_missing(error: ModuleNotFoundError) -> Optional[str]:
    """What to install for a module that is not there; None if no extra brings it."""
    module = (error.name or "").partition(".")[0]
    extra = EXTRA_OF.get(module)
    return extra and f"this command needs more ({module} is not installed): {install(extra)}"
