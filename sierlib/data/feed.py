"""What feeds the networks: batches read from shards, augmented where asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.data.shards import load_arrays

#: Arrays (n, 128, 128, channels) by modality.
Batch = dict[str, np.ndarray]

# How far augmentation goes. Speech may come 24 steps (1.2 s) later or 4 earlier, images may move by
# 8 pixels either way.
LATER, EARLIER = 24, 4
MARGIN = 8


def read_inputs(frame: pd.DataFrame, folder: Path) -> dict[str, np.ndarray]:
    """Return the network's inputs for a few rows, all of them in memory.

    Returns
    -------
    dict
        ``speech`` (n, 128, 128, 1) and ``image`` (n, 128, 128, 3), float32 in [0, 1]; without a
        modality that some row lacks.
    """
    return {
        name: load_arrays(list(frame[name]), folder).astype(np.float32) / 255
        for name in settings.MODALITIES
        if frame[name].notna().all()
    }


def one_hot(labels: Iterable[str]) -> np.ndarray:
    """Return float32 (n, 4), one column for each of `settings.CLASSES`."""
    codes = [settings.CLASSES.index(label) for label in labels]
    return np.eye(len(settings.CLASSES), dtype=np.float32)[codes]


class Feed(keras.utils.PyDataset):
    """Rows for Keras, whatever its backend, without holding them in memory.

    Chance depends on seed, epoch and number of a batch: the same seed gives the same batches.

    Parameters
    ----------
    frame, folder
        Manifest rows, and where their shards are.
    batch
        Rows in a batch. With a seed every batch is whole: the last one is filled with rows that
        the epoch began with, since some backends compile anew for every size.
    modalities
        Which of the inputs.
    targets
        float32 (n, classes); left out for prediction.
    augment
        Shift speech in time by up to 1.2 s and mirror and shift images: what does not change an
        emotion.
    absent
        Share of rows without speech, and of rows without image; half as many are without either,
        and their target is the classes' shares. With one input only these last.
    seed
        Of shuffling, augmentation and absence; None keeps the order.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        folder: Path,
        batch: int,
        *,
        modalities: Sequence[str] = settings.MODALITIES,
        targets: np.ndarray | None = None,
        augment: bool = False,
        absent: float = 0.0,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.references = {name: frame[name].to_numpy(object) for name in modalities}
        self.folder, self.targets = folder, targets
        self.count, self.batch = len(frame), batch
        self.augment, self.absent = augment, absent
        self.seed, self.epoch = seed, 0
        self._order = self._draw_order()

    def __len__(self) -> int:
        """Return the number of batches."""
        return math.ceil(self.count / self.batch)

    def __getitem__(self, index: int) -> Batch | tuple[Batch, np.ndarray]:
        """Return a batch: inputs float32 in [0, 1] by modality, with targets where given."""
        rows = self._order[index * self.batch : (index + 1) * self.batch]
        inputs = {
            name: load_arrays(list(references[rows]), self.folder).astype(np.float32) / 255
            for name, references in self.references.items()
        }
        chance = np.random.default_rng([self.seed or 0, self.epoch, index])
        if self.augment:
            inputs = {name: _AUGMENT[name](values, chance) for name, values in inputs.items()}
        if self.targets is None:
            return inputs
        chosen = self.targets[rows]
        if self.absent:
            shares = self.targets.mean(axis=0)
            inputs, chosen = _leave_out(inputs, chosen, shares, self.absent, chance)
        return inputs, chosen

    def on_epoch_end(self) -> None:
        """Shuffle anew."""
        self.begin_at(self.epoch + 1)

    def begin_at(self, epoch: int) -> None:
        """Give the batches of an epoch, from 0."""
        self.epoch = epoch
        self._order = self._draw_order()

    def _draw_order(self) -> np.ndarray:
        """Return row numbers, batch after batch."""
        if self.seed is None:
            return np.arange(self.count)
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        return np.resize(order, len(self) * self.batch)


def _leave_out(
    inputs: Batch,
    targets: np.ndarray,
    shares: np.ndarray,
    absent: float,
    chance: np.random.Generator,
) -> tuple[Batch, np.ndarray]:
    """Blank one modality or all of them in some rows; what shows nothing is any class by chance."""
    draw = chance.random(len(targets))
    # From 0 on: a stretch for the rows without each modality, then one for those without any.
    separate = len(inputs) if len(inputs) > 1 else 0
    start = absent * separate
    nothing = (start <= draw) & (draw < start + absent / 2)
    shown = {}
    for number, (name, values) in enumerate(inputs.items()):
        gone = nothing
        if separate:
            gone = gone | (absent * number <= draw) & (draw < absent * (number + 1))
        shown[name] = np.where(gone[:, None, None, None], np.float32(0), values)
    return shown, np.where(nothing[:, None], shares, targets)


def _shift_speech(speech: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Let each row's speech begin later or earlier; silence fills what gets empty."""
    shifted = np.zeros_like(speech)
    size = settings.SIZE
    for row, later in enumerate(chance.integers(-EARLIER, LATER, len(speech), endpoint=True)):
        start, stop = max(0, later), min(size, size + later)
        shifted[row, :, start:stop] = speech[row, :, start - later : stop - later]
    return shifted


def _move_images(images: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Mirror half of the images, and move all of a batch by the same few pixels."""
    flip = chance.random((len(images), 1, 1, 1)) < 0.5
    mirrored = np.where(flip, images[:, :, ::-1], images)
    around = [(0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)]
    padded = np.pad(mirrored, around, mode="reflect")
    top, left = chance.integers(0, 2 * MARGIN, 2, endpoint=True)
    return padded[:, top : top + settings.SIZE, left : left + settings.SIZE]


_AUGMENT = {"speech": _shift_speech, "image": _move_images}
