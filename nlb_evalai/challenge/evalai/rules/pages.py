"""Rules about the pages and the logo."""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Tuple
from urllib.parse import urlsplit

from nlb_evalai.challenge.evalai.config import CONFIG_NAME
from nlb_evalai.challenge.evalai.rules.contents import PAGE_KEYS, Bundle
from nlb_evalai.challenge.evalai.rules.finding import WARNING
from nlb_evalai.challenge.evalai.rules.image import image_fault
from nlb_evalai.challenge.evalai.rules.markup import Tag, tags
from nlb_evalai.challenge.evalai.rules.registry import Fault, check
from nlb_evalai.challenge.evalai.seal import edited

#: What EvalAI's sanitizer takes away.
_REMOVED_TAGS = {"script", "style", "iframe", "object", "embed", "form", "link", "meta", "base"}


def _pages(bundle: Bundle) -> Dict[str, bytes]:
    names = [bundle.config.get(key) for key in PAGE_KEYS]
    names += [phase.get("description") for _, phase in bundle.entries("challenge_phases")]
    found = {}
    for name in names:
        content = bundle.read(name) if isinstance(name, str) else None
        if content is not None:
            found[str(name)] = content
    return found


@check("page-text")
def pages_are_text(bundle: Bundle) -> Iterator[Fault]:
    for name, content in _pages(bundle).items():
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            yield name, "is not UTF-8 text: save it as UTF-8"
            continue
        if "\0" in text:
            yield name, "holds a NUL byte, which EvalAI cannot store: save it as UTF-8 text"


@check("page-empty", sentence="No page is empty.")
def pages_say_something(bundle: Bundle) -> Iterator[Fault]:
    for name, content in _pages(bundle).items():
        if not content.strip():
            yield name, "is empty: write the page"


@check("page-active", WARNING, "Pages have nothing that EvalAI's sanitizer takes away.")
def pages_survive_the_sanitizer(bundle: Bundle) -> Iterator[Fault]:
    for name, page in bundle.once(_parsed):
        for line, what in page.removed:
            yield f"{name}:{line}", f"{what} is removed by EvalAI: use plain HTML"


@check("page-link", WARNING)
def links_are_well_formed(bundle: Bundle) -> Iterator[Fault]:
    for name, page in bundle.once(_parsed):
        for line, link in page.links:
            if not _is_link(link):
                yield (
                    f"{name}:{line}",
                    f"found {link!r}, expected a full https:// address: a page has no folder there",
                )


def _is_link(link: str) -> bool:
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    if parts.scheme == "mailto":
        return "@" in parts.path
    return (parts.scheme in ("http", "https") and "." in parts.netloc) or link.startswith("#")


@check("edited-by-hand", WARNING)
def generated_files_are_as_they_were_made(bundle: Bundle) -> Iterator[Fault]:
    config = (bundle.read(CONFIG_NAME) or b"").decode("utf-8", errors="replace")
    for name in edited(config, bundle.read):
        yield (
            name,
            "was edited by hand, and whoever generates it anew loses the edit: edit the suite, the "
            f"head or the page's source, which the first lines of {CONFIG_NAME} name",
        )


@check("image-content")
def the_logo_is_an_image(bundle: Bundle) -> Iterator[Fault]:
    name = bundle.config.get("image")
    content = bundle.read(name) if isinstance(name, str) else None
    fault = None if content is None else image_fault(content)
    if fault is not None:
        yield str(name), fault


class _Page(NamedTuple):
    """What the sanitizer would remove, and links; (line, what) each."""

    removed: List[Tuple[int, str]]
    links: List[Tuple[int, str]]


def _parsed(bundle: Bundle) -> List[Tuple[str, _Page]]:
    found = []
    for name, content in _pages(bundle).items():
        page = _Page([], [])
        for tag in tags(content.decode("utf-8", errors="replace")):
            _look_at(tag, page)
        found.append((name, page))
    return found


def _look_at(tag: Tag, page: _Page) -> None:
    if tag.name in _REMOVED_TAGS:
        page.removed.append((tag.line, f"<{tag.name}>"))
    for key, value in tag.attributes:
        if key.startswith("on"):
            page.removed.append((tag.line, f"{key}= on <{tag.name}>"))
        if key in ("href", "src"):
            if value.strip().lower().startswith("javascript:"):
                page.removed.append((tag.line, "a javascript: link"))
            else:
                page.links.append((tag.line, value))
