"""Explain several samples at once, their masked inputs run in batches that they share.

A GPU waits for small batches, and an explanation begins with small ones: 4 coalitions, then 8.
Each sample is explained in a thread; when all of them have asked for something, it is computed in
one batch for each modality, and handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from sierlib.backend import compile_batches
from sierlib.shapley import Explanation, explain
from sierlib.shapley.keras_parts import find_cut, scorer_for, variables_of
from sierlib.shapley.value_function import Parts

#: Arrays by modality.
Sample = dict[str, Any]


class _Shared(Parts):
    """Parts whose branches belong to all threads; `explain` asks that a model can be called."""

    def __call__(self, inputs: Any) -> Any:
        raise TypeError("a shared model is run part by part, never whole")


class _Asked(NamedTuple):
    """What a thread waits for: the features of `members` (n, leaves), coalitions of an input x."""

    modality: str
    members: np.ndarray
    leaf: np.ndarray
    x: np.ndarray
    baseline: np.ndarray
    found: Future[Any]


class _Meeting:
    """Where threads wait until all that are at work have asked, and one computes for all."""

    def __init__(
        self, branches: Mapping[str, Callable[..., Any]], samples: int, at_work: int
    ) -> None:
        self.branches, self.samples = branches, samples
        self.at_work = at_work
        self.asked: list[_Asked] = []
        self.lock = Lock()

    def ask(self, modality: str, members: Any, leaf: Any, x: Any, baseline: Any) -> Any:
        """Return the features of a thread's coalitions, as a branch of `Parts` does."""
        waited = Future[Any]()
        with self.lock:
            self.asked.append(_Asked(modality, members, leaf, x, baseline, waited))
            self._compute()
        return waited.result()

    def leave(self) -> None:
        """Wait for one thread less."""
        with self.lock:
            self.at_work -= 1
            self._compute()

    def _compute(self) -> None:
        if not self.asked or len(self.asked) < self.at_work:
            return
        waiting, self.asked = self.asked, []
        for modality in self.branches:
            if alike := [each for each in waiting if each.modality == modality]:
                self._compute_alike(modality, alike)

    def _compute_alike(self, modality: str, asked: Sequence[_Asked]) -> None:
        """Compute what is asked of one modality, and hand it out."""
        try:
            answers = self._answer(modality, asked)
        except Exception as error:  # of whatever library computes; every thread is to hear of it
            for each in asked:
                each.found.set_exception(error)
            return
        for each, answer in zip(asked, answers, strict=True):
            each.found.set_result(answer)

    def _answer(self, modality: str, asked: Sequence[_Asked]) -> list[Any]:
        """Return the features that each thread has asked for."""
        lengths = [len(each.members) for each in asked]
        # As many samples as there is room for: what is compiled is of one shape.
        filled = [asked[min(number, len(asked) - 1)] for number in range(self.samples)]
        which = np.repeat(np.arange(len(asked), dtype=np.int32), lengths)
        members = np.concatenate([each.members for each in asked])
        x = np.stack([each.x for each in filled])
        baseline = np.stack([each.baseline for each in filled])
        found = self.branches[modality]([members, which], asked[0].leaf, x, baseline)
        ends = np.cumsum(lengths)
        answers = []
        for start, end in zip(ends - lengths, ends, strict=True):
            answers.append([tensor[start:end] for tensor in found])
        return answers


def explain_together(
    model: keras.Model, samples: Sequence[Sample], *, room_for: int = 0, **options: Any
) -> list[Explanation]:
    """Return what `explain` says of each sample.

    Parameters
    ----------
    model
        Two inputs, `speech` and `image`, that are processed apart at first.
    samples
        By modality, arrays as `explain` takes them.
    room_for
        So many samples are compiled for, if there are fewer: calls with the same number share what
        was compiled.
    options
        Of `explain`, but for `precision`; depth and the way that speech is divided decide which
        regions there are, and hold for all.

    Raises
    ------
    ValueError
        As `explain` does, and where the model's inputs meet at once.
    """
    if options.get("precision"):
        raise ValueError("precision: samples that share batches are explained in the model's own")
    compiled_for = max(room_for, len(samples))
    branches, heads = _compile(model, compiled_for)
    meeting = _Meeting(branches, compiled_for, at_work=len(samples))

    def explain_one(sample: Sample) -> Explanation:
        def branch_of(modality: str) -> Callable[..., Any]:
            return lambda *arguments: meeting.ask(modality, *arguments)

        parts = _Shared({modality: branch_of(modality) for modality in branches}, heads)
        try:
            return explain(parts, **sample, **options, progress=False)
        finally:
            meeting.leave()

    with ThreadPoolExecutor(len(samples)) as threads:
        return list(threads.map(explain_one, samples))


@lru_cache(maxsize=2)
def _compile(
    model: keras.Model, samples: int
) -> tuple[dict[str, Callable[..., Any]], Callable[..., Any]]:
    """Compile a model's branches for the masked inputs of several samples, and its heads."""
    cut = find_cut(model)
    if not cut:
        raise ValueError("the model's inputs meet at once: its samples are explained one by one")
    branches = {}
    for start in model.inputs:
        branches[start.name] = _compile_branch(start, cut[start.name], samples)
    scorer: Any = scorer_for(model, {})
    return branches, scorer.parts.heads


def _compile_branch(start: Any, features: list[Any], samples: int) -> Callable[..., Any]:
    """Compile what leads from masked inputs to the tensors where the modalities meet."""
    run = keras.Function([start], features)

    def branch(batch: list[Any], leaf: Any, x: Any, baseline: Any) -> Any:
        members, which = batch
        present = ops.take(members, leaf, axis=1)[..., None]  # the same in all channels
        shown, absent = (ops.take(each, which, axis=0) for each in (x, baseline))
        return run([ops.where(present, shown, absent)])

    whole = keras.KerasTensor((samples, *start.shape[1:]))
    specs = [
        [keras.KerasTensor((None, None), "bool"), keras.KerasTensor((None,), "int32")],
        keras.KerasTensor(start.shape[1:-1], "int32"),
        whole,
        whole,
    ]
    return compile_batches(branch, specs, variables_of(run))
