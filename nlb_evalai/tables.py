"""CSV files: read as people wrote or exported them, and written so that nothing in them acts."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple

from evaluation_script.text import did_you_mean, printable
from nlb_evalai.errors import NOT_SEEN, ProblemsError

#: what makes a cell a formula, or a command, for Excel, LibreOffice and Google Sheets; also in
#: the full width of East Asian keyboards, and behind the apostrophes of an earlier defusing
_FORMULA = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20]")


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
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TableError(f"{path}:", [str(error.strerror)], exit_code=NOT_SEEN) from None
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}:",
            [f"not UTF-8 (byte {error.start}); is it a CSV file?"],
            exit_code=NOT_SEEN,
        ) from None
    lines: List[Tuple[int, List[str]]] = []
    try:
        lines += ((line, row) for line, row in _rows(text) if any(cell.strip() for cell in row))
    except csv.Error as error:
        problem = f"after line {lines[-1][0] if lines else 0}: {error}"
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


def _rows(text: str) -> Iterator[Tuple[int, List[str]]]:
    r"""The line at which each row ends, and its cells, whatever characters they hold.

    Rows end where the file's lines do, at ``\n`` or ``\r\n`` (at ``\r`` in a file without either);
    a lone ``\r``, a NUL, which csv refuses before Python 3.11, and U+2028 belong to their cell.
    """
    unused = (chr(code) for code in range(0xE000, 0x110000) if chr(code) not in text)
    kept = {"\0": next(unused)}
    if "\n" in text:
        kept["\r"] = next(unused)
        text = re.sub("\r(?!\n)", kept["\r"], text)
    text = text.replace("\0", kept["\0"])
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=None if "\r" not in kept else ""), strict=True)
    for row in reader:
        for mark, stand_in in kept.items():
            row = [cell.replace(stand_in, mark) for cell in row]
        yield reader.line_num, row


def defused(cell: Any) -> Any:
    """Text as a spreadsheet takes it for text: no formula, and all that cannot be seen escaped.

    Numbers stay numbers; :func:`as_written` takes the apostrophe off again.
    """
    if not isinstance(cell, str):
        return cell
    shown = printable(cell)
    return f"'{shown}" if _FORMULA.match(shown) else shown


def as_written(cell: str) -> str:
    """A cell without the apostrophe that :func:`defused` put before it, if it did."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell, 1) else cell


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as the text of a CSV file; every such file that leaves is made here.

    Parameters
    ----------
    rows : iterable of sequences
        The header, then the rows; text in them is :func:`defused`.
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([defused(cell) for cell in row] for row in rows)
    return out.getvalue()


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
