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
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from sierlib import settings

#: Probabilities are not taken to be smaller than this before their logarithm (`output="logit"`).
SMALLEST_PROBABILITY = 1e-7

#: Masked inputs per batch unless the caller says otherwise: 12 MB of images in float32.
BATCH_SIZE = 64

Array = NDArray[Any]
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


class Scorer(Protocol):
    """Run the model on coalitions of one modality, the other one being whole or absent."""

    def __call__(
        self, modality: str, members: NDArray[np.bool_], contexts: Sequence[bool]
    ) -> Array:
        """Return (n, contexts, classes) for `members` (n, leaves), True where a region is
        present."""


class Whole:
    """Score coalitions by evaluations of the whole model.

    Parameters
    ----------
    model
        Takes {"speech": (n, H, W, 1), "image": (n, H, W, 3)}, returns (n, classes).
    sides
        The sample, by modality; the inputs keep its dtype.
    """

    def __init__(self, model: Callee, sides: dict[str, Side]) -> None:
        self.model, self.sides = model, sides

    def __call__(
        self, modality: str, members: NDArray[np.bool_], contexts: Sequence[bool]
    ) -> Array:
        """Return (n, contexts, classes); see `Scorer`."""
        side, other = self.sides[modality], self.sides[settings.OTHER[modality]]
        scores = []
        for present in contexts:
            masked = np.where(members[:, side.leaf][..., None], side.x, side.baseline)
            kept = np.repeat((other.x if present else other.baseline)[None], len(members), axis=0)
            rows = np.asarray(self.model({modality: masked, settings.OTHER[modality]: kept}))
            if rows.ndim != 2 or len(rows) != len(members):
                raise ValueError(
                    f"the model returned an array of shape {rows.shape} for {len(members)} inputs; "
                    f"expected ({len(members)}, classes)"
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


class Branches:
    """Score coalitions by the branch of the masked modality and the heads.

    The features of the other modality are computed twice in all: whole and absent. Nothing else is
    kept, so that memory depends on the batch and not on the number of coalitions.
    """

    def __init__(self, parts: Parts, sides: dict[str, Side]) -> None:
        self.parts, self.sides = parts, sides
        self.kept: dict[tuple[str, bool], Any] = {}

    def __call__(
        self, modality: str, members: NDArray[np.bool_], contexts: Sequence[bool]
    ) -> Array:
        """Return (n, contexts, classes); see `Scorer`."""
        features = {modality: self._features(modality, members)}
        for present in (False, True):
            for row in np.flatnonzero((members == present).all(axis=1)):
                self.kept[modality, present] = [t[row : row + 1] for t in features[modality]]
        states = [self._whole_or_absent(settings.OTHER[modality], present) for present in contexts]
        features[settings.OTHER[modality]] = [
            np.concatenate(tensors) for tensors in zip(*states, strict=True)
        ]
        scores = np.asarray(self.parts.heads(features["speech"], features["image"]))
        return scores if modality == "speech" else scores.swapaxes(0, 1)

    def _features(self, modality: str, members: NDArray[np.bool_]) -> Any:
        side = self.sides[modality]
        return self.parts.branches[modality](
            members, side.leaf, side.x.astype(np.float32), side.baseline.astype(np.float32)
        )

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
        In which states of the other modality (absent, whole) each coalition is scored, by modality.
    logarithm
        Whether scores are the logarithms of the model's outputs.
    batch_size
        Masked inputs per call of the scorer.
    bar
        Is told of every evaluation.

    Attributes
    ----------
    classes
        Which scores are kept.
    n_evals
        Evaluations so far: pairs of a masked speech and a masked image, each counted once.
    """

    def __init__(
        self,
        scorer: Scorer,
        sides: dict[str, Side],
        contexts: dict[str, tuple[bool, ...]],
        *,
        logarithm: bool = False,
        batch_size: int = BATCH_SIZE,
        bar: tqdm[Any] | None = None,
    ) -> None:
        self.scorer, self.sides, self.contexts = scorer, sides, contexts
        self.logarithm, self.batch_size, self.bar = logarithm, batch_size, bar
        self.live = {modality: side.live() for modality, side in sides.items()}
        self.known: dict[tuple[str, int], NDArray[np.float64]] = {}
        self.classes: list[int] | slice = slice(None)
        self.n_evals = 0

    def remember(self, modality: str, mask: int, scores: NDArray[np.float64]) -> None:
        """Take the scores (contexts, classes) of a coalition as known."""
        self.known[modality, mask & self.live[modality]] = scores.mean(axis=0)[self.classes]

    def missing(self, modality: str, masks: Iterable[int]) -> set[int]:
        """Return the distinct coalitions among `masks` that have not been scored."""
        reduced = {mask & self.live[modality] for mask in masks}
        return {mask for mask in reduced if (modality, mask) not in self.known}

    def __call__(self, modality: str, masks: Sequence[int]) -> NDArray[np.float64]:
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
            for mask, scores in zip(
                batch, self.score(modality, batch, self.contexts[modality]), strict=True
            ):
                self.remember(modality, mask, scores)
        return np.stack([self.known[modality, mask & self.live[modality]] for mask in masks])

    def score(
        self, modality: str, masks: Sequence[int], contexts: Sequence[bool]
    ) -> NDArray[np.float64]:
        """Return (n, contexts, classes) from the model, of all classes and without remembering
        them.

        Raises
        ------
        ValueError
            When the model returns no scores, or one that is not finite.
        """
        leaves = self.sides[modality].leaves
        packed = b"".join(mask.to_bytes((leaves + 7) // 8, "little") for mask in masks)
        bits = np.unpackbits(
            np.frombuffer(packed, np.uint8).reshape(len(masks), -1), axis=1, bitorder="little"
        )
        scores = self.scorer(modality, bits[:, :leaves].astype(bool), contexts).astype(np.float64)
        if not scores.shape[-1]:
            raise ValueError(
                "the model returned scores of 0 classes; expected (n, classes), one class at least"
            )
        if not np.isfinite(scores).all():
            raise ValueError(
                f"the model returned values that are not finite (NaN or infinite) for {modality} "
                "masks; "
                "expected finite scores for every coalition"
            )
        self.n_evals += scores.shape[0] * scores.shape[1]
        if self.bar is not None:
            self.bar.update(scores.shape[0] * scores.shape[1])
        return np.log(np.maximum(scores, SMALLEST_PROBABILITY)) if self.logarithm else scores
