"""Score coalitions of regions: the value function behind `sierlib.shapley`.

A coalition says which regions of each input are present; the others are at the baseline.
`ValueFunction` scores every combination of some masked inputs of each kind, in batches.
How the model is run is the business of one of two scorers: `Whole` runs all of the model on every
combination; `Branches` cuts a Keras graph where the inputs meet (for ParallelNet that is Eq. 1 of
the paper: behind N1_s, N2_s, N1_i and N2_i), so that n masked speech inputs and m masked images
take n + m passes through the branches, and only the heads run on the n x m combinations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

#: Probabilities are not taken to be smaller than this before their logarithm (`output="logit"`).
SMALLEST_PROBABILITY = 1e-7

#: Masked inputs per batch unless the caller says otherwise: 12 MB of images in float32.
BATCH_SIZE = 64

Array = NDArray[Any]
Values = NDArray[np.float64]
Members = NDArray[np.bool_]  # (n, leaves), True where a region is present
Callee = Callable[[dict[str, Array]], Any]


@dataclass(frozen=True)
class Side:
    """One input of the sample that is explained.

    Parameters
    ----------
    x, baseline
        (H, W, channels), (T, channels) or (F,): the input and what an absent region is replaced by.
    leaf
        (H, W), (T,) or (F,) int32, the number of the finest region that each place belongs to.
    """

    x: Array
    baseline: Array
    leaf: NDArray[np.int32]

    @property
    def leaves(self) -> int:
        """Return the number of finest regions."""
        return int(self.leaf.max()) + 1

    def live(self) -> int:
        """Return the bits of the regions whose masking changes anything.

        Padded silence and black borders already are the zero baseline: leaving their bits out of a
        coalition makes it equal to others that are computed anyway.
        """
        differs = (self.x != self.baseline).reshape(*self.leaf.shape, -1).any(axis=-1)
        return sum(1 << leaf for leaf in np.unique(self.leaf[differs]).tolist())


Sides = dict[str, Side]  # by modality


class Scorer(Protocol):
    """Run the model on every combination of masked inputs, in two steps."""

    def features(self, modality: str, members: Members) -> Any:
        """Return what can be computed of `members` (n, leaves) without the other inputs."""

    def score(self, features: list[Any]) -> Array:
        """Return (n, m, ..., classes) of the features of n and m and ... masked inputs.

        The features are in the order of the sides.
        """


class Progress(Protocol):
    """What is told of evaluations that were made, such as a bar of tqdm."""

    def update(self, n: int, /) -> object:
        """Count n more evaluations."""


@dataclass
class Whole:
    """Score combinations by evaluations of the whole model.

    Parameters
    ----------
    model
        Takes n inputs of each kind by name, such as {"speech": (n, H, W, 1), "image": (n, H, W,
        3)}, and returns (n, classes).
    sides
        The sample, by modality; the inputs keep its dtype.
    """

    model: Callee
    sides: Sides

    def features(self, modality: str, members: Members) -> Members:
        """Return the coalitions as they are: inputs are masked when they are combined."""
        return members

    def score(self, features: list[Members]) -> Array:
        """Return (n, m, ..., classes); see `Scorer`."""
        lengths = [len(members) for members in features]
        rows = np.indices(lengths).reshape(len(lengths), -1)  # (inputs, combinations)
        n = max(lengths)  # as many as a batch may have
        scores = []
        for batch in np.split(rows, rows.shape[1] // n, axis=1):
            # Arrays of its own for every call: a callable may work in place.
            inputs = {}
            for (m, side), members, row in zip(self.sides.items(), features, batch, strict=True):
                present = members[row][:, side.leaf]
                if side.x.ndim > side.leaf.ndim:
                    present = present[..., None]  # the same in all channels
                inputs[m] = np.where(present, side.x, side.baseline)
            found = np.asarray(self.model(inputs))
            if found.ndim != 2 or len(found) != n:
                raise ValueError(
                    f"the model returned an array of shape {found.shape} for {n} inputs; "
                    f"expected ({n}, classes)"
                )
            scores.append(found)
        return np.concatenate(scores).reshape(*lengths, -1)


@dataclass(frozen=True)
class Parts:
    """A Keras model cut where its modalities meet, each part compiled.

    Parameters
    ----------
    branches
        By modality: (members, leaf, x, baseline) -> list of features, (n, ...) each.
    heads
        (features of n inputs, features of m inputs, ...) -> (n, m, ..., classes), every
        combination.
    """

    branches: dict[str, Callable[..., Any]]
    heads: Callable[..., Any]


@dataclass
class Branches:
    """Score combinations by the branches of each masked input and the heads.

    The features of a whole and of an absent modality are computed once. Nothing else is kept, so
    that memory depends on the batch and not on the number of coalitions.
    """

    parts: Parts
    sides: Sides
    kept: dict[tuple[str, bytes], Any] = field(default_factory=dict, init=False)

    def features(self, modality: str, members: Members) -> Any:
        """Return a list of tensors (n, ...); see `Scorer`."""
        presence = members[:, :1]
        if (members != presence).any():
            return self._features(modality, members)
        key = modality, presence.tobytes()
        if key not in self.kept:
            self.kept[key] = self._features(modality, members)
        return self.kept[key]

    def score(self, features: list[Any]) -> Array:
        """Return (n, m, ..., classes); see `Scorer`."""
        return np.asarray(self.parts.heads(*features))

    def _features(self, modality: str, members: Members) -> Any:
        side = self.sides[modality]
        x = side.x.astype(np.float32)
        baseline = side.baseline.astype(np.float32)
        return self.parts.branches[modality](members, side.leaf, x, baseline)


@dataclass
class ValueFunction:
    """f of coalitions of regions, batched and remembered.

    Parameters
    ----------
    scorer
        How the model is run.
    sides
        The sample, by modality.
    contexts
        In which states of each other input (absent, whole) each coalition is scored.
    logarithm
        Whether scores are the logarithms of the model's outputs.
    batch_size
        Masked inputs per call of the scorer.
    progress
        Is told of every evaluation.

    Attributes
    ----------
    classes
        Those whose scores are remembered.
    n_evals
        Evaluations so far: combinations of masked inputs, each counted once.
    """

    scorer: Scorer
    sides: Sides
    contexts: tuple[bool, ...] = ()
    logarithm: bool = False
    batch_size: int = BATCH_SIZE
    progress: Progress | None = None
    known: dict[tuple[str, int], Values] = field(default_factory=dict, init=False)
    classes: list[int] = field(default_factory=list, init=False)
    n_evals: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Find the bits of the regions whose masking changes anything."""
        self.live = {m: side.live() for m, side in self.sides.items()}
        self.weights = np.ones(1)
        if len(self.contexts) > 1:
            self.weights = weigh_others(len(self.sides)).ravel()

    def remember(self, modality: str, masks: Sequence[int], scores: Values) -> None:
        """Take the scores of coalitions as known, (n, classes) in each state of other inputs."""
        axis = list(self.sides).index(modality)
        by_others = np.moveaxis(scores[..., self.classes], axis, 0)
        by_others = by_others.reshape(len(masks), -1, len(self.classes))
        means = np.einsum("nsc,s->nc", by_others, self.weights)
        for mask, row in zip(masks, means, strict=True):
            self.known[modality, mask & self.live[modality]] = row

    def missing(self, modality: str, masks: Iterable[int]) -> set[int]:
        """Return the distinct coalitions among `masks` that have not been scored."""
        live = self.live[modality]
        reduced = {mask & live for mask in masks}
        return {mask for mask in reduced if (modality, mask) not in self.known}

    def states(self, modality: str, states: Sequence[bool]) -> Members:
        """Return (n, leaves), a modality absent (False) or whole (True)."""
        return np.repeat(np.array(states)[:, None], self.sides[modality].leaves, axis=1)

    def __call__(self, modality: str, masks: Sequence[int]) -> Values:
        """Return the scores of coalitions of one modality.

        Parameters
        ----------
        modality
            The name of an input.
        masks
            n coalitions; bit i says that region i is present.

        Returns
        -------
        (n, classes kept) float64, the mean over the states of the others (`weigh_others`).
        """
        new = sorted(self.missing(modality, masks))
        members = {m: self.states(m, self.contexts) for m in self.sides}
        for start in range(0, len(new), self.batch_size):
            batch = new[start : start + self.batch_size]
            members[modality] = _unpack(batch, self.sides[modality].leaves)
            self.remember(modality, batch, self.score(members))
        live = self.live[modality]
        return np.stack([self.known[modality, mask & live] for mask in masks])

    def score(self, members: Mapping[str, Members]) -> Values:
        """Return the scores of every combination: all classes, and nothing is remembered.

        Parameters
        ----------
        members
            By modality, n coalitions of speech and m of the image, (n or m, leaves).

        Returns
        -------
        (n, m, classes) float64, an axis for each input; n + m passes through the branches, where
        the model has some.

        Raises
        ------
        ValueError
            When the model returns no scores, or one that is not finite.
        """
        size = self.batch_size
        batches = []
        for m, rows in members.items():
            parts = [rows[i : i + size] for i in range(0, len(rows), size)]
            batches.append([self.scorer.features(m, part) for part in parts])
        return self._combine_all([], batches)

    def _combine_all(self, chosen: list[Any], rest: list[list[Any]]) -> Values:
        """Score a batch that was chosen of each input with every batch of the others."""
        if not rest:
            return self._combine(chosen)
        blocks = [self._combine_all([*chosen, part], rest[1:]) for part in rest[0]]
        return np.concatenate(blocks, axis=len(chosen))

    def _combine(self, features: list[Any]) -> Values:
        scores = self.scorer.score(features).astype(np.float64)
        if not scores.shape[-1]:
            raise ValueError(
                "the model returned scores of 0 classes; expected (n, classes), one class at least"
            )
        if not np.isfinite(scores).all():
            raise ValueError(
                "the model returned values that are not finite (NaN or infinite) for masked "
                "inputs; expected finite scores for every coalition"
            )
        made = scores[..., 0].size
        self.n_evals += made
        if self.progress is not None:
            self.progress.update(made)
        return np.log(np.maximum(scores, SMALLEST_PROBABILITY)) if self.logarithm else scores


def weigh_others(inputs: int) -> Values:
    """Return how much each coalition of the other inputs counts in an input's Shapley value.

    Returns
    -------
    (2,) * (inputs - 1), at [second absent or present, third ..., ...]; they sum to 1.

    Examples
    --------
    >>> weigh_others(2).tolist(), weigh_others(3).round(2).tolist()
    ([0.5, 0.5], [[0.33, 0.17], [0.17, 0.33]])
    """
    present = np.indices([2] * (inputs - 1)).sum(axis=0)
    ways = np.array([comb(inputs - 1, k) for k in range(inputs)])
    return 1 / (inputs * ways[present])


def _unpack(masks: Sequence[int], leaves: int) -> Members:
    """Turn coalitions from the bits of an int into (n, leaves)."""
    width = (leaves + 7) // 8
    packed = b"".join(mask.to_bytes(width, "little") for mask in masks)
    rows = np.frombuffer(packed, np.uint8).reshape(len(masks), width)
    return np.unpackbits(rows, axis=1, bitorder="little", count=leaves).astype(bool)
