"""Rules of all platforms about the zip itself: what is in it, under which names."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import Iterator

from nlb_evalai.challenge.rules.finding import WARNING
from nlb_evalai.challenge.rules.package import Package
from nlb_evalai.challenge.rules.registry import Fault, Rulebook

ARCHIVE = Rulebook()
check = ARCHIVE.check


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts


@check("damaged-member", sentence="Every member can be read.")
def members_can_be_read(bundle: Package) -> Iterator[Fault]:
    damaged = bundle.damaged()
    if damaged is not None:
        yield damaged, "damaged or encrypted; build the bundle again"


@check("member-size", sentence="No member is larger than the platform takes, or anyone needs.")
def members_have_a_usual_size(bundle: Package) -> Iterator[Fault]:
    yield from bundle.too_large.items()


@check("member-path", sentence="No member's path leads out of the zip.")
def members_stay_inside(bundle: Package) -> Iterator[Fault]:
    for name in bundle.names:
        if _leads_out(name) or "\\" in name:
            yield (
                name,
                "leads out of the folder it is extracted to; use plain relative paths with /",
            )


@check("duplicate-member")
def members_are_there_once(bundle: Package) -> Iterator[Fault]:
    for name, times in Counter(bundle.names).items():
        if times > 1:
            yield name, "is in the zip more than once; keep one"


@check("file-path")
def named_paths_are_relative(bundle: Package) -> Iterator[Fault]:
    for where, name in bundle.files():
        if _leads_out(name):
            yield where, f"found {name!r}, expected a relative path inside the zip"


@check("file-missing", sentence="The files that the config names are in the zip.")
def named_files_are_there(bundle: Package) -> Iterator[Fault]:
    for where, name in bundle.files():
        if name not in bundle.names and not _leads_out(name):
            same = [
                member
                for member in bundle.names
                if member.lower().endswith(name.lower().lstrip("./"))
            ]
            hint = f"; did you mean {same[0]}?" if same else ""
            yield where, f"{name} is not in the zip: add it, or correct the path{hint}"


@check("unused-member", WARNING, "Nothing is in the zip that the config does not name.")
def members_are_named(bundle: Package) -> Iterator[Fault]:
    used = {bundle.config_name, *bundle.other_configs, *(name for _, name in bundle.files())}
    for name in dict.fromkeys(bundle.names):
        if name not in used and not name.endswith("/") and not _leads_out(name):
            yield (
                name,
                f"{bundle.config_name} does not name it; leave out what {bundle.title} does not "
                "need",
            )
