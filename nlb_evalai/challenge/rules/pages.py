"""Rules of all platforms about the pages and the logo."""

from __future__ import annotations

from typing import Iterator, List, Tuple
from urllib.parse import urlsplit

from nlb_evalai.challenge.rules.finding import WARNING
from nlb_evalai.challenge.rules.image import image_fault
from nlb_evalai.challenge.rules.markup import Tag, tags
from nlb_evalai.challenge.rules.package import Package
from nlb_evalai.challenge.rules.registry import Fault, Rulebook

PAGES = Rulebook()
check = PAGES.check


def parsed(bundle: Package) -> List[Tuple[str, List[Tag]]]:
    """Every page with its tags."""
    return [
        (name, list(tags(content.decode("utf-8", errors="replace"))))
        for name, content in bundle.pages().items()
    ]


@check("page-text")
def pages_are_text(bundle: Package) -> Iterator[Fault]:
    for name, content in bundle.pages().items():
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            yield name, "is not UTF-8 text: save it as UTF-8"
            continue
        if "\0" in text:
            yield (
                name,
                f"holds a NUL byte, which {bundle.title} cannot store: save it as UTF-8 text",
            )


@check("page-empty", sentence="No page is empty.")
def pages_say_something(bundle: Package) -> Iterator[Fault]:
    for name, content in bundle.pages().items():
        if not content.strip():
            yield name, "is empty: write the page"


@check("page-link", WARNING)
def links_are_well_formed(bundle: Package) -> Iterator[Fault]:
    for name, found in bundle.once(parsed):
        for tag in found:
            for key, link in tag.attributes:
                if key in ("href", "src") and not is_script(link) and not _is_link(link):
                    yield (
                        f"{name}:{tag.line}",
                        f"found {link!r}, expected a full https:// address: a page has no folder "
                        "there",
                    )


def is_script(link: str) -> bool:
    """Whether a link runs something."""
    return link.strip().lower().startswith("javascript:")


def _is_link(link: str) -> bool:
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    if parts.scheme == "mailto":
        return "@" in parts.path
    return (parts.scheme in ("http", "https") and "." in parts.netloc) or link.startswith("#")


@check("image-content")
def the_logo_is_an_image(bundle: Package) -> Iterator[Fault]:
    name = bundle.config.get("image")
    content = bundle.read(name) if isinstance(name, str) else None
    fault = None if content is None else image_fault(content, bundle.title)
    if fault is not None:
        yield str(name), fault
