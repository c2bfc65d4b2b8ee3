"""An event loop in a thread of its own, for whoever is not asynchronous himself.

So the caller may be a script, a thread, or a notebook that runs a loop already; and what he does
between two results does not hold up the network.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
CLOSING_SECONDS = 5.0  # for what was cancelled to close its connections


class Background:
    """Runs coroutines; to be closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="distill-server", daemon=True
        )
        self._thread.start()

    def start(
        self, coroutine: Coroutine[Any, Any, Any], ended: Callable[[asyncio.Task], None]
    ) -> Callable[[], None]:
        """Begin it and go on.

        Args:
            ended: called in the loop's thread when it has ended, been cancelled or failed.
        Returns: what cancels it, from any thread; without effect once it has ended.
        """
        tasks: list[asyncio.Task] = []

        def begin() -> None:
            tasks.append(self._loop.create_task(coroutine))
            tasks[0].add_done_callback(ended)

        self._loop.call_soon_threadsafe(begin)
        return lambda: self._loop.call_soon_threadsafe(lambda: tasks[0].cancel())

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Its result, waited for; an interrupt of the caller cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def cancel_all(self) -> None:
        """Cancel all that was started, and wait until nothing of it runs on."""
        self.run(_cancel_others())

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancel what still runs, do the last, and end the thread; a second time does nothing."""
        if self._loop.is_closed():
            return
        self.cancel_all()
        self.run(last())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    """Cancel all other tasks of this loop and wait, for a limited time, until they have ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=CLOSING_SECONDS)
