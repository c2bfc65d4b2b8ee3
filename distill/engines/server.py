"""The server engine: any OpenAI-compatible endpoint, many requests in flight."""

import asyncio
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue

from distill.engines.asking import Asked, Asking, Pace, check_extra_body
from distill.engines.background import Background
from distill.engines.base import Feed, SamplingParams
from distill.engines.exchange import Lanes
from distill.engines.outages import Outages
from distill.engines.probe import look
from distill.engines.redaction import hide_in_logs, key_from_environment, show_in_logs
from distill.engines.statuses import Peer
from distill.errors import EngineError
from distill.recipe import Server
from distill.records import Completion, Failure

POLL_SECONDS = 0.5  # between two looks at what is wanted, or not any more, if nothing comes back


class ServerEngine:
    """Answers requests through a server, each over a connection of its own that is used again.

    The network runs in a thread of its own; the feed is called from the caller's.
    """

    tokenizer = None
    in_waves = False

    def __init__(self, model: str, keys: Server, *, backoff_seconds: float = 1.0) -> None:
        """
        Args:
            model: the server's name of it.
            keys: the recipe's section; the key itself is taken from the environment.
            backoff_seconds: the longest first wait before a request is tried again.
        Raises: EngineError if the server cannot be reached or refuses the key.
        """
        check_extra_body(keys)
        key = key_from_environment(keys.key_variable)
        peer = Peer(keys.url.rstrip("/"), model, key, keys.key_variable)
        self._keys = keys
        self._backoff_seconds = backoff_seconds
        self._pace = Pace()
        self._lanes = Lanes(peer.url, key)
        self._hiding = hide_in_logs(key)
        self._background = Background()
        try:
            found = self._background.run(look(self._lanes, peer, keys, backoff_seconds))
        except BaseException as error:
            self.close()
            raise _bare(error) from None
        self.name = found.name
        self._family = found.family
        self._peer = peer._replace(models=found.models)

    def __enter__(self) -> "ServerEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a second time does nothing."""
        self._background.close(self._lanes.close)
        show_in_logs(self._hiding)

    def work(self, feed: Feed, params: SamplingParams) -> None:
        """Work off a feed until it has no more, at most `max_in_flight` requests at once.

        A request that fails although others pass is told as a Failure. When none passes any more,
        nothing of that is told: see Outages.

        Raises: EngineError if the server refuses key, model or recipe, or answers nobody.
        """
        asked = Asked(self._peer, self._keys, params, self._family, self._backoff_seconds)
        shift = _Shift(self._background, self._lanes, self._pace, asked)
        try:
            shift.work(feed)
        except KeyboardInterrupt:
            shift.leave(feed)
            raise
        finally:
            self._background.cancel_all()


class _Shift:
    """One call of `work`: what is under way, and what came of it."""

    def __init__(self, background: Background, lanes: Lanes, pace: Pace, asked: Asked) -> None:
        self._background = background
        self._lanes = lanes
        self._pace = pace
        self._asked = asked
        self._under_way: dict[str, Callable[[], None]] = {}  # what drops it, by its key
        self._ended: SimpleQueue[tuple[Asking, asyncio.Task]] = SimpleQueue()
        self._outages = Outages(asked.peer.url)
        self._again: list[Asking] = []  # what gets a second round

    def work(self, feed: Feed) -> None:
        while True:
            self._fill(feed)
            if not self._under_way and not self._settle(feed):
                return
            if self._under_way:
                self._hear(feed)

    def leave(self, feed: Feed) -> None:
        """Drop what is under way, and tell what has come and what the rest may have cost."""
        self._background.cancel_all()
        self._tell_all(feed, self._drain())

    def _fill(self, feed: Feed) -> None:
        """Start as many requests as there is room for."""
        while self._again and self._room():
            self._start(self._again.pop())
        if self._room() and not self._outages.suspected:
            for request in feed.take(self._room()):
                self._start(Asking(request, self._asked, self._lanes, self._pace))

    def _room(self) -> int:
        return self._asked.keys.max_in_flight - len(self._under_way)

    def _start(self, asking: Asking) -> None:
        drop = self._background.start(asking.outcome(), partial(self._put, asking))
        self._under_way[asking.request.key] = drop

    def _put(self, asking: Asking, task: asyncio.Task) -> None:
        self._ended.put((asking, task))

    def _hear(self, feed: Feed) -> None:
        """Tell what came back, waiting for it a little, and drop what is not wanted any more.

        Raises: EngineError that ends the run; the completions that were there are told first.
        """
        ended = self._wait()
        failed = self._tell_all(feed, ended) or self._outages.refused()
        if failed is not None:
            self._background.cancel_all()
            self._tell_all(feed, [(a, t) for a, t in self._drain() if not t.cancelled()])
            raise _bare(failed) from None
        self._drop(feed)

    def _wait(self) -> list[tuple[Asking, asyncio.Task]]:
        try:
            first = self._ended.get(timeout=POLL_SECONDS)
        except Empty:
            return []
        return [first, *self._drain()]

    def _drain(self) -> list[tuple[Asking, asyncio.Task]]:
        ended = []
        while not self._ended.empty():
            ended.append(self._ended.get_nowait())
        return ended

    def _tell_all(
        self, feed: Feed, ended: list[tuple[Asking, asyncio.Task]]
    ) -> BaseException | None:
        """Tell every result; returns the first error that is none of a request."""
        failed = None
        for asking, task in ended:
            del self._under_way[asking.request.key]
            if task.cancelled():
                self._tell(feed, asking, asking.withdrawn())
            elif (error := task.exception()) is not None:
                failed = failed or error
            else:
                self._tell(feed, asking, task.result())
        return failed

    def _tell(self, feed: Feed, asking: Asking, result: Completion | Failure) -> None:
        if isinstance(result, Completion):
            again, told = self._outages.answered()
            self._again += again
            for kept, failure in told:
                feed.done(kept.request, failure)
        elif self._outages.keep(asking, result):
            return
        feed.done(asking.request, result)

    def _drop(self, feed: Feed) -> None:
        """Drop what is not wanted any more, wherever it is."""
        for key in feed.withdrawn():
            if key in self._under_way:
                self._under_way[key]()
            elif (kept := self._outages.withdrawn(key)) is not None:
                feed.done(kept[0].request, kept[1])
            else:
                self._drop_from_second_round(feed, key)

    def _drop_from_second_round(self, feed: Feed, key: str) -> None:
        for asking in [asking for asking in self._again if asking.request.key == key]:
            self._again.remove(asking)
            feed.done(asking.request, asking.withdrawn())

    def _settle(self, feed: Feed) -> bool:
        """Nothing is under way: tell what was kept back; whether there was anything.

        Raises: EngineError if that is a sign of an outage.
        """
        if self._outages.suspected:
            self._outages.stop()
        kept = self._outages.released()
        for asking, failure in kept:
            feed.done(asking.request, failure)
        return bool(kept)


def _bare(error: BaseException) -> BaseException:
    """An error that users see without its frames: they hold what the server said, as it said it."""
    return error.with_traceback(None) if isinstance(error, EngineError) else error
