"""Whether cards hold: what each says against the suite and its receipt, and all against another."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence, Tuple

from evaluation_script.suites import Suite
from evaluation_script.text import did_you_mean, printable
from nlb_evalai.competition.cards.folder import Card, Found
from nlb_evalai.competition.cards.names import folded
from nlb_evalai.errors import ToolError
from nlb_evalai.submission.receipts import is_public, phase_of, public_receipt

_MOST_SHOWN = 80
#: NaN and infinity are not below it
_LARGEST = 1e100
_Trait = Callable[[Card], Any]


def judge(found: Found, suite: Suite) -> Found:
    """The cards that hold by themselves, every problem of all, and what there is to note.

    A receipt that was edited with care cannot be caught here: that takes the submission and the
    truth (see `recheck`).
    """
    judged = Found(notes=list(found.notes), problems=list(found.problems))
    for card in found.cards:
        problems = list(_own_problems(card, suite))
        judged.problems += problems
        if not problems:
            judged.cards.append(card)
    problems_, notes = _together(found.cards)
    judged.problems += problems_
    judged.notes += notes
    judged.notes += _several_truths(judged.cards, suite)
    return judged


# ---- one card ---------------------------------------------------------------------------------


def _own_problems(card: Card, suite: Suite) -> Iterator[str]:
    values, where = card.values, card.where
    if values["suite"] != suite.name:
        yield f"{where}: suite: found {_short(values['suite'])}, expected {suite.name}"
        return
    phases = [phase.codename for phase in suite.phases]
    if values["phase"] not in phases:
        hint = did_you_mean(values["phase"][:_MOST_SHOWN], phases)
        expected = f"expected {' or '.join(phases)}{hint}"
        yield f"{where}: phase: found {_short(values['phase'])}, {expected}"
        return
    if card.receipt is None and "boards" not in values:
        yield f"{where}: has no receipt, so no scores; expected {card.receipt_name} beside it"
    elif card.receipt is not None and "boards" in values:
        yield f"{where}: has a receipt and scores of a board; expected one of the two"
    elif card.receipt is not None:
        for problem in _receipt_problems(card.receipt, values["phase"], suite):
            yield f"{card.receipt_name}: {problem}"
    for i, board in enumerate(values.get("boards", ())):
        for problem in _unknown_scores(board["scores"], suite):
            yield f"{where}: boards/{i}/scores/{problem}"


def _receipt_problems(receipt: Mapping[str, Any], phase: str, suite: Suite) -> Iterator[str]:
    try:
        rules = phase_of(receipt, suite)
    except ToolError as error:
        yield f"{error}: it is another benchmark's receipt"
        return
    if rules.codename != phase:
        yield f"phase: found {rules.codename}, the card says {phase}: they do not belong together"
    if receipt["rules_version"] != suite.rules_version:
        yield (
            f"rules_version: found {_short(receipt['rules_version'])}, expected "
            f"{suite.rules_version}: scores of other rules cannot be compared; score the file again"
        )
    unknown = list(_unknown_groups(receipt["groups"], suite))
    yield from unknown
    if unknown or rules.score_decimals is None:
        return
    if not is_public(receipt):
        yield (
            "schema: found a receipt with unrounded scores on hidden truth, expected its public "
            "form, which `nlb-evalai receipt public` writes"
        )
    elif public_receipt(receipt, rules)["groups"] != receipt["groups"]:
        yield (
            f"groups: found digits that no board of phase {phase} shows, expected scores with "
            f"{rules.score_decimals} decimals"
            + ("" if rules.score_floor is None else f", none below {rules.score_floor:g}")
        )


def _unknown_groups(groups: Mapping[str, Any], suite: Suite) -> Iterator[str]:
    known = suite.groups()
    for name, group in groups.items():
        if name in known:
            dataset, width = known[name]
            for key, expected in (("dataset", dataset.name), ("bin_width_ms", width)):
                if group[key] != expected:
                    yield f"groups/{name}/{key}: found {_short(group[key])}, expected {expected}"
    for problem in _unknown_scores({k: group["scores"] for k, group in groups.items()}, suite):
        yield f"groups/{problem}"


def _unknown_scores(scores: Mapping[str, Mapping[str, Any]], suite: Suite) -> Iterator[str]:
    """Groups and metrics that the suite does not have, and values that are no numbers."""
    known = suite.groups()
    for name, cells in scores.items():
        if name not in known:
            hint = did_you_mean(name[:_MOST_SHOWN], known)
            yield f"{_short(name)}: is no group of suite {suite.name}{hint}"
            continue
        metrics = [metric.key for metric in known[name][0].metrics]
        for key, cell in cells.items():
            if key not in metrics:
                yield f"{name}/{_short(key)}: is no metric of it, expected {', '.join(metrics)}"
            elif not all(one is None or abs(one) <= _LARGEST for one in cell.values()):
                yield f"{name}/{key}: found {_short(cell)}, expected finite numbers"


def _short(text: object) -> str:
    return printable(text, _MOST_SHOWN)


# ---- all cards --------------------------------------------------------------------------------


def _together(cards: Sequence[Card]) -> Tuple[List[str], List[str]]:
    """Problems and notes: names that coincide, one file under two names, two teams in a folder."""
    problems: List[str] = []
    notes: List[str] = []
    for alike in _alike(cards, lambda card: card.folder, _team):
        said = " and ".join(_short(card.values["team"]) for card in alike)
        problems.append(f"{alike[0].folder}: found the teams {said}, expected one in a folder")
    for what, same, differs, name in _NAMES:
        for alike in _alike(cards, same, differs):
            said = ", ".join(name(card) for card in alike)
            line = f"{said}: {what} whose names coincide, whatever their case and accents"
            # of two that EvalAI tells apart, nobody here can say that they are one
            (notes if _told_apart(alike) else problems).append(line)
    with_receipt = [card for card in cards if card.receipt]
    for alike in _alike(with_receipt, _sha256, lambda card: card.where):
        said = ", ".join(card.receipt_name for card in alike)
        sha256 = _sha256(alike[0])[:12]
        problems.append(f"{said}: are of one submission ({sha256}…), expected one card of it")
    return problems, notes


def _alike(cards: Sequence[Card], same: _Trait, differs: _Trait) -> Iterator[List[Card]]:
    """Of cards that are the same in one trait, those that differ in another: one of each."""
    groups: Dict[Any, Dict[Any, Card]] = defaultdict(dict)
    for card in cards:
        groups[same(card)].setdefault(differs(card), card)
    yield from (list(group.values()) for group in groups.values() if len(group) > 1)


def _team(card: Card) -> str:
    return folded(card.values["team"])


def _method(card: Card) -> Tuple[str, ...]:
    values = card.values
    return _team(card), folded(values["method"]), values["suite"], values["phase"]


def _sha256(card: Card) -> str:
    assert card.receipt is not None
    return str(card.receipt["files"]["submission"]["sha256"])


def _told_apart(cards: Sequence[Card]) -> bool:
    """Whether all are of one challenge on EvalAI."""
    challenges = {card.team_number and card.team_number[:2] for card in cards}
    return len(challenges) == 1 and None not in challenges


#: what coincides, by what, which differ, and how one is named
_NAMES: Tuple[Tuple[str, _Trait, _Trait, Callable[[Card], str]], ...] = (
    (
        "teams",
        _team,
        lambda card: (card.folder, card.team_number),
        lambda card: f"{card.where} ({_short(card.values['team'])})",
    ),
    (
        "methods",
        _method,
        lambda card: card.where,
        lambda card: f"{card.where} ({_short(card.values['method'])})",
    ),
    (
        "folders",
        lambda card: folded(card.folder),
        lambda card: card.folder,
        lambda card: card.folder,
    ),
    ("files", lambda card: folded(card.where), lambda card: card.where, lambda card: card.where),
)


def _several_truths(cards: Sequence[Card], suite: Suite) -> Iterator[str]:
    """What is said where receipts of a phase name several truths: their scores may not compare."""
    truths: Dict[str, Counter[str]] = defaultdict(Counter)
    for card in cards:
        if card.receipt:
            sha256 = card.receipt["files"]["ground_truth"]["sha256"]
            truths[card.values["phase"]][sha256] += 1
    for phase, found in truths.items():
        if len(found) > 1:
            said = ", ".join(f"{n} on {sha256[:12]}…" for sha256, n in found.most_common())
            yield (
                f"phase {phase}: receipts name {len(found)} files of truth ({said}); they compare "
                "only if these hold the same truth"
            )
