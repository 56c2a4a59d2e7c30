"""``nlb-evalai worker``: score submissions on the host's own machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional, Tuple

import click

# what scoring needs is missed here, before the first submission, rather than at each of them
import threadpoolctl  # noqa: F401

from evaluation_script.suites import Suite
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.cli._terminal import print_json
from nlb_evalai.cli._token import take_token
from nlb_evalai.outputs import spare_inputs
from nlb_evalai.remote import log
from nlb_evalai.remote.errors import LeftBehind
from nlb_evalai.remote.policy import Policy
from nlb_evalai.remote.service import Service, Settings, find_annotations, within_memory
from nlb_evalai.remote.state import default_state
from nlb_evalai.web.fetch import MAX_SECONDS
from nlb_evalai.web.http import Timing, checked_api

TOKEN_VARIABLE = "AUTH_TOKEN"


def _seconds(name: str, default: float, text: str) -> Any:
    return click.option(
        name, type=click.FloatRange(min=0.01), default=default, show_default=True, help=text
    )


@click.command()
@click.option(
    "--annotations",
    multiple=True,
    required=True,
    metavar="PATH",
    help="Ground truth: a folder with <phase>.h5, a file named after its phase, or phase=file. "
    "A file may be a pointer to object storage (<phase>.yaml; in a folder it is read where there "
    "is no <phase>.h5). May be given more than once.",
)
@suite_option("the truth")
@click.option(
    "--api",
    envvar="API_SERVER",
    default="https://eval.ai",
    show_default=True,
    help="Address of EvalAI.",
)
@click.option("--queue", envvar="QUEUE_NAME", required=True, help="Name of the challenge's queue.")
@click.option(
    "--challenge",
    envvar="CHALLENGE_PK",
    type=int,
    help="Number of the challenge: messages of others are left alone.",
)
@click.option(
    "--token-file",
    envvar="AUTH_TOKEN_FILE",
    type=click.Path(path_type=Path),
    help=f"File with a host's token.  [default: the variable {TOKEN_VARIABLE}]",
)
@click.option(
    "--once",
    is_flag=True,
    help="Handle what is in the queue and return; exit with 2 where EvalAI cannot be reached, and "
    "with 1 where a submission is left for want of truth, or could not be fetched or settled.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="With --once, print what was done as one JSON object."
)
@click.option(
    "--state",
    envvar="NLB_EVALAI_STATE",
    type=click.Path(file_okay=False, path_type=Path),
    default=default_state,
    show_default="nlb-evalai/worker in the user's state folder",
    help="Folder for the record and for files in hand; all workers of this host share it.",
)
@click.option(
    "--private-storage",
    "private_hosts",
    envvar="NLB_EVALAI_PRIVATE_STORAGE",
    multiple=True,
    metavar="HOST",
    help="Fetch submissions from this host though it is at a private address; others are refused. "
    "May be given more than once.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many submissions are scored at the same time.",
)
@click.option("--memory", type=int, metavar="MIB", help="Score no more at a time than fit in it.")
@click.option(
    "--max-size",
    type=click.FloatRange(min=0),
    default=2000.0,
    show_default=True,
    metavar="MB",
    help="Largest submission that is fetched.",
)
@click.option(
    "--max-tries",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How often a submission is tried that fails by what may not be its fault.",
)
@_seconds("--lease", 120, "How long a silent worker of this host keeps a submission.")
@_seconds("--takeover", 7200, "How long one is left alone that another host's worker began.")
@_seconds("--grace", 20, "Time to finish or hand back after SIGTERM.")
@_seconds("--poll", 10, "Pause between looks at an empty queue.")
@_seconds("--fetch-timeout", MAX_SECONDS, "Longest fetching of a submission.")
@_seconds("--scoring-timeout", 2400, "Longest scoring of a submission.")
@_seconds("--first-pause", 1, "Pause before the first repeat of a request; the next ones double.")
@click.option(
    "--requests-per-minute",
    type=click.FloatRange(min=3),
    default=60,
    show_default=True,
    help="The server's limit for a user; all workers with one --state keep it together.",
)
@click.option("--log-json", is_flag=True, help="Log one JSON object a line, on stderr.")
@click.option(
    "--health-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that shows the worker alive.  [default: health.json in --state]",
)
def worker(
    annotations: Tuple[str, ...], suite: Optional[Suite], as_json: bool, **given: Any
) -> None:
    """Score submissions of EvalAI on this machine.

    Takes messages from the challenge's queue until SIGTERM. See docs/remote.md.
    """
    if as_json and not given["once"]:
        raise click.UsageError("--json needs --once: a worker that goes on has no end to tell")
    token = take_token(TOKEN_VARIABLE, given["token_file"])
    log.set_up(given["log_json"], token)
    truth = find_annotations(list(annotations), suite)
    health_file = given["health_file"] or given["state"] / "health.json"
    tokens = [given["token_file"]] if given["token_file"] else []
    spare_inputs([health_file], [*truth.values(), *tokens])
    timing = Timing(first_pause_seconds=given["first_pause"])
    settings = Settings(
        api=checked_api(given["api"]),
        queue=given["queue"],
        token=token,
        annotations=truth,
        state=given["state"],
        health_file=health_file,
        policy=Policy(
            challenge=given["challenge"],
            max_bytes=int(given["max_size"] * 1e6),
            max_tries=given["max_tries"],
            takeover_seconds=given["takeover"],
            poll_seconds=given["poll"],
            fetch_timing=timing,
            fetch_seconds=given["fetch_timeout"],
            private_hosts=given["private_hosts"],
        ),
        timing=timing,
        once=given["once"],
        concurrency=within_memory(given["concurrency"], given["memory"]),
        lease_seconds=given["lease"],
        grace_seconds=given["grace"],
        scoring_seconds=given["scoring_timeout"],
        requests_per_minute=given["requests_per_minute"],
        log_json=given["log_json"],
        suite=suite,
    )
    service = Service(settings)
    counts = service.run()
    if as_json:
        print_json(
            {
                "phases": sorted(settings.annotations),
                "done": dict(counts),
                "left": {str(number): why for number, why in sorted(service.left.items())},
            }
        )
    summary = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
    if not as_json:
        click.echo(f"worker ended: {summary or 'nothing to do'}")
    if settings.once and service.left:
        raise LeftBehind(service.left)
