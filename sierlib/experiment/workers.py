"""Several networks at once, each in a process of its own with its share of the processor."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

from sierlib.machine import count_workers, end_with_parent


def _limit_worker(threads: int) -> None:
    """Keep a worker to its share of the processor: small networks gain little by a second core.

    It also fixes the order of every sum, so that the same seed gives the same weights.
    """
    end_with_parent()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from sierlib.backend import limit_threads

    limit_threads(threads)


def run_in_workers(
    function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], title: str, unit: str = "network"
) -> list[Any]:
    """Call a function of a module once for each tuple of arguments, several calls at once.

    Each worker is a process of its own. With one (a GPU, one core) the calls are made here, one
    after the other.

    Returns
    -------
    list
        What the calls returned, in the order of `jobs`. The first error is raised after the others
        have ended, so that what they made is kept.
    """
    from tqdm.auto import tqdm

    at_once = count_workers()
    if at_once == 1:
        return [function(*job) for job in tqdm(jobs, desc=title, unit=unit)]
    threads = max(1, (os.cpu_count() or 1) // at_once)
    context = multiprocessing.get_context("spawn")
    results: dict[int, Any] = {}
    failed: list[BaseException] = []
    count = min(at_once, max(1, len(jobs)))
    with ProcessPoolExecutor(
        count, context, initializer=_limit_worker, initargs=(threads,)
    ) as pool:
        waiting = {pool.submit(function, *job): index for index, job in enumerate(jobs)}
        for future in tqdm(as_completed(waiting), total=len(waiting), desc=title, unit=unit):
            if error := future.exception():
                failed.append(error)
            else:
                results[waiting[future]] = future.result()
    if failed:
        raise failed[0]
    return [results[index] for index in range(len(jobs))]
