"""Bundles that break one rule each in their config, and what the check must say of them."""

from __future__ import annotations

from typing import Any, Callable, List, NamedTuple

from nlb_evalai.challenge.rules.finding import ERROR, WARNING
from tests.nlb_evalai.challenge.codabench.parts import REFERENCE, Parts, dumped


class Case(NamedTuple):
    """A change that breaks one rule, and what the check must say of it."""

    change: Callable[[Parts], Any]
    code: str
    where: str
    message: str
    severity: str = ERROR
    #: what cannot but be found besides
    too: tuple = ()


TABLE: List[Case] = []


def case(code, where, message, severity=ERROR, too=()):
    def register(change):
        TABLE.append(Case(change, code, where, message, severity, tuple(too)))
        return change

    return register


# ---- the config -------------------------------------------------------------------------------


@case("config-version", "version", "expected one of 2, '2'")
def an_older_format(parts):
    parts.config["version"] = 1


@case("config-shape", "competition.yaml", "version is missing")
def no_version(parts):
    del parts.config["version"]


@case("config-shape", "competition.yaml", "terms is missing", too=["unused-member"])
def no_terms(parts):
    del parts.config["terms"]


@case("config-shape", "pages[0]", "title is missing")
def a_page_without_title(parts):
    del parts.config["pages"][0]["title"]


@case("config-shape", "tasks[0]", "scoring_program is missing", too=["unused-member"])
def a_task_without_program(parts):
    del parts.config["tasks"][0]["scoring_program"]


@case("config-shape", "leaderboards", "expected a list that is not empty")
def no_leaderboard(parts):
    parts.config["leaderboards"] = []


@case("config-shape", "execution_time_limit", "a whole number, without quotes")
def a_limit_in_words(parts):
    parts.phase["execution_time_limit"] = "600"


@case("text-length", "title", "expected at most 256")
def a_long_title(parts):
    parts.config["title"] = "x" * 257


@case("text-length", "columns[0].title", "has 37 characters, expected at most 36")
def a_long_column(parts):
    parts.column["title"] = "x" * 37


@case("text-length", "leaderboards[0].title", "expected at most 64")
def a_long_board(parts):
    parts.board["title"] = "x" * 65


@case("text-length", "docker_image", "expected at most 128")
def a_long_image(parts):
    parts.config["docker_image"] = "x" * 130 + ":1"


@case("number-range", "max_submissions", "expected 1 or more", too=["quotas"])
def no_submission_at_all(parts):
    parts.phase["max_submissions"] = 0


@case("choice", "submission_rule", "Force_Best")
def a_rule_that_is_none(parts):
    parts.board["submission_rule"] = "Best"


@case("choice", "columns[0].sorting", "expected one of 'desc', 'asc'", too=["suite-column"])
def a_sorting_that_is_none(parts):
    parts.column["sorting"] = "descending"


@case("unknown-key", "execution_time", "did you mean execution_time_limit?", WARNING)
def a_misspelt_key(parts):
    parts.phase["execution_time"] = 300


@case("image-type", "image", "expected a .png, .jpg or .jpeg file", too=["image-content"])
def a_vector_logo(parts):
    parts.config["image"] = "logo.svg"
    parts.members["logo.svg"] = b"<svg/>"
    del parts.members["logo.png"]


@case("docker-image", "docker_image", "it has no h5py")
def no_image(parts):
    del parts.config["docker_image"]


@case("docker-image", "docker_image", "it has no h5py")
def the_default_image(parts):
    parts.config["docker_image"] = "codalab/codalab-legacy:py37"


@case("docker-image-tag", "docker_image", "name a tag or digest", WARNING)
def an_image_without_tag(parts):
    parts.config["docker_image"] = "ghcr.io/neurallatents/image"


# ---- phases and tasks -------------------------------------------------------------------------


@case("phase-date", "phases[0].start", "drops its time of day")
def a_date_without_quotes(parts):
    text = dumped(parts.config)
    parts.text = text.replace("start: '2026-12-01 00:00:00'", "start: 2026-12-01 00:00:00")
    assert parts.text != text


@case("phase-date", "phases[1].end", "an offset would be dropped")
def a_date_with_an_offset(parts):
    parts.config["phases"][1]["end"] = "2099-12-31 23:59:59+02:00"


@case("phase-order", "phases[1].start", "one phase after the other")
def phases_at_once(parts):
    parts.config["phases"][1]["start"] = "2026-12-31 23:59:59"


@case("phase-order", "phases[1]", "before it has no end")
def a_phase_without_end(parts):
    del parts.phase["end"]


@case("phase-order", "phases[0].end", "before it starts")
def a_phase_that_ends_first(parts):
    parts.phase["end"] = "2026-11-30 23:59:59"


@case("phase-task", "phases[0].tasks", "would wait for ever", too=["config-shape"])
def a_phase_without_task(parts):
    parts.phase["tasks"] = []


@case("phase-task", "phases[0].tasks", "expected an index of a task")
def a_phase_with_another_task(parts):
    parts.phase["tasks"] = [7]


