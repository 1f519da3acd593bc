"""Score coalitions of regions: the value function behind `sierlib.shapley.explain`.

A coalition says which regions of the spectrogram and of the image are present; the others are at
the baseline. `ValueFunction` scores many of them in batches, equal masked inputs once. How the
model is run is the business of one of two scorers: `Whole` runs all of the model on every
coalition; `Branches` cuts a Keras graph where the modalities meet (for ParallelNet that is Eq. 1 of
the paper: behind N1_s, N2_s, N1_i and N2_i), so that a masked speech input never recomputes the
image branches, nor the other way round, and only the heads run on combinations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sierlib import settings

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
    """One modality of the sample that is explained.

    Parameters
    ----------
    x, baseline
        (H, W, channels), the input and what an absent region is replaced by.
    leaf
        (H, W) int32, the number of the finest region each pixel belongs to.
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
        changed = np.unique(self.leaf[(self.x != self.baseline).any(axis=-1)])
        return sum(1 << int(leaf) for leaf in changed)


Sides = dict[str, Side]  # by modality


class Scorer(Protocol):
    """Run the model on coalitions of one modality, the other one being whole or absent."""

    def __call__(self, modality: str, members: Members, contexts: Sequence[bool]) -> Array:
        """Return (n, contexts, classes) for `members` (n, leaves)."""


class Progress(Protocol):
    """What is told of evaluations that were made, such as a bar of tqdm."""

    def update(self, n: int, /) -> object:
        """Count n more evaluations."""


@dataclass
class Whole:
    """Score coalitions by evaluations of the whole model.

    Parameters
    ----------
    model
        Takes {"speech": (n, H, W, 1), "image": (n, H, W, 3)}, returns (n, classes).
    sides
        The sample, by modality; the inputs keep its dtype.
    """

    model: Callee
    sides: Sides

    def __call__(self, modality: str, members: Members, contexts: Sequence[bool]) -> Array:
        """Return (n, contexts, classes); see `Scorer`."""
        n = len(members)
        side = self.sides[modality]
        other = settings.OTHER[modality]
        companion = self.sides[other]
        present = members[:, side.leaf][..., None]  # (n, H, W, 1)
        scores = []
        for whole in contexts:
            # Arrays of its own for every call: a callable may work in place.
            masked = np.where(present, side.x, side.baseline)
            constant = companion.x if whole else companion.baseline
            kept = np.repeat(constant[None], n, axis=0)
            rows = np.asarray(self.model({modality: masked, other: kept}))
            if rows.ndim != 2 or len(rows) != n:
                raise ValueError(
                    f"the model returned an array of shape {rows.shape} for {n} inputs; "
                    f"expected ({n}, classes)"
                )
            scores.append(rows)
        return np.stack(scores, axis=1)


@dataclass(frozen=True)
class Parts:
    """A Keras model cut where its modalities meet, each part compiled.

    Parameters
    ----------
    branches
        By modality: (members, leaf, x, baseline) -> list of features, (n, ...) each.
    heads
        (speech features of n inputs, image features of k inputs) -> (n, k, classes), every
        combination.
    """

    branches: dict[str, Callable[..., Any]]
    heads: Callable[..., Any]


@dataclass
class Branches:
    """Score coalitions by the branch of the masked modality and the heads.

    The features of the other modality are computed twice in all: whole and absent. Nothing else is
    kept, so that memory depends on the batch and not on the number of coalitions.
    """

    parts: Parts
    sides: Sides
    kept: dict[tuple[str, bool], Any] = field(default_factory=dict, init=False)

    def __call__(self, modality: str, members: Members, contexts: Sequence[bool]) -> Array:
        """Return (n, contexts, classes); see `Scorer`."""
        other = settings.OTHER[modality]
        features = self._features(modality, members)
        # Keep the features of the whole and of the absent modality that pass by.
        for present in (False, True):
            for row in np.flatnonzero((members == present).all(axis=1)):
                self.kept[modality, present] = [tensor[row : row + 1] for tensor in features]
        states = [self._whole_or_absent(other, present) for present in contexts]
        constant = [np.concatenate(tensors) for tensors in zip(*states, strict=True)]
        # The heads score every combination of speech and image.
        if modality == "speech":
            return np.asarray(self.parts.heads(features, constant))
        return np.asarray(self.parts.heads(constant, features)).swapaxes(0, 1)

    def _features(self, modality: str, members: Members) -> Any:
        side = self.sides[modality]
        x = side.x.astype(np.float32)
        baseline = side.baseline.astype(np.float32)
        return self.parts.branches[modality](members, side.leaf, x, baseline)

    def _whole_or_absent(self, modality: str, present: bool) -> Any:
        if (modality, present) not in self.kept:
            members = np.full((1, self.sides[modality].leaves), present)
            self.kept[modality, present] = self._features(modality, members)
        return self.kept[modality, present]


