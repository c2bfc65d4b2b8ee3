"""The engines of a cluster: rows of a Ray dataset, each worked off by an actor to the very end.

Ray Data places the actors, keeps their pool, and starts one again that died. Requests and results
do not pass through the dataset: a row's results reach the driver only when its block is full, a
batch of rows runs dry before the next begins, and a row that is tried again must give what it gave
before.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Collection
from typing import Any

import msgspec
import ray
import ray.data

from distill.engines.base import Engine, Request
from distill.engines.open import open_engine
from distill.errors import EngineError
from distill.recipe import Vllm
from distill.records import Completion, Failure

BEAT_SECONDS = 0.2  # how often results are told and withdrawn keys heard while an engine decodes


class Opening(msgspec.Struct, frozen=True):
    """What an actor opens."""

    kind: str  # "transformers" or "vllm"
    model: str
    batch_size: int
    vllm: Vllm


def run_actors(mailbox: Any, opening: Opening, actors: int, resources: dict[str, float]) -> str:
    """Run the actors until the mailbox closes; returns what went wrong, or "".

    Args:
        resources: of each actor; num_cpus and num_gpus.
    """
    _be_quiet()
    rows = [{"shard": shard} for shard in range(actors)]
    pool = ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1)
    work = ray.data.from_items(rows, override_num_blocks=actors).map_batches(
        EngineActor,
        fn_constructor_args=(mailbox, opening),
        batch_size=1,
        compute=pool,
        **resources,
    )
    try:
        work.materialize()
    except Exception as error:  # whatever it is, it is told to the driver
        return f"the actors cannot run: {_last_line(error)}"
    return ""


class EngineActor:
    """One process with an engine. Ray Data calls it with one row, which is all of its work."""

    def __init__(self, mailbox: Any, opening: Opening) -> None:
        self._mailbox = mailbox
        self._opening = opening

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        shard, life = int(batch["shard"][0]), uuid.uuid4().hex
        context = ray.get_runtime_context()
        ray.get(self._mailbox.enter.remote(shard, life, context.current_actor))
        try:
            self._work(shard, life)
        except EngineError as error:
            ray.get(self._mailbox.failed.remote(_here(str(error))))
        except ray.exceptions.RayError:
            raise  # the mailbox is gone, so is the driver
        except Exception as error:
            # who failed in a way nobody foresaw is not trusted with more: Ray starts another
            words = _here(f"{type(error).__name__}: {_last_line(error)}")
            ray.get(self._mailbox.crashed.remote(shard, words))
            os._exit(1)
        return batch

    def _work(self, shard: int, life: str) -> None:
        """Open the engine and work off one job after the other."""
        engine = _open(self._opening)
        try:
            ray.get(self._mailbox.opened.remote(life, engine.name, engine.in_waves))
            number = 0
            while job := ray.get(self._mailbox.next_job.remote(number)):
                number, params = job
                with RemoteFeed(self._mailbox, shard, life, number) as feed:
                    engine.work(feed, params)
        finally:
            engine.close()


def _open(told: Opening) -> Engine:
    try:
        return open_engine(told.kind, told.model, batch_size=told.batch_size, vllm=told.vllm)
    except EngineError as error:
        raise EngineError(
            f"{error} (every node opens the model by itself: it must be there under the same path, "
            "or be a name of the Hugging Face hub)"
        ) from None


class RemoteFeed:
    """The feed of an actor's engine: its part of the driver's feed, by way of the mailbox.

    Beside the engine's own calls a thread tells results and hears withdrawn keys, so that an
    engine that decodes for minutes is neither asked nor kept waiting. An engine that asks at every
    step is sent to the mailbox once a beat, and after each result.
    """

    def __init__(self, mailbox: Any, shard: int, life: str, job: int) -> None:
        self._mailbox = mailbox
        self._who = (shard, life, job)
        self._under_way: set[str] = set()
        self._ended: deque[tuple[str, Completion | Failure]] = deque()  # not told yet
        self._unwanted: deque[str] = deque()  # heard, and not named to the engine yet
        self._is_over = False
        self._quiet_until = 0.0  # of a busy engine; the mailbox had nothing a moment ago
        self._one_at_a_time = threading.Lock()
        self._stop = threading.Event()
        self._beat = threading.Thread(target=self._keep_telling, daemon=True)

    def __enter__(self) -> "RemoteFeed":
        self._beat.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._beat.join()
        if exception[0] is None:
            self._exchange(0)

    def take(self, room: int) -> list[Request]:
        if self._under_way and time.monotonic() < self._quiet_until:
            return []
        while not self._is_over:
            requests = self._exchange(room)
            self._quiet_until = 0.0 if requests else time.monotonic() + BEAT_SECONDS
            self._under_way.update(request.key for request in requests)
            if requests or self._under_way:
                return requests
        return []

    def done(self, request: Request, result: Completion | Failure) -> None:
        self._quiet_until = 0.0
        self._under_way.discard(request.key)
        self._ended.append((request.key, result))

    def withdrawn(self) -> Collection[str]:
        if self._is_over:
            keys, self._unwanted = set(self._under_way), deque()
            return keys
        return {key for key in _drained(self._unwanted) if key in self._under_way}

    def _exchange(self, room: int) -> list[Request]:
        with self._one_at_a_time:
            ended = list(_drained(self._ended))
            is_idle = not self._under_way
            reply = ray.get(self._mailbox.exchange.remote(*self._who, ended, room, is_idle))
            self._unwanted.extend(reply.unwanted)
            self._is_over = self._is_over or reply.is_over
            return reply.requests

    def _keep_telling(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            self._exchange(0)


def _drained(queue: deque) -> list:
    """Everything in it, taken out; safe beside a thread that appends."""
    found = []
    while queue:
        found.append(queue.popleft())
    return found


def _be_quiet() -> None:
    """Nothing on the driver's screen: it has a progress display of its own."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _here(message: str) -> str:
    return f"node {socket.gethostname()}: {message}"


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
