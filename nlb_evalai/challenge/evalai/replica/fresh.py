"""An interpreter that has what is installed here, but for this project."""

from __future__ import annotations

import site
import sys
import sysconfig
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
