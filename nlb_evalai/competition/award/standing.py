"""Every entry with its scores, and whether it counts: export, store and overrides together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from evaluation_script.text import printable
from nlb_evalai.competition.award.decisions import Override, latest
from nlb_evalai.competition.award.export import COLUMNS, Entry, is_yes
from nlb_evalai.competition.award.rulebook import ANONYMOUS, Rulebook
from nlb_evalai.competition.store import Store, StoredScore, StoredSubmission
from nlb_evalai.errors import ToolError

#: what overrides say of the code
_CODE = ("code released", "code not released")
#: (dataset, bin width in ms, metric) -> score
Scores = Dict[Tuple[str, int, str], StoredScore]


@dataclass
class Standing:
    """An entry, its scores, and what became of it.

    ``reasons`` say in words why it does not count; empty if it does. ``remarks`` are decisions
    that do not keep it from counting. ``is_unlisted`` is set where nobody said whether it is
    public, and it is therefore shown without a name.
    """

    entry: Entry
    stored: Optional[StoredSubmission] = None
    scores: Scores = field(default_factory=dict)
    reasons: List[str] = field(default_factory=list)
    remarks: List[str] = field(default_factory=list)
    is_private: bool = False
    is_unlisted: bool = False
    is_hidden: bool = False
    code_released: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is ranked."""
        return not self.reasons

    @property
    def is_open(self) -> bool:
        """Whether it has a write-up or open code, which judges need."""
        return bool(self.entry.publication or self.entry.project)

    def value(self, dataset: str, bin_width_ms: int, metric: str) -> Optional[float]:
        """A score, if there is one."""
        score = self.scores.get((dataset, bin_width_ms, metric))
        return None if score is None else score.value


def standings(
    store: Store,
    rules: Rulebook,
    entries: Sequence[Entry],
    overrides: Sequence[Override] = (),
    visibility: Mapping[str, bool] = MappingProxyType({}),
) -> Tuple[List[Standing], List[str]]:
    """Put together what is known of every entry.

    Parameters
    ----------
    visibility : mapping
        Entry id -> whether it is private; an override goes before it.

    Returns
    -------
    standings, warnings
        The warnings name what is in the store and not in the export, and the other way round.

    Raises
    ------
    ToolError
        If code must be released and neither an entry nor an override says anything of it.
    """
    _check_code_release(rules, entries, overrides)
    stored = store.current(rules.phase)
    names, warnings = match([entry.id for entry in entries], list(stored))
    result = []
    for entry in entries:
        one = Standing(entry, stored.get(names.get(entry.id, "")))
        if one.stored is not None and one.stored.is_scored:
            one.scores = {
                (score.dataset, score.bin_width_ms, score.metric): score
                for score in store.scores(one.stored.row_id)
            }
        _judge(one, rules, overrides, visibility.get(entry.id))
        result.append(one)
    truths = {one.stored.truth_sha256 for one in result if one.stored is not None}
    versions = {one.stored.rules_version for one in result if one.stored is not None}
    for what, values in (("ground truths", truths), ("versions of the scoring rules", versions)):
        if len(values) > 1:
            warnings.append(
                f"scores come from {len(values)} {what} and are compared all the same; "
                "score again to have one"
            )
    return result, warnings


def _check_code_release(
    rules: Rulebook, entries: Sequence[Entry], overrides: Sequence[Override]
) -> None:
    attribute = rules.code_release_attribute
    said = any(attribute in entry.attributes for entry in entries) or any(
        one.action in _CODE for one in overrides
    )
    if _CODE[1] in rules.not_counting and not said:
        raise ToolError(
            f"no entry could count: the export has no answer to {attribute!r} (column "
            f"{COLUMNS['attributes'][0]!r}), and no override says {_CODE[0]!r} or {_CODE[1]!r}"
        )


