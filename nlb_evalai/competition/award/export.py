"""EvalAI's "download submissions" CSV -> entries, without their members' e-mail addresses."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Tuple

from evaluation_script.text import plural, printable
from nlb_evalai.tables import Table, read_table

#: our name -> headers of the exports, which differ in spelling
COLUMNS: Mapping[str, Sequence[str]] = {
    "id": ("id", "submission id", "submission_id"),
    "team": ("Team Name", "participant team", "team_name", "team"),
    "members": ("Team Members", "team_members"),
    "addresses": ("Team Members Email Id", "team_members_email_id"),
    "phase": ("Challenge Phase", "phase"),
    "status": ("Status",),
    "file": ("Submitted File", "submitted_file", "input_file"),
    "submitted_at": ("Submitted At", "Submitted At (mm/dd/yyyy hh:mm:ss)", "submitted_at"),
    "method": ("Method Name", "method_name"),
    "description": ("Method Description", "method_description"),
    "publication": ("Publication URL", "publication_url"),
    "project": ("Project URL", "project_url"),
    "attributes": (
        "Submission Meta Attributes",
        "submission_metadata",
        "submission meta attributes",
    ),
}
#: columns that are not needed, but missed -> what is taken for them
_IF_MISSING = {
    "phase": "every row is taken as of this phase",
    "status": "no entry is taken as cancelled",
    "attributes": "no team has answered a question of the submission form",
}
#: a package's version, ``name@1.2.3``, is none; it is looked for only where a name starts, or a
#: cell of letters would be gone over again from each of them
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)*\.[^\W\d][\w-]*")
#: how people write an address -> the address
_ADDRESSES = tuple(
    (re.compile(form + r"[^\s\"'<>]*)", re.IGNORECASE), template)
    for form, template in (
        (r"(https?://[^\s\"'<>]", r"\1"),
        (r"(?:doi:\s*)?(10\.\d{4,9}/", r"https://doi.org/\1"),
        (r"arxiv:\s*([\w.-]", r"https://arxiv.org/abs/\1"),
        (r"((?:[a-z\d](?:[a-z\d-]*[a-z\d])?\.)+[a-z]{2,}(?![^/:?#])", r"https://\1"),
    )
)
_TIMES_OF_DAY = (" %H:%M:%S", " %H:%M", "")
#: a line's end, or a tab, in a text that is shown in one line
_LINE_END = re.compile(r"[ \t]*(?:\r\n|[\r\n\t\x85\u2028\u2029])[ \t]*")


@dataclass(frozen=True)
class Member:
    """Somebody of a team. ``marks`` are hashes of the user name and of the e-mail address."""

    name: str
    marks: FrozenSet[str]


@dataclass(frozen=True)
class Entry:
    """A submission as the export describes it; times are UTC, and all text is printable.

    ``team`` tells teams apart; it may be an e-mail address. ``other_reading`` is the time if a
    date's first number is the day rather than the month; None where that cannot be. ``status`` is
    None where the export has no such column.
    """

    id: str
    team: str
    submitted_at: Optional[datetime] = None
    other_reading: Optional[datetime] = None
    status: Optional[str] = None
    members: Tuple[Member, ...] = ()
    file: str = ""
    method: str = ""
    description: str = ""
    publication: str = ""
    project: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Export:
    """The entries of one phase, and what was odd about the file."""

    entries: List[Entry]
    warnings: List[str]


def read_export(
    path: Path, phase_names: Sequence[str], required: Sequence[str] = ("id", "team", "submitted_at")
) -> Export:
    """Read an export and keep the entries of one phase.

    Parameters
    ----------
    phase_names : sequence of str
        The names under which the phase may come; where the export has no such column all rows
        are taken. A warning names each column that is missed.
    required : sequence of str
        Our names of the columns that are needed.

    Raises
    ------
    TableError
        For missing columns, two different rows of one id, dates that cannot be read, rows
        without id or team, or no row of the phase; all at once.
    """
    table = read_table(path, COLUMNS, required)
    teams = _distinct(row.get("team", "") for _, row in table)
    entries: Dict[str, Entry] = {}
    other: Dict[str, int] = {}
    rows: Dict[str, Dict[str, str]] = {}
    wanted = {name.casefold() for name in phase_names}
    naive = 0
    for line, row in table:
        phase = row.get("phase")
        if phase is not None and phase.casefold() not in wanted:
            other[phase] = other.get(phase, 0) + 1
            continue
        if not _has(table, line, row, required) or _is_again(table, line, row, rows):
            continue
        rows[row["id"]] = row
        stamp = row.get("submitted_at", "")
        when = parse_time(stamp) if stamp else None
        if stamp and when is None:
            table.problem(
                line,
                f"{COLUMNS['submitted_at'][0]}: found {stamp!r}, expected a date such as "
                "2022-04-03T21:15:00+00:00 or 04/03/2022 21:15:00",
            )
        naive += when is not None and not _has_zone(stamp)
        entry = replace(_entry(table, line, row, when), team=teams[row.get("team", "")])
        entries[row["id"]] = entry
    for name, taken in _IF_MISSING.items():
        if table.rows and name not in table.rows[0][1]:
            table.warn(f"no column {COLUMNS[name][0]!r}: {taken}")
    if other:
        found = ", ".join(f"{count} of {name!r}" for name, count in sorted(other.items()))
        table.warn(f"rows of other phases left aside: {found}")
        if not entries and not table.problems:
            names = " or ".join(repr(name) for name in phase_names)
            table.problems.append(f"no row of phase {names}; found {found}")
    for team in sorted({entry.team for entry in entries.values() if has_email(entry.team)}):
        table.warn(f"team {team!r} has an e-mail address in its name: anonymous in the report")
    if naive:
        table.warn(f"{plural(naive, 'time')} without a zone taken as UTC")
    table.finish()
    return Export(list(entries.values()), table.warnings)


def parse_time(text: str) -> Optional[datetime]:
    """ISO 8601, or month/day/year; UTC where no zone is given. None if it is neither."""
    text = text.strip()
    iso = text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text
    # Python 3.9 and 3.10 take three or six decimals only, and no zone without a colon
    iso = re.sub(r"\.(\d+)", lambda found: "." + found[1][:6].ljust(6, "0"), iso)
    iso = re.sub(r"\s*([+-]\d\d):?(\d\d)$", r"\1:\2", iso) if "T" in iso or ":" in iso else iso
    try:
        return _utc(datetime.fromisoformat(iso))
    except ValueError:
        pass
    return _with_slashes(text, "%m/%d/%Y")


def other_reading(text: str) -> Optional[datetime]:
    """The time that month/day/year is if it is day/month/year; None if it is one time alone."""
    text = text.strip()
    swapped = _with_slashes(text, "%d/%m/%Y")
    return swapped if swapped and swapped != _with_slashes(text, "%m/%d/%Y") else None


def _with_slashes(text: str, date: str) -> Optional[datetime]:
    for time in _TIMES_OF_DAY:
        try:
            return _utc(datetime.strptime(text, date + time))
        except ValueError:
            continue
    return None


def _utc(when: datetime) -> datetime:
    return (
        when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when.astimezone(timezone.utc)
    )


def _has_zone(text: str) -> bool:
    return bool(re.search(r"(Z|[+-]\d\d:?\d\d)$", text.strip(), re.IGNORECASE))


def _has(table: Table, line: int, row: Mapping[str, str], required: Sequence[str]) -> bool:
    empty = [name for name in required if not row[name] and name != "file"]
    for name in empty:
        table.problem(line, f"{COLUMNS[name][0]} is empty")
    return not empty


def _is_again(
    table: Table, line: int, row: Dict[str, str], rows: Mapping[str, Dict[str, str]]
) -> bool:
    before = rows.get(row["id"])
    if before is None:
        return False
    if before == row:
        table.warn(f"line {line}: id {row['id']} again, the same; counted once")
    else:
        differ = ", ".join(name for name in row if row[name] != before[name])
        table.problem(line, f"id {row['id']} again, with another {differ}")
    return True


def _entry(table: Table, line: int, row: Mapping[str, str], when: Optional[datetime]) -> Entry:
    attributes = _attributes(row.get("attributes", ""))
    if attributes is None:
        table.warn(f"line {line}: Submission Meta Attributes cannot be read; taken as none")
    addresses = {name: web_address(row.get(name, "")) for name in ("publication", "project")}
    for name, address in addresses.items():
        if row.get(name) and not address:
            table.warn(f"line {line}: {COLUMNS[name][0]} {row[name]!r} is no web address; ignored")
    status = row.get("status")
    return Entry(
        id=printable(row["id"]),
        team=row.get("team", ""),
        submitted_at=when,
        other_reading=other_reading(row.get("submitted_at", "")),
        status=None if status is None else printable(status.casefold()),
        members=_members(row.get("members", ""), row.get("addresses", "")),
        file=row.get("file", ""),
        method=_line_of(row.get("method", "")),
        description=_line_of(row.get("description", "")),
        **addresses,
        attributes=attributes or {},
    )


def _distinct(names: Iterable[str]) -> Dict[str, str]:
    """Each name made printable; two that are then one have the backslashes in them doubled."""
    shown = {name: printable(name) for name in names}
    if len(set(shown.values())) < len(shown):
        shown = {name: printable(name.replace("\\", "\\\\")) for name in shown}
    return shown


def _line_of(text: str) -> str:
    """What a participant wrote, as one line without e-mail addresses."""
    return printable(without_email(_LINE_END.sub(" ", text)))


def _members(names: str, addresses: str) -> Tuple[Member, ...]:
    people, mail = (
        [one.strip(" '\"") for one in cell.strip("[] ").split(",") if one.strip(" '\"")]
        for cell in (names, addresses)
    )
    if len(mail) != len(people):  # which is whose cannot be told
        pairs = [(one, "") for one in people] + [("", one) for one in mail]
    else:
        pairs = list(zip(people, mail))
    return tuple(
        Member(
            _line_of(name) or "somebody without a name",
            frozenset(
                hashlib.sha256(alike(one).encode("utf-8", "replace")).hexdigest()
                for one in (name, address)
                if one
            ),
        )
        for name, address in pairs
    )


def alike(text: str) -> str:
    """What two names have in common that people would take for one.

    NFC, no case, single spaces, and none of the joiners that cannot be seen.
    """
    bare = text.replace("\u200c", "").replace("\u200d", "")
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", bare).casefold())
    return " ".join(folded.split())


def _attributes(text: str) -> Optional[Dict[str, Any]]:
    """EvalAI writes a list of ``{"name": …, "value": …}``, as JSON or as Python prints it."""
    if text in ("", "None", "null", "[]", "{}"):
        return {}
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(found, dict):
            return {str(key): value for key, value in found.items()}
        if isinstance(found, list) and all(isinstance(one, dict) for one in found):
            return {str(one.get("name", "")): one.get("value") for one in found}
    return None


def has_email(text: str) -> bool:
    """Whether a text holds an e-mail address."""
    return bool(_EMAIL.search(text))


def without_email(text: str) -> str:
    """A text fit to be published."""
    return _EMAIL.sub("[e-mail removed]", text)


def web_address(text: str) -> str:
    """The address if it is one for the web, else nothing (``javascript:`` is none).

    ``lab.edu/model``, ``doi:10.…`` and ``arXiv:…`` get their scheme.
    """
    text = text.strip()
    if not text.isprintable():
        return ""
    for form, template in _ADDRESSES:
        found = form.fullmatch(text)
        if found and not has_email(text):
            return found.expand(template)
    return ""


def is_yes(value: Any) -> bool:
    """Whether a boolean attribute of EvalAI says yes."""
    return value is True or str(value).strip().casefold() in ("true", "yes", "1")
