"""Shows and logs what is stored of the sampling, and nothing else."""

import time
from pathlib import Path

from distill.progress import Bar
from distill.records import NO_FAILURE, FailureReason
from distill.runlog import log_metrics
from distill.stages.sample_clerk import Told
from distill.stages.sample_state import Counts

METRICS_SECONDS = 10.0  # between two lines of metrics


class Meter:
    """Called with what was stored; one thread at a time.

    Args:
        path: of the metrics; a line tells what was stored since the line before.
        counts: what was stored before; counted on.
        looks: is every trace looked at, so that there is something to tell of kept and right.
        is_free: nothing costs anything, so that there is nothing to tell of dollars.
    """

    def __init__(self, path: Path, bar: Bar, counts: Counts, *, looks: bool, is_free: bool) -> None:
        self._path, self._bar, self._counts = path, bar, counts
        self._looks, self._is_free = looks, is_free
        self._session, self._line = Counts(), Counts()
        self._usd, self._failed, self._withdrawn = 0.0, 0, 0
        self._began = self._logged = time.monotonic()
        self.stored(Told([], [], [], {}))

    def stored(self, told: Told) -> None:
        """Count what was stored, show it, and log it now and then."""
        for counts in (self._counts, self._session, self._line):
            for tally in told.traces:
                counts.add_trace(tally)
            for preview in told.previews:
                counts.add_preview(preview)
        reasons = [failure.reason for failure in told.failures]
        self._withdrawn += reasons.count(FailureReason.WITHDRAWN)
        self._failed += sum(reason not in NO_FAILURE for reason in reasons)
        self._bar.update(len(told.traces))
        self._show(told)
        if time.monotonic() - self._logged >= METRICS_SECONDS:
            self.log()

    def log(self) -> None:
        """Write a line of what was stored since the last one, if there is anything."""
        now, line = time.monotonic(), self._line
        if not line.traces and not self._failed and not self._withdrawn:
            return
        seconds = now - self._logged
        looked = {"right": line.right, "kept": line.kept} if self._looks else {}
        log_metrics(
            self._path,
            "sample",
            completions=line.traces,
            prompt_tokens=line.prompt_tokens,
            completion_tokens=line.completion_tokens,
            truncated=line.truncated,
            **looked,
            failed=self._failed,
            withdrawn=self._withdrawn,
            stored=self._counts.traces,
            usd_so_far=round(self._usd, 6),
            seconds=round(seconds, 3),
            tokens_per_second=round(line.completion_tokens / max(seconds, 1e-9), 1),
        )
        self._logged, self._line, self._failed, self._withdrawn = now, Counts(), 0, 0

    def _show(self, told: Told) -> None:
        counts, figures = self._counts, told.figures
        self._usd = figures.get("usd", self._usd)
        if "total" in figures:
            self._bar.total = max(counts.traces, figures["total"])
        seconds = max(time.monotonic() - self._began, 1e-9)
        known = {"kept": counts.kept, "right": counts.right, "tried": counts.traces}
        self._bar.tell(
            **(known if self._looks else {}),
            **({"solved": figures["solved"]} if self._looks and "solved" in figures else {}),
            tokens_per_second=self._session.completion_tokens / seconds,
            **({} if self._is_free else {"usd": self._usd, "projected_usd": self._projected()}),
        )

    def _projected(self) -> float | None:
        """At the cost of a trace so far."""
        total = self._bar.total
        return self._usd * total / self._counts.traces if total and self._counts.traces else None