class ValueFunction:
    """f of coalitions of regions, batched and remembered.

    Parameters
    ----------
    scorer
        How the model is run.
    sides
        The sample, by modality.
    contexts
        In which states of the other modality (absent, whole) each coalition is scored.
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
        Evaluations so far: pairs of a masked speech and a masked image, each counted once.
    """

    def __init__(
        self,
        scorer: Scorer,
        sides: Sides,
        contexts: tuple[bool, ...],
        *,
        logarithm: bool = False,
        batch_size: int = BATCH_SIZE,
        progress: Progress | None = None,
    ) -> None:
        self.scorer = scorer
        self.sides = sides
        self.contexts = contexts
        self.logarithm = logarithm
        self.batch_size = batch_size
        self.progress = progress
        self.live = {modality: side.live() for modality, side in sides.items()}
        self.known: dict[tuple[str, int], Values] = {}
        self.classes: list[int] = []
        self.n_evals = 0

    def remember(self, modality: str, mask: int, scores: Values) -> None:
        """Take the scores (contexts, classes) of a coalition as known."""
        score = scores.mean(axis=0)[self.classes]
        self.known[modality, mask & self.live[modality]] = score

    def missing(self, modality: str, masks: Iterable[int]) -> set[int]:
        """Return the distinct coalitions among `masks` that have not been scored."""
        live = self.live[modality]
        reduced = {mask & live for mask in masks}
        return {mask for mask in reduced if (modality, mask) not in self.known}

    def __call__(self, modality: str, masks: Sequence[int]) -> Values:
        """Return the scores of coalitions of one modality.

        Parameters
        ----------
        modality
            "speech" or "image".
        masks
            n coalitions; bit i says that region i is present.

        Returns
        -------
        (n, classes kept) float64, the mean over the states of the other modality.
        """
        new = sorted(self.missing(modality, masks))
        for start in range(0, len(new), self.batch_size):
            batch = new[start : start + self.batch_size]
            scores = self.score(modality, batch, self.contexts)
            for mask, row in zip(batch, scores, strict=True):
                self.remember(modality, mask, row)
        live = self.live[modality]
        return np.stack([self.known[modality, mask & live] for mask in masks])

    def score(self, modality: str, masks: Sequence[int], contexts: Sequence[bool]) -> Values:
        """Return (n, contexts, classes) from the model: all classes, and nothing is remembered.

        Raises
        ------
        ValueError
            When the model returns no scores, or one that is not finite.
        """
        members = _unpack(masks, self.sides[modality].leaves)
        scores = self.scorer(modality, members, contexts).astype(np.float64)
        if not scores.shape[-1]:
            raise ValueError(
                "the model returned scores of 0 classes; expected (n, classes), one class at least"
            )
        if not np.isfinite(scores).all():
            raise ValueError(
                f"the model returned values that are not finite (NaN or infinite) for {modality} "
                "masks; expected finite scores for every coalition"
            )
        made = len(masks) * len(contexts)
        self.n_evals += made
        if self.progress is not None:
            self.progress.update(made)
        return np.log(np.maximum(scores, SMALLEST_PROBABILITY)) if self.logarithm else scores


def _unpack(masks: Sequence[int], leaves: int) -> Members:
    """Turn coalitions from the bits of an int into (n, leaves)."""
    width = (leaves + 7) // 8
    packed = b"".join(mask.to_bytes(width, "little") for mask in masks)
    rows = np.frombuffer(packed, np.uint8).reshape(len(masks), width)
    return np.unpackbits(rows, axis=1, bitorder="little", count=leaves).astype(bool)
