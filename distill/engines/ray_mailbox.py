"""The actor through which a driver and its engines meet: requests one way, results the other.

It lives inside the cluster and owns the dataset whose rows are the engines, so that a driver works
alike on the cluster, outside of it (ray://, where Ray Data does not run) and on one machine. When
the driver ends, however it ends, Ray ends this actor, and with it all that it has started.
"""

import asyncio
import contextlib
import math
import threading
from typing import Any

import msgspec
import ray

from distill.engines.base import Request, SamplingParams
from distill.engines.ray_actor import Opening, run_actors
from distill.engines.ray_ledger import Ledger, Result
from distill.engines.ray_roster import Roster, Standing

TURN_SECONDS = 0.2  # longest turn of the driver with nothing to say
IDLE_WAIT_SECONDS = 1.0  # longest wait of an engine with nothing to do, before it asks again
BUSY_WAIT_SECONDS = 0.05  # of one that decodes meanwhile
STOCK_SHARE = 0.125  # of the batch of an engine that refills it: requests ready before it asks


class News(msgspec.Struct):
    """What the driver hears at its turn."""

    results: list[Result]
    wanted: int  # requests that would find room
    standing: Standing


class Reply(msgspec.Struct):
    """What an engine hears at its turn."""

    requests: list[Request] = []
    unwanted: list[str] = []
    is_over: bool = False  # the job has ended; nothing is wanted any more


class Ask(msgspec.Struct):
    """An engine with room."""

    life: str
    room: int
    is_idle: bool  # has nothing under way: it can wait for a whole batch
    answer: asyncio.Future


