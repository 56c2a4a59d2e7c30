"""The same tasks on an existing dask.distributed cluster.

Every worker must reach the annotations, the submissions and the file of a suite of one's own under
the paths or addresses given.
The store stays with this process: workers send scores back and write nothing.
"""

from __future__ import annotations

import itertools
from typing import Any, Callable, Dict, Iterable, Iterator

from nlb_evalai.competition.batch.pool import crashed
from nlb_evalai.competition.batch.task import FAILED, Outcome, Task, score_task
from nlb_evalai.errors import ToolError

#: tasks handed out per worker thread: enough to keep them busy, few enough for the scheduler
_AHEAD = 4
_CONNECT_SECONDS = 15


class ClusterError(ToolError):
    """The cluster cannot be used."""


def run_cluster(
    tasks: Iterable[Task], address: str, work: Callable[[Task], Outcome] = score_task
) -> Iterator[Outcome]:
    """Outcomes as they come from the cluster at ``address``.

    What a dying worker had is done again elsewhere (dask's own retry); a task under which
    several workers die becomes a failure.

    Raises
    ------
    ClusterError
        If dask is not installed, or nobody answers at the address.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise ClusterError(
            "--dask needs dask.distributed: pip install 'nlb-evalai[dask]'"
        ) from None
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"--dask {address}: no cluster answers there ({error})") from None
    with client:
        if not client.scheduler_info().get("workers"):
            client.wait_for_workers(1)
        source = iter(tasks)
        handed: Dict[Any, Task] = {}

        def more(count: int) -> Any:
            futures = []
            for task in itertools.islice(source, count):
                future = client.submit(work, task, pure=False, retries=1)
                handed[future.key] = task
                futures.append(future)
            return futures

        ahead = _AHEAD * max(1, sum(client.nthreads().values()))
        queue = as_completed(more(ahead), loop=client.loop)
        for future in queue:
            task = handed.pop(future.key)
            yield _outcome(future, task)
            future.release()
            queue.update(more(1))


def _outcome(future: Any, task: Task) -> Outcome:
    """A task raises nothing itself: an error is its workers' death, or their set-up."""
    from distributed.scheduler import KilledWorker

    if future.status == "finished":
        outcome: Outcome = future.result()
        return outcome
    if future.status != "error":
        raise ClusterError(
            "the cluster went away; what is scored is kept, the same command goes on"
        )
    error = future.exception()
    if isinstance(error, KilledWorker):
        return crashed(task)
    text = f"the cluster could not run it: {type(error).__name__}: {error}"
    return Outcome(task.source, FAILED, kind="internal", error=text)