@case("duplicate-task", "tasks[1].index", "also that of another task", too=["phase-task"])
def two_tasks_of_one_index(parts):
    parts.config["tasks"][1]["index"] = 0


@case("quotas", "max_submissions", "is less than max_submissions_per_day", WARNING)
def more_a_day_than_in_all(parts):
    parts.phase["max_submissions"] = 3


@case("time-limit", "execution_time_limit", "cuts it to 600", WARNING)
def a_limit_that_is_cut(parts):
    parts.phase["execution_time_limit"] = 3600


@case("own-time-limit", "execution_time_limit", "ends itself after 540 s only")
def a_limit_below_the_programs_own(parts):
    parts.phase["execution_time_limit"] = 300


@case("reference-data", "tasks[0]", "/app/input/ref would not be there", too=["unused-member"])
def a_task_without_truth(parts):
    del parts.config["tasks"][0]["reference_data"]


@case("truth-exposed", "phases[0].starting_kit", "participants get this")
def truth_as_a_starting_kit(parts):
    parts.phase["starting_kit"] = REFERENCE


@case("truth-exposed", "tasks[0].input_data", "participants get this")
def truth_as_input_data(parts):
    parts.config["tasks"][0]["input_data"] = REFERENCE


@case("programs-available", "make_programs_available", "nothing in it is secret", WARNING)
def programs_for_download(parts):
    parts.config["make_programs_available"] = True


@case("detailed-results", "enable_detailed_results", "would not see error bars", WARNING)
def no_page_of_results(parts):
    del parts.config["enable_detailed_results"]


@case("pointer-unreachable", REFERENCE, "has no credentials")
def a_pointer(parts):
    pointer = "location: s3://bucket/key\nsha256: " + "a" * 64 + "\nsize: 3\nphase: val\n"
    parts.inner[REFERENCE] = {"truth.h5": pointer.encode()}


# ---- the leaderboard --------------------------------------------------------------------------


@case("board-once", "leaderboards[1]", "the first leaderboard only", WARNING)
def two_boards(parts):
    parts.config["leaderboards"].append(dict(parts.board))


@case("primary-index", "primary_index", "would answer HTTP 500")
def an_order_by_nothing(parts):
    parts.board["primary_index"] = 99


@case("duplicate-column", "columns", "2 columns have the index 1")
def two_columns_of_one_index(parts):
    parts.board["columns"][2]["index"] = 1


@case("duplicate-column", "columns", "2 columns have the key", too=["suite-column"])
def two_columns_of_one_key(parts):
    parts.board["columns"][1]["key"] = parts.column["key"]


@case("column-index", "columns[55].index", "expected 0 or more")
def a_negative_index(parts):
    parts.board["columns"][55]["index"] = -1


@case("computed-column", "columns[56].computation", "one's best dataset alone")
def an_average(parts):
    mean = {"index": 56, "key": "mean", "title": "Mean", "precision": 4}
    parts.board["columns"].append({**mean, "computation": "avg", "computation_indexes": [0, 4]})


@case("computed-column", "computation_indexes", "HTTP 500")
def an_average_of_nothing(parts):
    mean = {"index": 56, "key": "mean", "title": "Mean", "precision": 4}
    parts.board["columns"].append({**mean, "computation": "avg", "computation_indexes": []})


@case("column-precision", "columns[0].precision", "scores are given to 4 decimals")
def more_digits_than_are_told(parts):
    parts.column["precision"] = 6


@case("column-precision", "columns[0].precision", "expected 0 to 10")
def digits_without_end(parts):
    parts.column["precision"] = 30


@case("suite-column", "columns[0].sorting", "the best co-bps is the highest")
def the_worst_first(parts):
    parts.column["sorting"] = "asc"


@case("suite-column", "columns[12].sorting", "the best tp corr is the lowest")
def the_lowest_is_best(parts):
    del parts.board["columns"][12]["sorting"]


@case("suite-column", "columns[28].hidden", "20 ms bins do not count for ranking")
def wide_bins_decide(parts):
    parts.board["columns"][28]["hidden"] = False


@case("suite-column", "columns", "lacks mc_maze_scaling_20_mean_co_bps")
def a_score_without_column(parts):
    parts.board["columns"].pop()


@case("suite-column", "columns[56].key", "which the scoring program never writes")
def a_column_without_score(parts):
    extra = {"index": 56, "key": "x", "title": "x", "precision": 4, "hidden": True}
    parts.board["columns"].append(extra)


@case("suite-phase", "scoring_program", "scores phase 'dev'", too=["truth-phase"])
def a_program_for_another_phase(parts):
    parts.program["task.json"] = b'{"phase": "dev", "board": null, "limit_seconds": 540}'


@case("suite-phase", "scoring_program", "is for board 'mc_mase'")
def a_program_for_another_board(parts):
    parts.program["task.json"] = b'{"phase": "val", "board": "mc_mase", "limit_seconds": 540}'


@case("suite-unknown", "tasks", "runs no code of a bundle", WARNING)
def a_changed_suite(parts):
    parts.program["evaluation_script/suites/nlb21.py"] += b"\n"
