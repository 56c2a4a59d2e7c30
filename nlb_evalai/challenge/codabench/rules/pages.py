"""Rules about pages, which Codabench takes for Markdown with formulas."""

from __future__ import annotations

import re
from typing import Iterator

from nlb_evalai.challenge.codabench.rules.contents import Bundle
from nlb_evalai.challenge.codabench.rules.registry import Fault, check
from nlb_evalai.challenge.rules.finding import WARNING

_FORMULA = re.compile(r"\$\$([\s\S]+?)\$\$|\$([^$\n]+?)\$")
_FENCED = re.compile(r"```(\w*)\n([\s\S]*?)```")
_PRE = re.compile(r"<pre\b.*?</pre>", re.DOTALL | re.IGNORECASE)
_EMPTY_LINE = re.compile(r"\n[ \t]*\n")


@check("page-formula", WARNING, "No text between dollar signs is taken for a formula.")
def dollars_are_no_formulas(bundle: Bundle) -> Iterator[Fault]:
    for name, content in bundle.pages().items():
        text = _FENCED.sub("", content.decode("utf-8", errors="replace"))
        for found in _FORMULA.finditer(text):
            if "<" in found[0] or "/" in found[0]:
                line = text.count("\n", 0, found.start()) + 1
                yield f"{name}:{line}", f"found {found[0][:40]!r}: write &#36; for a dollar sign"


@check("page-script", WARNING, "No page's <pre> is taken apart at an empty line.")
def scripts_stay_whole(bundle: Bundle) -> Iterator[Fault]:
    for name, content in bundle.pages().items():
        text = content.decode("utf-8", errors="replace")
        for found in _PRE.finditer(text):
            before = text[: found.start()].rpartition("\n\n")[2]
            if _EMPTY_LINE.search(found[0]) and before.lstrip().startswith("<"):
                line = text.count("\n", 0, found.start()) + 1
                yield (
                    f"{name}:{line}",
                    "has an empty line in <pre>, where Markdown ends the HTML around it: write "
                    "&#10; for line ends there",
                )
