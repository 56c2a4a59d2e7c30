"""The same tasks on an existing dask.distributed cluster.

Every worker must reach the annotations, the submissions and the file of a suite of one's own under
the paths or addresses given.
The store stays with this process: workers send scores back and write nothing.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator

from nlb_evalai.competition.batch.pool import crashed
from nlb_evalai.competition.batch.task import FAILED, Outcome, Task, score_task
from nlb_evalai.errors import ToolError
from nlb_evalai.extras import install

#: tasks handed out per worker thread: enough to keep them busy, few enough for the scheduler
_AHEAD = 4
_CONNECT_SECONDS = 15
#: how long a cluster may be without a single worker
_WORKERS_SECONDS = 120.0
_LOOK_SECONDS = 0.05


class ClusterError(ToolError):
    """The cluster cannot be used."""


def run_cluster(
    tasks: Iterable[Task],
    address: str,
    work: Callable[[Task], Outcome] = score_task,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Outcome]:
    """Outcomes as they come from the cluster at ``address``.

    What a dying worker had is done again elsewhere (dask's own retry); a task under which
    several workers die becomes a failure. A wait for workers is told to ``say``.

    Raises
    ------
    ClusterError
        If dask is not installed, nobody answers at the address, or the cluster is without a worker
        for two minutes.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise ClusterError(f"--dask needs dask.distributed: {install('dask')}") from None
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"--dask {address}: no cluster answers there ({error})") from None
    with client:
        _Watch(client, address, say).wait()
        source = iter(tasks)
        handed: Dict[Any, Task] = {}

        def more(count: int) -> Any:
            futures = []
            for task in itertools.islice(source, count):
                future = client.submit(_there, work, task, pure=False, retries=1)
                handed[future.key] = task
                futures.append(future)
            return futures

        ahead = _AHEAD * max(1, sum(client.nthreads().values()))
        queue = as_completed(more(ahead), loop=client.loop)
        for future in _as_they_come(queue, _Watch(client, address, say)):
            task = handed.pop(future.key)
            yield _outcome(future, task)
            future.release()
            queue.update(more(1))


def _there(work: Callable[[Task], Outcome], task: Task) -> Outcome:
    """On a worker: what is beside the store is on another machine, dask has a folder of its own.

    The next worker that starts on a machine removes what a killed one left in it.
    """
    from distributed import get_worker

    return work(replace(task, work=Path(get_worker().local_directory)))


class _Watch:
    """Looks whether a cluster has workers, and gives up when it has had none for long."""

    def __init__(self, client: Any, address: str, say: Callable[[str], None]) -> None:
        self._client = client
        self._address = address
        self._say = say
        self._alone_since = 0.0
        self._look_at = 0.0

    def look(self) -> bool:
        """Whether there is a worker; asked of the scheduler once a second at most."""
        now = time.monotonic()
        if now < self._look_at:
            return not self._alone_since
        self._look_at = now + 1.0
        if self._client.status != "running" or self._client.scheduler_info().get("workers"):
            self._alone_since = 0.0
            return True
        if not self._alone_since:
            self._alone_since = now
            self._say(
                f"{self._address}: the cluster has no worker; waiting for one, "
                f"{_WORKERS_SECONDS:.0f} s at most"
            )
        if now - self._alone_since >= _WORKERS_SECONDS:
            raise ClusterError(
                f"--dask {self._address}: no worker within {_WORKERS_SECONDS:.0f} s; what is "
                "scored is kept: start workers, then run the same command again"
            )
        return False

    def wait(self) -> None:
        """Return when there is a worker."""
        while not self.look():
            time.sleep(_LOOK_SECONDS)


def _as_they_come(queue: Any, watch: _Watch) -> Iterator[Any]:
    """The futures of an ``as_completed`` that may grow, while somebody works on them."""
    while not queue.is_empty():
        while not queue.has_ready():
            time.sleep(_LOOK_SECONDS)
            watch.look()
        yield next(queue)


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