class Mailbox:
    """All methods run on one event loop, so that none sees another half done."""

    def __init__(self, opening: Opening, actors: int, resources: dict[str, float]) -> None:
        self._opening = opening
        self._plan = (actors, resources)
        self._roster = Roster()
        self._handles: dict[int, Any] = {}  # shard -> its actor
        self._watches: set[asyncio.Task] = set()
        self._ledger = Ledger()
        self._jobs = 0
        self._job: tuple[int, SamplingParams] | None = None  # the one that runs
        self._is_closing = False
        self._job_changed = asyncio.Condition()
        self._asks: list[Ask] = []
        self._stock = 0  # requests ready for each open engine
        self._results: list[Result] = []
        self._something = asyncio.Event()  # the driver should look
        self._is_dry = False  # the feed gave less than was wanted; nothing has ended since

    # ------------------------------------------------------------------ told by the driver

    async def start(self) -> None:
        """Let Ray Data place the actors; returns at once."""
        loop = asyncio.get_running_loop()
        mailbox = ray.get_runtime_context().current_actor

        def run() -> None:
            error = run_actors(mailbox, self._opening, *self._plan)
            loop.call_soon_threadsafe(self._all_ended, error)

        threading.Thread(target=run, daemon=True).start()

    async def standing(self) -> Standing:
        """How the actors are."""
        return self._roster.standing()

    async def begin(self, params: SamplingParams) -> None:
        """Start a job."""
        self._ledger, self._results, self._is_dry = Ledger(), [], False
        self._jobs += 1
        await self._set_job((self._jobs, params))

    async def turn(self, requests: list[Request], is_dry: bool, unwanted: list[str]) -> News:
        """The driver hands over what it has and hears what there is, or waits a little for it."""
        self._something.clear()
        self._ledger.add(requests)
        self._is_dry = is_dry
        self._tell(self._ledger.withdraw(unwanted))
        self._serve()
        is_quiet = not self._results and not self._roster.error
        if is_quiet and (self._is_dry or not self._wanted()):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._something.wait(), TURN_SECONDS)
        results, self._results = self._results, []
        return News(results, self._wanted(), self._roster.standing())

    async def end(self) -> None:
        """End the job: whatever is under way is not wanted any more."""
        self._ledger, self._results = Ledger(), []
        await self._set_job(None)
        for ask in list(self._asks):
            self._answer(ask, [])

    async def close(self) -> None:
        """Let the engines end by themselves; an actor that has ended is not alive."""
        self._is_closing = True
        await self.end()

    # ------------------------------------------------------------------ told by the actors

    async def enter(self, shard: int, life: str, handle: Any) -> None:
        """A process is there and will open its engine."""
        self._lose(shard)
        self._handles[shard] = handle
        self._greet(shard, life)

    async def opened(self, life: str, name: str, in_waves: bool) -> None:
        """The engine of a process is open."""
        self._roster.opened(life, name)
        if not in_waves:
            self._stock = math.ceil(self._opening.batch_size * STOCK_SHARE)

    async def failed(self, message: str) -> None:
        """An engine cannot be opened, or cannot answer at all: that is final."""
        self._fail(message)

    async def crashed(self, shard: int, message: str) -> None:
        """A process is about to end because of this."""
        self._roster.last_words(shard, message)

    async def next_job(self, before: int) -> tuple[int, SamplingParams] | None:
        """The job after that number, as soon as there is one; None at the end of all."""
        async with self._job_changed:
            await self._job_changed.wait_for(
                lambda: self._is_closing or (self._job is not None and self._job[0] > before)
            )
        return None if self._is_closing else self._job

    async def exchange(
        self, shard: int, life: str, job: int, ended: list[tuple], room: int, is_idle: bool
    ) -> Reply:
        """An engine tells what has ended and hears what to do.

        Args:
            ended: (key, Completion or Failure) of each.
            room: requests it could start now; 0 only tells and hears.
            is_idle: it has nothing under way and waits for requests.
        """
        if self._is_over(job):
            return Reply(is_over=True)
        for key, result in ended:
            self._tell(self._ledger.ended(life, key, result))
        if not self._is_welcome(shard, life):
            return Reply(is_over=True)
        if ended:
            self._roster.bore_fruit(shard)
        requests = await self._request(life, room, is_idle) if room else []
        if self._is_over(job):
            return Reply(is_over=True)
        return Reply(requests, self._ledger.to_drop(life))

    # ------------------------------------------------------------------ requests

    async def _request(self, life: str, room: int, is_idle: bool) -> list[Request]:
        ask = Ask(life, room, is_idle, asyncio.get_running_loop().create_future())
        self._asks.append(ask)
        self._serve()
        if not self._is_dry:
            self._something.set()
        wait = IDLE_WAIT_SECONDS if is_idle else BUSY_WAIT_SECONDS
        answered, _ = await asyncio.wait([ask.answer], timeout=wait)
        if not answered:
            self._answer(ask, [])
        return ask.answer.result()

    def _serve(self) -> None:
        """Answer the asks that can be answered, oldest first.

        A busy engine gets what is there. An idle one waits for a whole batch, or until the feed
        has no more for now: then all idle ones share what is there.
        """
        idle = sum(ask.is_idle for ask in self._asks)
        for ask in list(self._asks):
            there = self._ledger.waiting
            share = -(-there // idle) if ask.is_idle and self._is_dry else there
            idle -= ask.is_idle
            is_enough = there > 0 if self._is_dry or not ask.is_idle else there >= ask.room
            if is_enough or (self._is_dry and not ask.is_idle):
                self._answer(ask, self._ledger.hand_out(ask.life, min(ask.room, share)))

    def _answer(self, ask: Ask, requests: list[Request]) -> None:
        self._asks.remove(ask)
        ask.answer.set_result(requests)

    def _wanted(self) -> int:
        """Requests to take from the feed: what was asked for, and the stock."""
        room = sum(ask.room for ask in self._asks) + self._stock * self._roster.open
        return max(0, room - self._ledger.waiting)

    def _tell(self, results: list[Result]) -> None:
        if results:
            self._results += results
            self._is_dry = False
            self._something.set()

    # ------------------------------------------------------------------ jobs

    def _is_over(self, job: int) -> bool:
        return self._job is None or self._job[0] != job

    async def _set_job(self, job: tuple[int, SamplingParams] | None) -> None:
        async with self._job_changed:
            self._job = job
            self._job_changed.notify_all()

    # ------------------------------------------------------------------ processes

    def _is_welcome(self, shard: int, life: str) -> bool:
        """Whether this process is the one of its shard.

        One that was taken for dead, because it could not be reached for a while, is so again if
        no other has taken its place.
        """
        if self._roster.life_of(shard) is None:
            self._greet(shard, life)
            self._roster.opened(life, self._roster.standing().name)
        return self._roster.life_of(shard) == life

    def _greet(self, shard: int, life: str) -> None:
        self._roster.enter(shard, life)
        watch = asyncio.create_task(self._watch(shard, life))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def _watch(self, shard: int, life: str) -> None:
        """Wait for the end of a process: a call that it comes to only after its work."""
        try:
            await self._handles[shard].__ray_ready__.options(max_task_retries=0).remote()
        except ray.exceptions.RayError:
            if self._roster.life_of(shard) == life:
                self._lose(shard)
        else:
            if self._roster.life_of(shard) == life:
                self._roster.leave(shard)

    def _lose(self, shard: int) -> None:
        """The process of a shard, if it had one, is gone; what it held goes to others."""
        life = self._roster.life_of(shard)
        if life is None:
            return
        self._roster.die(shard)
        for ask in [ask for ask in self._asks if ask.life == life]:
            self._answer(ask, [])
        self._tell(self._ledger.lost(life))
        self._serve()
        self._something.set()

    def _fail(self, message: str) -> None:
        self._roster.fail(message)
        self._something.set()

    def _all_ended(self, error: str) -> None:
        if not self._is_closing:
            self._fail(error or "Ray Data ended before the work did")
