"""What is measured while a network is trained (Section 4.2)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("sierlib")
class Kappa(keras.metrics.Metric):
    """Cohen's kappa over all that an epoch has seen (Section 4.2).

    Parameters
    ----------
    classes
        How many there are.
    """

    def __init__(self, classes: int, name: str = "kappa", **options: Any) -> None:
        super().__init__(name=name, dtype="float32")
        self.classes = classes
        self.table = self.add_weight(shape=(classes, classes), initializer="zeros", name="table")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count labels (rows) against predictions (columns); both (n, classes)."""
        guesses = ops.one_hot(ops.argmax(y_pred, axis=-1), self.classes)
        labels = ops.cast(y_true, "float32")
        counts = ops.matmul(ops.transpose(labels), guesses)  # (classes, classes)
        self.table.assign_add(counts)

    def result(self) -> Any:
        """Return the agreement beyond chance, as a share of what chance leaves."""
        shares = self.table / ops.maximum(ops.sum(self.table), 1.0)
        agreed = ops.sum(ops.diagonal(shares))
        by_label, by_guess = ops.sum(shares, axis=1), ops.sum(shares, axis=0)
        chance = ops.sum(by_guess * by_label)
        return (agreed - chance) / ops.maximum(1.0 - chance, keras.backend.epsilon())

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds it."""
        return {"name": self.name, "classes": self.classes}
