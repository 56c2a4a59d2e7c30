"""What a participant says of a submission beside its file, in the shape that EvalAI needs.

A dictionary, a text, or an attribute without its type would end the host's export for everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from evaluation_script.text import did_you_mean, printable
from nlb_evalai.errors import ProblemsError

#: the attribute that a prize needs
CODE_RELEASED = "Code will be released"
_MAX_METHOD = 1000
_YES = ("true", "yes", "1")
_NO = ("false", "no", "0")


@dataclass(frozen=True)
class Answers:
    """What was said on the command line.

    ``attributes`` are texts as ``NAME=VALUE``; ``public`` is None where the phase's default holds.
    """

    method: str = ""
    description: str = ""
    project_url: str = ""
    publication_url: str = ""
    public: Optional[bool] = None
    code_released: bool = False
    attributes: Tuple[str, ...] = ()

    def content(self, asked: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
        """What to send for a phase that asks for these attributes.

        Raises
        ------
        ProblemsError
            If an answer fits no attribute, or a required one is missing; names all.
        """
        texts = {
            "method_name": self.method,
            "method_description": self.description,
            "project_url": self.project_url,
            "publication_url": self.publication_url,
        }
        content: Dict[str, Any] = {name: text for name, text in texts.items() if text}
        if self.public is not None:
            # a boolean is an error of the server; only these two texts are none
            content["is_public"] = "true" if self.public else "false"
        attributes, problems = self._attributes(asked)
        if len(self.method) > _MAX_METHOD:
            problems.append(
                f"--method: found {len(self.method)} characters, expected at most {_MAX_METHOD}"
            )
        if problems:
            raise ProblemsError("the submission cannot be described so,", problems)
        if attributes:
            content["submission_metadata"] = attributes
        return content

    def _attributes(
        self, asked: Sequence[Mapping[str, Any]]
    ) -> Tuple[List[Dict[str, Any]], List[str]]:
        names = {str(one.get("name")): one for one in asked}
        given: Dict[str, List[str]] = {}
        problems: List[str] = []
        texts = [*([f"{CODE_RELEASED}=true"] if self.code_released else []), *self.attributes]
        for text in texts:
            name, value = _split(text, names)
            if name in names:
                given.setdefault(name, []).append(value)
            elif "=" not in text:
                problems.append(f"--attribute: found {text!r}, expected NAME=VALUE")
            else:
                hint = did_you_mean(name, names)
                known = ", ".join(names) or "no attribute"
                problems.append(
                    f"--attribute: {name!r} is not asked for in this phase, which asks for "
                    f"{known}{hint}"
                )
        answered = []
        for name, one in names.items():
            try:
                answered.append({**one, **_value(one, given.get(name, []))})
            except ValueError as error:
                problems.append(f"--attribute {name}: {error}")
        return answered, problems


def _split(text: str, names: Mapping[str, Any]) -> Tuple[str, str]:
    """Name and value; a name that is known may hold an equals sign itself, in any case."""
    for name in sorted(names, key=len, reverse=True):
        if text.casefold().startswith(f"{name.casefold()}="):
            return name, text[len(name) + 1 :]
    name, _, value = text.partition("=")
    return name, value


def _value(attribute: Mapping[str, Any], given: Sequence[str]) -> Dict[str, Any]:
    """``value``, or ``values`` of a checkbox; ValueError says what was expected."""
    kind = attribute.get("type")
    if not given and attribute.get("required") is True:
        raise ValueError(f"is missing, and required: {printable(attribute.get('description', ''))}")
    if kind in ("radio", "checkbox"):
        options = [str(option) for option in attribute.get("options") or ()]
        for value in given:
            if value not in options:
                hint = did_you_mean(value, options)
                raise ValueError(f"found {value!r}, expected {' or '.join(options)}{hint}")
    if kind == "checkbox":
        return {"values": list(given)}
    if len(given) > 1:
        raise ValueError(f"found {len(given)} values, expected one")
    if not given:
        return {"value": None}
    if kind == "boolean":
        if given[0].casefold() not in _YES + _NO:
            raise ValueError(f"found {given[0]!r}, expected true or false")
        return {"value": str(given[0].casefold() in _YES)}
    return {"value": given[0]}
