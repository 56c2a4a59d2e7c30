"""``nlb-evalai annotations``: make ground truth from NWB sessions, look at it, check it."""

from __future__ import annotations

import click

from nlb_evalai.cli._lazy import LazyGroup

_HERE = "nlb_evalai.cli"


@click.group(
    "annotations",
    cls=LazyGroup,
    lazy={
        "adopt": (
            f"{_HERE}.annotations_adopt:adopt",
            "Write a copy of FILE that says its phase and suite, and of which file it is a copy.",
        ),
        "build": (
            f"{_HERE}.annotations_build:build",
            "Make the annotation file of a phase from NWB sessions.",
        ),
        "publish": (
            f"{_HERE}.annotations_publish:publish",
            "Upload FILE, encrypted and never public, read it back, and write a pointer to it.",
        ),
        "show": (
            f"{_HERE}.annotations_show:show",
            "Tell what is inside FILE: arrays, shapes and origin; never a value.",
        ),
        "verify": (
            f"{_HERE}.annotations_verify:verify",
            "Check the annotation file FILE against the suite and against itself.",
        ),
    },
)
def annotations_group() -> None:
    """Annotation files: the ground truth that EvalAI holds, one file a phase."""
