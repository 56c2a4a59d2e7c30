"""Rules about pages that are EvalAI's own: its sanitizer, and files that are generated."""

from __future__ import annotations

from typing import Iterator, List

from nlb_evalai.challenge.evalai.config import CONFIG_NAME
from nlb_evalai.challenge.evalai.rules.contents import Bundle
from nlb_evalai.challenge.evalai.rules.registry import RULES, Fault, check
from nlb_evalai.challenge.evalai.seal import edited
from nlb_evalai.challenge.rules.finding import WARNING
from nlb_evalai.challenge.rules.markup import Tag
from nlb_evalai.challenge.rules.pages import PAGES, is_script, parsed

RULES.include(PAGES)

#: What EvalAI's sanitizer takes away.
_REMOVED_TAGS = {"script", "style", "iframe", "object", "embed", "form", "link", "meta", "base"}


@check("page-active", WARNING, "Pages have nothing that EvalAI's sanitizer takes away.")
def pages_survive_the_sanitizer(bundle: Bundle) -> Iterator[Fault]:
    for name, found in bundle.once(parsed):
        for tag in found:
            for what in _removed(tag):
                yield f"{name}:{tag.line}", f"{what} is removed by EvalAI: use plain HTML"


def _removed(tag: Tag) -> List[str]:
    found = [f"<{tag.name}>"] if tag.name in _REMOVED_TAGS else []
    for key, value in tag.attributes:
        if key.startswith("on"):
            found.append(f"{key}= on <{tag.name}>")
        if key in ("href", "src") and is_script(value):
            found.append("a javascript: link")
    return found


@check("edited-by-hand", WARNING)
def generated_files_are_as_they_were_made(bundle: Bundle) -> Iterator[Fault]:
    config = (bundle.read(CONFIG_NAME) or b"").decode("utf-8", errors="replace")
    for name in edited(config, bundle.read):
        yield (
            name,
            "was edited by hand, and whoever generates it anew loses the edit: edit the suite, the "
            f"head or the page's source, which the first lines of {CONFIG_NAME} name",
        )
