"""How far an explanation is: a bar in a terminal, or calls of a function."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tqdm import tqdm

from sierlib.shapley.value_function import Progress

ProgressCall = Callable[[float], object]  # called with the share that is done, from 0 to 1

#: The least time between two calls of a progress function.
SECONDS_BETWEEN_CALLS = 0.1


@dataclass
class _ProgressCalls:
    """Call a function with the share that is done, at most ten times a second."""

    call: ProgressCall
    total: int
    done: int = 0
    last: float = field(default_factory=time.monotonic)

    def update(self, n: int, /) -> None:
        """Count evaluations; see `Progress`."""
        self.done += n
        now = time.monotonic()
        if now - self.last >= SECONDS_BETWEEN_CALLS:
            self.last = now
            self.call(min(1.0, self.done / self.total))


@contextmanager
def show_progress(total: int, progress: bool | ProgressCall | None) -> Iterator[Progress]:
    """Show a bar, or call a function from 0 to 1; a bar that was not asked for waits 5 seconds."""
    if callable(progress):
        progress(0.0)
        yield _ProgressCalls(progress, total)
        progress(1.0)  # whatever was left of `total`, which is an upper bound
        return
    hide, delay = (None, 5) if progress is None else (not progress, 0)  # None: but in a terminal
    with tqdm(total=total, unit=" evaluations", disable=hide, delay=delay) as bar:
        yield bar
