"""Bad input: an error that names file, table and column, and nothing left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import h5py
import numpy as np
import pytest

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.errors import ToolError
from nlb_evalai.truth.build import build_annotations, parse_sources
from nlb_evalai.truth.errors import AnnotationFileError, SessionError
from tests.nlb_evalai.truth.conftest import SESSIONS, names_of
from tests.nlb_evalai.truth.odd_sessions import TRIALS, rows_of

Edited = Callable[..., Path]


def drop(name: str) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        del file[name]

    return edit


def put(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[h5py.File], None]:
    """Replace a column by a changed one (of any length and type)."""

    def edit(file: h5py.File) -> None:
        value = change(file[name][()])
        del file[name]
        file[name] = value

    return edit


SMALL, DMFC = "mc_maze_small_train", "dmfc_rsg_train"
STAMPS = "processing/behavior/hand_pos/timestamps"


def without_observed_trials(file: h5py.File) -> None:
    spans = file["units/obs_intervals"][()]
    file["units/obs_intervals"][...] = np.minimum(spans, 0.5)


CASES = {
    "no units": (SMALL, drop("units"), r"small_train\.nwb: no table 'units'"),
    "no trials": (SMALL, drop("intervals"), r"no table 'intervals/trials'"),
    "no heldout": (SMALL, drop("units/heldout"), r"table units has no column 'heldout'"),
    "no obs_intervals": (SMALL, drop("units/obs_intervals"), r"no column 'obs_intervals'"),
    "no spike index": (
        SMALL,
        drop("units/spike_times_index"),
        r"table units has no column 'spike_times_index'",
    ),
    "broken spike index": (
        SMALL,
        put("units/spike_times_index", lambda ends: ends + 7),
        r"'spike_times_index': does not fit 17 units",
    ),
    "spike not finite": (
        SMALL,
        put("units/spike_times", lambda times: np.where(times > 9, np.nan, times)),
        r"'spike_times': a time is not finite",
    ),
    "id twice": (SMALL, put("units/id", np.zeros_like), r"column 'id': an id occurs twice"),
    "unit without interval": (
        SMALL,
        put("units/obs_intervals_index", lambda ends: np.append(ends[:-1], ends[-2])),
        r"'obs_intervals': a unit has no interval",
    ),
    "no split": (SMALL, drop(TRIALS + "split"), r"intervals/trials has no column 'split'"),
    "no onset": (
        SMALL,
        drop(TRIALS + "move_onset_time"),
        r"no column 'move_onset_time', needed for mc_maze_small",
    ),
    "times as text": (
        SMALL,
        put(TRIALS + "move_onset_time", lambda times: times.astype("S")),
        r"column 'move_onset_time': found .*expected times in seconds",
    ),
    "no rows": (
        SMALL,
        lambda file: [
            put(TRIALS + name, lambda v: v[:0])(file)
            for name in list(file[TRIALS])
            if file[TRIALS + name].ndim == 1
        ],
        r"intervals/trials has no rows",
    ),
    "no eval trial": (
        SMALL,
        lambda file: [
            file[TRIALS + "split"].__setitem__(int(row), "none") for row in rows_of(file, "val")
        ],
        r"column 'split': no trial of 'val', found 'none', 'train'",
    ),
    "no behavior": (
        SMALL,
        drop("processing/behavior/hand_vel"),
        r"no time series 'hand_vel', the behavior of mc_maze_small; found hand_pos",
    ),
    "behavior off the grid": (
        SMALL,
        put(STAMPS, lambda times: times + 0.0005),
        r"no time series 'hand_vel'.*it is left out: its time stamps are not all whole millisec",
    ),
    "time stamps for less": (
        SMALL,
        put(STAMPS, lambda times: times[:-3]),
        r"hand_.*time stamps for \d+ values",
    ),
    "a time stamp twice": (
        SMALL,
        put(STAMPS, lambda times: np.append(times[:-1], times[-2])),
        r"hand_.*a time stamp occurs twice",
    ),
    "behavior never in a window": (
        SMALL,
        put(
            "processing/behavior/hand_vel/data",
            lambda values: np.where(np.arange(len(values))[:, None] > 5, np.nan, values),
        ),
        r"'hand_vel' has no value in any of \d+ windows|none of the \d+ windows holds",
    ),
    "spans that do not overlap": (
        SMALL,
        lambda file: (drop("processing")(file), without_observed_trials(file)),
        r"no time series 'hand_vel'|none of the \d+ windows",
    ),
    "numbers as text": (
        DMFC,
        put(TRIALS + "tp", lambda values: np.array([b"slow"] * len(values))),
        r"column 'tp': found .*'slow', expected numbers",
    ),
    "no tp": (DMFC, drop(TRIALS + "tp"), r"no column 'tp', needed for dmfc_rsg"),
    "nothing between set and go": (
        DMFC,
        put(TRIALS + "set_time", lambda times: times + 9000),
        r"no condition of is_eye|no eval trial has an observed bin between 'set_time'",
    ),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_bad_session_is_named_and_leaves_no_file(
    case: str, edited: Edited, tmp_path: Path
) -> None:
    session, edit, message = CASES[case]
    dataset = session.rsplit("_", 1)[0]
    path = edited(session, edit)
    with pytest.raises(SessionError, match=message) as caught:
        build_annotations("val", {dataset: [path]}, tmp_path / "val.h5", DEFAULT_SUITE)
    assert path.name in str(caught.value)
    assert names_of(list(tmp_path.iterdir())) == [path.name]


def test_a_session_of_another_dataset_is_told_by_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(SessionError) as caught:
        build_annotations(
            "val",
            {"mc_rtt": [SESSIONS / "area2_bump_train.nwb"]},
            tmp_path / "val.h5",
            DEFAULT_SUITE,
        )
    message = str(caught.value)
    assert message.startswith("mc_rtt: area2_bump_train.nwb: no time series 'finger_vel'")
    assert "the session has all that area2_bump needs" in message


def test_observation_that_misses_all_trials_is_an_error(edited: Edited, tmp_path: Path) -> None:
    def early(file: h5py.File) -> None:
        spans = file["units/obs_intervals"][()]
        last = spans[:, 1].max()
        spans[:-1] = [0.0, 0.1]
        spans[-1] = [last - 0.01, last]
        file["units/obs_intervals"][...] = spans

    path = edited(SMALL, early)
    with pytest.raises(SessionError, match=r"none of the 13 windows holds a single bin"):
        build_annotations("val", {"mc_maze_small": [path]}, tmp_path / "val.h5", DEFAULT_SUITE)


def test_a_participants_test_file_is_no_ground_truth(tmp_path: Path) -> None:
    paths = [SESSIONS / f"mc_maze_small_{variant}.nwb" for variant in ("test", "train")]
    with pytest.raises(SessionError, match=r"eval_spikes_heldout .* none of the 6 windows"):
        build_annotations("test", {"mc_maze_small": paths}, tmp_path / "test.h5", DEFAULT_SUITE)
    with pytest.raises(SessionError, match=r"needed for mc_maze_small"):
        build_annotations("test", {"mc_maze_small": paths[:1]}, tmp_path / "test.h5", DEFAULT_SUITE)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
def test_a_truncated_file_is_named(share: float, tmp_path: Path) -> None:
    content = (SESSIONS / f"{SMALL}.nwb").read_bytes()
    path = tmp_path / "cut.nwb"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(SessionError, match=r"cut\.nwb: cannot be read as NWB"):
        build_annotations("val", {"mc_maze_small": [path]}, tmp_path / "val.h5", DEFAULT_SUITE)
    assert names_of(list(tmp_path.iterdir())) == ["cut.nwb"]


def test_corrupt_values_inside_the_file_are_named(tmp_path: Path) -> None:
    with h5py.File(SESSIONS / f"{SMALL}.nwb", "r") as file:
        chunk = file["units/spike_times"].id.get_chunk_info(0)
    content = bytearray((SESSIONS / f"{SMALL}.nwb").read_bytes())
    middle = chunk.byte_offset + chunk.size // 2
    content[middle : middle + 64] = bytes(64)
    path = tmp_path / "rotten.nwb"
    path.write_bytes(bytes(content))
    with pytest.raises(SessionError, match=r"rotten\.nwb"):
        build_annotations("val", {"mc_maze_small": [path]}, tmp_path / "val.h5", DEFAULT_SUITE)


def test_an_error_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    out = tmp_path / "val.h5"
    out.write_bytes(b"yesterday's")
    with pytest.raises(SessionError):
        build_annotations("val", {"mc_rtt": [SESSIONS / f"{SMALL}.nwb"]}, out, DEFAULT_SUITE)
    assert out.read_bytes() == b"yesterday's"
    assert names_of(list(tmp_path.iterdir())) == ["val.h5"]


def test_arrays_at_odds_are_not_written_unless_forced(edited: Edited, tmp_path: Path) -> None:
    from tests.nlb_evalai.truth.odd_sessions import forward_unobserved

    path = edited(SMALL, forward_unobserved)
    out = tmp_path / "val.h5"
    with pytest.raises(AnnotationFileError, match=r"numbers of trials differ"):
        build_annotations("val", {"mc_maze_small": [path]}, out, DEFAULT_SUITE)
    assert not out.exists()
    result = build_annotations("val", {"mc_maze_small": [path]}, out, DEFAULT_SUITE, force=True)
    assert out.exists()
    assert any(note.startswith("PROBLEM") for note in result.notes)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    out = tmp_path / "nowhere" / "val.h5"
    with pytest.raises(ToolError, match="cannot be written"):
        build_annotations("val", {"mc_maze_small": [SESSIONS / f"{SMALL}.nwb"]}, out, DEFAULT_SUITE)


def test_a_folder_of_several_sessions_is_told_by_its_number_of_files(tmp_path: Path) -> None:
    sources = {"mc_rtt": sorted(SESSIONS.glob("mc_[rm]*_t*.nwb"))}
    with pytest.raises(SessionError, match=r"mc_maze_large_train\.nwb \+ \d more files: "):
        build_annotations("val", sources, tmp_path / "val.h5", DEFAULT_SUITE)


def test_sources_name_everything_wrong_with_them_at_once(tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        parse_sources(
            ["mc_maze", "mc_mase=x", f"mc_rtt={tmp_path}", f"dmfc_rsg={SESSIONS}", "dmfc_rsg=x"],
            DEFAULT_SUITE,
        )
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    assert "'mc_maze': expected NAME=PATH" in lines[1]
    assert "'mc_mase': not a dataset" in lines[2]
    assert "'mc_rtt': no .nwb file" in lines[3]
    assert "'dmfc_rsg': given twice" in lines[4]


def test_a_source_is_a_file_a_folder_or_a_pattern() -> None:
    one = parse_sources([f"mc_rtt={SESSIONS / 'mc_rtt_full.nwb'}"], DEFAULT_SUITE)
    assert names_of(one["mc_rtt"]) == ["mc_rtt_full.nwb"]
    some = parse_sources([f"mc_rtt={SESSIONS}/mc_rtt_t*"], DEFAULT_SUITE)
    assert [path.name for path in some["mc_rtt"]] == ["mc_rtt_test.nwb", "mc_rtt_train.nwb"]
    assert len(parse_sources([f"mc_maze={SESSIONS}"], DEFAULT_SUITE)["mc_maze"]) == 17