def match(ids: Sequence[str], names: Sequence[str]) -> Tuple[Dict[str, str], List[str]]:
    """Entry id -> name in the store: the id, ``submission_<id>``, or a file in folder ``<id>``."""
    found: Dict[str, str] = {}
    warnings: List[str] = []
    known, unknown = set(ids), []
    for name in sorted(names, key=len):
        shown = printable(name)
        bare = shown[len("submission_") :] if shown.startswith("submission_") else shown
        options = [one for one in (shown, bare, shown.split("/")[0]) if one in known]
        if not options:
            unknown.append(name)
        elif options[0] in found:
            warnings.append(
                f"store: {printable(name)} and {printable(found[options[0]])} are both of entry "
                f"{printable(options[0])}; the latter is taken"
            )
        else:
            found[options[0]] = name
    if unknown:
        warnings.append(f"scored, but not in the export, so not ranked: {some_of(unknown)}")
    missing = [one for one in ids if one not in found]
    if missing:
        warnings.append(f"in the export, but not scored, so not ranked: {some_of(missing)}")
    return found, warnings


def some_of(names: Sequence[str], most: int = 20) -> str:
    """Names that strangers chose, with commas; of many the rest is counted."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(printable(name) for name in names[:most]) + more


def _judge(
    one: Standing, rules: Rulebook, overrides: Sequence[Override], private: Optional[bool]
) -> None:
    """Decide whether an entry counts, and say why not."""
    entry = one.entry
    code = latest(overrides, entry, *_CODE)
    attribute = is_yes(entry.attributes.get(rules.code_release_attribute))
    one.code_released = code.action == "code released" if code else attribute
    shown = latest(overrides, entry, "private", "public")
    if shown is not None:
        private = shown.action == "private"
    one.is_unlisted = private is None and rules.unlisted == ANONYMOUS
    one.is_private = bool(private) or one.is_unlisted
    withdrawn = latest(overrides, entry, "withdrawn")
    organizer = latest(overrides, entry, "organizer")
    found: Dict[str, str] = {}
    if withdrawn:
        found["withdrawn"] = f"withdrawn: {withdrawn.reason}"
    if entry.status == "cancelled":
        found["cancelled"] = "cancelled on EvalAI"
    if organizer:
        found["organizer"] = f"organizers cannot win: {organizer.reason}"
    if entry.submitted_at is not None and entry.submitted_at >= rules.deadline:
        by = _span(entry.submitted_at - rules.deadline)
        found["late"] = (
            f"late: submitted {entry.submitted_at:%Y-%m-%d %H:%M:%S} UTC, {by} after the deadline"
        )
    if private:
        found["private"] = f"private: {shown.reason if shown else 'the list of visibility says so'}"
    if not one.code_released:
        said = f": {code.reason}" if code else ""
        found["code not released"] = f"no commitment to release the code{said}"
    elif code:
        one.remarks.append(f"code released: {code.reason}")
    is_finished = entry.status in (None, "finished")
    is_said = "cancelled" in found and "cancelled" in rules.not_counting
    if "unfinished" in rules.not_counting and not is_finished and not is_said:
        found["unfinished"] = f"not finished on EvalAI: status {entry.status or 'empty'}"
    ran = latest(overrides, entry, "reproduced", "not reproduced")
    if ran:
        found[ran.action] = f"{ran.action}: {ran.reason}"
    if "not yet reproduced" in rules.not_counting and "reproduced" not in found:
        found["not yet reproduced"] = "organizers have not reproduced it"
    one.reasons = [text for reason, text in found.items() if reason in rules.not_counting]
    one.remarks += [text for reason, text in found.items() if reason not in rules.not_counting]
    one.is_hidden = "withdrawn" in found or "cancelled" in found
    if one.stored is None:
        one.reasons.append("not scored")
    elif not one.stored.is_scored:
        problem = printable(" ".join(one.stored.error.split()))
        one.reasons.append(f"could not be scored: {problem[:200]}{'…' * (len(problem) > 200)}")


def _span(late_by: timedelta) -> str:
    minutes, seconds = divmod(int(late_by.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts: Mapping[str, int] = {"d": days, "h": hours, "min": minutes, "s": seconds}
    given = [f"{count} {unit}" for unit, count in parts.items() if count]
    return " ".join(given[:2]) or "less than 1 s"
