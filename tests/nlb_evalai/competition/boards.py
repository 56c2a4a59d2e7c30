"""A stand-in for EvalAI's public boards, over real HTTP, that answers with what EvalAI answered."""

from __future__ import annotations

import copy
import json
import re
import threading
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

import yaml
from click.testing import CliRunner, Result

from evaluation_script.text import printable
from nlb_evalai.cli.site import site
from tests.nlb_evalai.remote.standin import _Handler, _Server
from tests.paths import DATA

CHALLENGE = 1
#: the boards of the samples
MAZE, MAZE_20, RTT, RSG, SCALING = 11, 12, 13, 17, 19
LEADERBOARD = "/api/jobs/challenge_phase_split/{}/leaderboard/"
SPLITS = "/api/challenges/1/challenge_phase_split"
#: of a row; its name ends in ``__team_name``
TEAM = "submission__participant_team"


def sample(name: str) -> Any:
    return json.loads((DATA / "evalai" / f"{name}.json").read_text(encoding="utf-8"))


class Evalai:
    """Boards by number; ``answers`` has other answers, by path, taken one after the other."""

    def __init__(self, rows_of_a_page: int = 2) -> None:
        self.rows_of_a_page = rows_of_a_page
        self.challenge = sample("challenge")
        self.phases = sample("challenge_phase")
        self.splits: List[Dict[str, Any]] = sample("challenge_phase_split_anonymous")
        pages = [sample(f"leaderboard_page{n}_of_2")["results"] for n in (1, 2)]
        scaling = sample("leaderboard_test_mc_maze_scaling_split")["results"]
        self.boards: Dict[int, List[Dict[str, Any]]] = {
            MAZE: pages[0] + pages[1],
            MAZE_20: sample("leaderboard_scores_hidden")["results"],
            RTT: sample("leaderboard_empty")["results"],
            RSG: sample("leaderboard_test_dmfc_rsg_split")["results"],
            SCALING: scaling,
        }
        self.splits.append(
            {
                **self.splits[0],
                "id": SCALING,
                "dataset_split_name": "MC_Maze scaling (5 ms)",
                "leaderboard_schema": scaling[0]["leaderboard__schema"],
            }
        )
        self.answers: Dict[str, List[Tuple[int, Any]]] = {}
        self.requests: List[Tuple[str, Dict[str, str]]] = []
        self.next_base = ""
        self._server = _Server(("127.0.0.1", 0), _Api)
        self._server.owner = self  # type: ignore[assignment]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def row(self, board: int = MAZE, **changed: Any) -> Dict[str, Any]:
        """A new row on a board, like its first."""
        row = {**copy.deepcopy(self.boards[board][0]), **changed}
        row["submission__id"] = changed.get("submission__id", 10_000 + len(self.boards[board]))
        self.boards[board].append(row)
        return row

    # -- what the API does ---------------------------------------------------------------------

    def answer(self, path: str, query: Dict[str, List[str]], host: str) -> Tuple[int, Any]:
        scripted = self.answers.get(path)
        if scripted:
            return scripted.pop(0)
        base = rf"/api/challenges/challenge/{CHALLENGE}"
        if re.match(r"/api/challenges/(challenge/)?(?!1/|challenge/)\d+/", path):
            return 406, {"error": "Challenge does not exist"}
        if path == f"{base}/":
            return 200, self.challenge
        if path == f"{base}/challenge_phase":
            return 200, self.phases
        if path == f"/api/challenges/{CHALLENGE}/challenge_phase_split":
            return 200, self.splits
        found = re.fullmatch(r"/api/jobs/challenge_phase_split/(\d+)/leaderboard/", path)
        if found is None:
            return 405, {"detail": "Method not allowed."}
        rows = self.boards.get(int(found[1]))
        if rows is None:
            return 404, {"detail": f"ChallengePhaseSplit {found[1]} does not exist"}
        page = int(query.get("page", ["1"])[0])
        first = (page - 1) * self.rows_of_a_page
        if page > 1 and first >= len(rows):
            return 404, sample("leaderboard_page3_404")
        following: Optional[str] = None
        if first + self.rows_of_a_page < len(rows):
            where = self.next_base or f"http://{host}{path}"
            following = f"{where}?page={page + 1}&page_size={query['page_size'][0]}"
        return 200, {
            "count": len(rows),
            "next": following,
            "previous": None,
            "results": rows[first : first + self.rows_of_a_page],
        }


class _Api(_Handler):
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        owner: Evalai = self.server.owner  # type: ignore[assignment]
        parts = urlsplit(self.path)
        owner.requests.append((self.path, dict(self.headers.items())))
        self.send(*owner.answer(parts.path, parse_qs(parts.query), self.headers["Host"]))


# -- what tests do with it ----------------------------------------------------------------------


def run(evalai: Evalai, out: Path, *options: str, challenge: int = 1) -> Result:
    fixed = ["import", "--challenge", str(challenge), "--api", evalai.api, "--first-pause", "0.001"]
    result = CliRunner().invoke(site, [*fixed, "--out", str(out), *options])
    for line in result.output.split("\n"):
        assert line == printable(line)
    return result


def told(result: Result) -> List[str]:
    """What a command said, its error last."""
    error = str(result.exception) if result.exit_code else ""
    return [*result.output.splitlines(), *error.splitlines()]


def files(folder: Path) -> Dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def only(evalai: Evalai, board: int) -> None:
    evalai.splits = [one for one in evalai.splits if one["id"] == board]
