"""A training that was killed goes on from the last epoch that was kept, as if nothing had
happened."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from sierlib.files import replacing

#: Seconds between two epochs that are kept: what a kill may cost, beside the epoch under way.
PAUSE = 15.0

#: What Keras' callbacks know from one epoch to the next; the best weights are kept beside.
_KNOWN = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter")


class Unfinished(keras.callbacks.Callback):
    """Write after epochs, `PAUSE` apart, what a training needs to go on; read it where it is there.

    Weights, the optimiser's moments and rate, chance inside layers, the history, and how long the
    other callbacks have waited. It comes after those in the list of callbacks, so that what
    an epoch did to them is seen, and what the beginning of training makes them forget is told anew.

    Parameters
    ----------
    model
        Compiled, with its optimiser built.
    watched
        The callbacks before it.
    path
        Where it is written, ``.npz``; None to write nothing.
    """

    def __init__(
        self, model: keras.Model, watched: Sequence[keras.callbacks.Callback], path: Path | None
    ) -> None:
        super().__init__()
        self.set_model(model)
        self.watched, self.path = watched, path
        self.history: dict[str, list[float]] = {}
        self.finished = False
        self._told: list[dict[str, Any]] = []
        self._best: list[np.ndarray] = []
        self._seconds, self._since = 0.0, time.perf_counter()
        self._written = self._since
        if path is not None and path.is_file():
            self._read(path)

    @property
    def epochs(self) -> int:
        """Return how many epochs are done."""
        return len(self.history.get("loss", ()))

    @property
    def seconds(self) -> float:
        """Return how long it has taken, in all processes together."""
        return self._seconds + time.perf_counter() - self._since

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Tell the callbacks what they knew."""
        for callback, known in zip(self.watched, self._told, strict=False):
            vars(callback).update(known)
        self._stopping().best_weights = self._best or None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep an epoch."""
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        if self.path is not None and time.perf_counter() - self._written >= PAUSE:
            last = self.model.stop_training or self.epochs == self.params["epochs"]
            self._write(self.path, bool(last))
            self._written = time.perf_counter()

    def restore_best(self) -> None:
        """Give a model whose training had ended the weights of its best epoch."""
        if self._best:
            self.model.set_weights(self._best)

    def _stopping(self) -> Any:
        return next(
            each for each in self.watched if isinstance(each, keras.callbacks.EarlyStopping)
        )

    def _variables(self) -> list[Any]:
        """List what training changes."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def _write(self, path: Path, last: bool) -> None:
        about = {
            "history": self.history,
            "known": [_ask(each) for each in self.watched],
            "finished": last,
            "seconds": self.seconds,
        }
        arrays: dict[str, Any] = {
            f"now{i}": np.asarray(each) for i, each in enumerate(self._variables())
        }
        best = self._stopping().best_weights or []
        arrays |= {f"best{i}": each for i, each in enumerate(best)}
        with replacing(path) as partial:
            np.savez(partial, about=np.array(json.dumps(about)), **arrays)

    def _read(self, path: Path) -> None:
        """Read what another process has left; what cannot be read, or is of another network, is
        begun anew."""
        variables = self._variables()
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as kept:
                about = json.loads(str(kept["about"]))
                now = [kept[f"now{i}"] for i in range(len(variables))]
                best = [kept[name] for name in kept.files if name.startswith("best")]
        except (EOFError, OSError, TypeError, ValueError, KeyError, zipfile.BadZipFile):
            return
        if any(
            array.shape != variable.shape for array, variable in zip(now, variables, strict=True)
        ):
            return
        for variable, array in zip(variables, now, strict=True):
            variable.assign(array)
        self.history, self.finished = about["history"], about["finished"]
        self._told, self._best, self._seconds = about["known"], best, about["seconds"]


def _ask(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Return what a callback knows, of `_KNOWN`."""
    return {name: vars(callback)[name] for name in _KNOWN if name in vars(callback)}
