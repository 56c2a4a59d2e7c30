"""CSV files that people wrote or exported: every problem named at once, with its line."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from evaluation_script.text import did_you_mean, printable
from nlb_evalai.errors import NOT_SEEN, ProblemsError


class TableError(ProblemsError):
    """A CSV file is at fault; lists every problem found."""


@dataclass
class Table:
    """A CSV file's rows; ``problems`` and ``warnings`` gather while they are read."""

    path: Path
    rows: List[Tuple[int, Dict[str, str]]]
    problems: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Tuple[int, Dict[str, str]]]:
        return iter(self.rows)

    def problem(self, line: int, text: str) -> None:
        """Note a fault of a line."""
        self.problems.append(f"line {line}: {text}")

    def warn(self, text: str) -> None:
        """Note something odd that does no harm."""
        self.warnings.append(printable(f"{self.path.name}: {text}"))

    def finish(self) -> None:
        """TableError if anything was wrong."""
        if self.problems:
            raise TableError(f"{self.path}:", self.problems)


def read_table(path: Path, columns: Mapping[str, Sequence[str]], required: Sequence[str]) -> Table:
    """Read a CSV file with a header.

    Parameters
    ----------
    columns : mapping
        Our name of each column -> the headers under which it comes; case and spaces at the
        ends do not count.
    required : sequence of str
        Our names of the columns that must be there.

    Raises
    ------
    TableError
        If it cannot be read, has no rows, or lacks a column; names what it has instead.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TableError(f"{path}:", [str(error.strerror)], exit_code=NOT_SEEN) from None
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}:",
            [f"not UTF-8 (byte {error.start}); is it a CSV file?"],
            exit_code=NOT_SEEN,
        ) from None
    reader = csv.reader(text.splitlines(keepends=True))
    try:
        lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        problem = f"line {reader.line_num}: {error}"
        raise TableError(f"{path}:", [problem], exit_code=NOT_SEEN) from None
    if not lines:
        raise TableError(f"{path}:", ["the file is empty; expected a header and rows"])
    header = [cell.strip() for cell in lines[0][1]]
    where = _positions(path, header, columns, required)
    table = Table(path, [])
    for line, row in lines[1:]:
        if len(row) != len(header):
            table.problem(line, f"found {len(row)} cells, expected {len(header)} as in the header")
            continue
        table.rows.append((line, {name: row[i].strip() for name, i in where.items()}))
    if not table.rows and not table.problems:
        table.problems.append("no rows below the header")
    return table


def _positions(
    path: Path, header: List[str], columns: Mapping[str, Sequence[str]], required: Sequence[str]
) -> Dict[str, int]:
    lower = [cell.casefold() for cell in header]
    where: Dict[str, int] = {}
    problems = []
    for name, headers in columns.items():
        found = [i for i, cell in enumerate(lower) if cell in [h.casefold() for h in headers]]
        if len(found) > 1:
            problems.append(f"column {headers[0]!r} comes {len(found)} times")
        elif found:
            where[name] = found[0]
        elif name in required:
            near = did_you_mean(headers[0], header)
            problems.append(f"column {headers[0]!r} is missing; found {', '.join(header)}{near}")
    if problems:
        raise TableError(f"{path}:", problems)
    return where
