"""Tables of strangers' text are read as they were written, and written so that nothing acts."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import List

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evaluation_script.text import printable
from nlb_evalai.tables import TableError, as_written, csv_text, defused, read_table

#: what has broken readers of lines, and what spreadsheets act on, more often than chance would
TEXTS = st.text(
    st.one_of(
        st.sampled_from("\r\n\0\u2028\u2029\x85\x0b\x0c\x1c\x1e,;\"'=+-@\t\uff1d\ufeff\ue000 "),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=12,
)
ROWS = st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=4)


def read(path: Path, text: str) -> List[List[str]]:
    path.write_bytes(text.encode("utf-8"))
    table = read_table(path, {"first": ("first",), "second": ("second",)}, ("first", "second"))
    return [[row["first"], row["second"]] for _, row in table]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.booleans())
@example([["a\rb", "c\r"]], "\n", False)
@example([["\0", "\u2028"]], "\r\n", False)
def test_what_another_program_writes_is_read_as_it_is(
    tmp_path: Path, rows: List[List[str]], end: str, marked: bool
) -> None:
    def quoted(row: List[str]) -> str:
        return ",".join('"' + cell.replace('"', '""') + '"' for cell in row)

    text = "\ufeff" * marked + end.join(map(quoted, [["first", "second"], *rows])) + end
    expected = [[cell.strip() for cell in row] for row in rows]
    assert read(tmp_path / "t.csv", text) == [row for row in expected if any(row)] or not any(
        map(any, expected)
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
@example([["=1+1", "'=1+1"], ["''@x", "-\u202e"], ["\t=1", "\uff1d1"]])
def test_what_we_write_is_read_again_and_holds_no_formula(
    tmp_path: Path, rows: List[List[str]]
) -> None:
    text = csv_text([("first", "second"), *rows])
    assert all(char.isprintable() or char in "\n\u200c\u200d\u3000" for char in text)
    cells = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert not any(
        cell[:1] in tuple("=+-@\uff1d\uff0b\uff0d\uff20") for row in cells for cell in row
    )
    assert [[as_written(cell) for cell in row] for row in cells] == [
        [printable(cell) for cell in row] for row in rows
    ]


def test_numbers_stay_numbers() -> None:
    assert csv_text([(-0.5, 1, None, True)]) == "-0.5,1,,True\n"
    assert (defused(-1), defused("-1")) == (-1, "'-1")


def test_an_old_mac_file_a_long_cell_and_a_lone_return_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    assert read(path, "first,second\ra,b\rc,d\r") == [["a", "b"], ["c", "d"]]
    assert read(path, f"first,second\n{'x' * 200_000},b\n")[0][1] == "b"
    assert read(path, "first,second\na\rb,c\n") == [["a\rb", "c"]]


def test_a_quote_that_never_ends_does_not_swallow_the_rows_below(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="after line 2: unexpected end of data"):
        read(tmp_path / "t.csv", 'first,second\na,b\n"c,d\ne,f\n')
