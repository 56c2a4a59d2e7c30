"""What surrounds a challenge at EvalAI's: an interpreter of its own, files under other names."""

from __future__ import annotations

import os
import shutil
import site
import sys
import sysconfig
import uuid
import venv
from pathlib import Path

#: What the bundle must do without: this project itself.
PROJECT = ("evaluation_script", "nlb_evalai")


def fresh_python(folder: Path) -> Path:
    """An interpreter with the libraries that are installed here, but none of their hooks.

    Its only link to this environment is a list of site-packages folders. A ``.pth`` file in one of
    those, as an editable install of this project has, is not read; where the project itself lies in
    one, links to all the rest of it take its place.
    """
    python = folder / "bin" / "python"
    if python.exists():
        return python
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    scheme = {"base": str(folder), "platbase": str(folder)}
    libraries = Path(sysconfig.get_path("purelib", vars=scheme))
    here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    candidates = [*sys.path, *here, *site.getsitepackages(), site.getusersitepackages()]
    kept = [
        path
        for path in dict.fromkeys(candidates)
        if path.rstrip("/").endswith(("site-packages", "dist-packages")) and Path(path).is_dir()
    ]
    shown = [_without_project(Path(path), folder / f"libraries-{i}") for i, path in enumerate(kept)]
    libraries.joinpath("libraries.pth").write_text("".join(f"{path}\n" for path in shown))
    return python


def _without_project(libraries: Path, links: Path) -> Path:
    if not any((libraries / name).exists() for name in PROJECT):
        return libraries
    links.mkdir()
    for entry in libraries.iterdir():
        if entry.name not in PROJECT:
            (links / entry.name).symlink_to(entry)
    return links


def random_name(name: str) -> str:
    """A name that tells nothing, with the ending of the file's own."""
    return uuid.uuid4().hex + Path(name).suffix


def place(source: Path, target: Path) -> None:
    """A hard link where that is possible: a submission may be large."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
