"""Two nodes of a cluster, which here are two sets of processes on one machine."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from distill.engines.base import Request, SamplingParams
from distill.engines.open import open_engine
from distill.recipe import RayCluster
from distill.records import Completion

ray = pytest.importorskip("ray", reason='the engine needs ray: pip install "r1-distill[ray]"')
pytestmark = pytest.mark.slow

TEACHER = Path(__file__).parents[2] / "data" / "mini" / "teacher"
NODES = """
import json, sys
from ray.cluster_utils import Cluster

small = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
head = {"include_dashboard": False, "ray_client_server_port": int(sys.argv[1])}
cluster = Cluster(initialize_head=True, head_node_args=small | head)
second = cluster.add_node(**small)
raylet = second.all_processes["raylet"][0].process.pid
print(json.dumps([cluster.address, raylet]), flush=True)
sys.stdin.read()
cluster.shutdown()
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[str, int]]:
    """Address of a cluster of two nodes with one CPU each, and the process of the second one."""
    port = free_port()
    environment = os.environ | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-c", NODES, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
        )
        try:
            address, raylet = json.loads(process.stdout.readline())
            yield f"ray://{address.split(':')[0]}:{port}", raylet
        finally:
            family = [process, *psutil.Process(process.pid).children(recursive=True)]
            process.stdin.close()
            process.wait(timeout=60)
            for left in psutil.wait_procs(family[1:], timeout=20)[1]:
                left.kill()


def test_from_outside_a_cluster_whose_node_goes_away_all_is_answered(nodes, list_feed, monkeypatch):
    address, raylet = nodes
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    keys = RayCluster(actors=2, cpus_per_actor=1, address=address)
    engine = open_engine("ray", str(TEACHER), batch_size=8, ray=keys)
    try:
        until = time.monotonic() + 120
        while engine.standing().open < 2:
            assert time.monotonic() < until, "the second actor did not open"
            time.sleep(0.2)
        feed = list_feed([Request(str(n), f"What is {n} + 1? ", n, 200) for n in range(200)])
        done = feed.done

        def done_and_kill(request, result):
            done(request, result)
            if len(feed.results) == 20:
                for gone in [*psutil.Process(raylet).children(recursive=True), raylet]:
                    os.kill(getattr(gone, "pid", gone), signal.SIGKILL)

        feed.done = done_and_kill
        engine.work(feed, SamplingParams(max_tokens=200, temperature=1.5))
        assert engine.standing().deaths >= 1
    finally:
        engine.close()
    assert len(feed.results) == 200
    assert all(isinstance(result, Completion) for result in feed.results.values())
    assert not ray.is_initialized()
