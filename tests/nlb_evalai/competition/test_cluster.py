"""The same batch on a real dask cluster of separate processes, one of which is killed."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import List

import pytest

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.competition.batch.cluster import ClusterError, run_cluster
from nlb_evalai.competition.batch.run import Tally, run_batch
from nlb_evalai.competition.batch.sources import collect
from nlb_evalai.competition.batch.task import Outcome
from nlb_evalai.competition.store import Store
from tests.nlb_evalai.competition.conftest import N_BAD, N_GOOD, Bench, contents


def test_a_worker_killed_on_the_way_changes_nothing(
    bench: Bench, undisturbed: Path, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    store = tmp_path / "results.sqlite"
    seen = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:

        def kill_one(outcome: Outcome) -> None:
            seen.append(outcome.source.name)
            if len(seen) == 10:
                nanny = next(iter(cluster.workers.values()))
                os.kill(nanny.pid, signal.SIGKILL)

        with Store(store, suite=DEFAULT_SUITE.name, write=True) as opened:
            tally = run_batch(
                opened,
                collect([str(bench.folder)], ["test"]).sources,
                bench.annotations,
                "test",
                partial(run_cluster, address=cluster.scheduler_address),
                on_outcome=kill_one,
            )
    assert tally == Tally(N_GOOD, N_BAD, 0)
    assert sorted(seen) == sorted(set(seen)), "nothing twice"
    assert contents(store) == contents(undisturbed)


def test_an_address_where_nobody_answers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("nlb_evalai.competition.batch.cluster._CONNECT_SECONDS", 1)
    with pytest.raises(ClusterError, match="no cluster answers there"):
        list(run_cluster([], "tcp://127.0.0.1:9"))


def test_a_cluster_without_workers_is_waited_for_with_a_word_and_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("nlb_evalai.competition.batch.cluster._WORKERS_SECONDS", 0.5)
    said: List[str] = []
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        pytest.raises(ClusterError, match="no worker within 0 s; what is scored is kept"),
    ):
        list(run_cluster([], cluster.scheduler_address, say=said.append))
    (line,) = said
    assert "the cluster has no worker; waiting for one" in line
