"""What is measured while a network is trained (Section 4.2)."""

from __future__ import annotations

from typing import Any

import keras


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
        guessed = keras.ops.one_hot(keras.ops.argmax(y_pred, axis=-1), self.classes)
        self.table.assign_add(
            keras.ops.matmul(keras.ops.transpose(keras.ops.cast(y_true, "float32")), guessed)
        )

    def result(self) -> Any:
        """Return the agreement beyond chance, as a share of what chance leaves."""
        shares = self.table / keras.ops.maximum(keras.ops.sum(self.table), 1.0)
        agreed = keras.ops.sum(keras.ops.diagonal(shares))
        chance = keras.ops.sum(keras.ops.sum(shares, axis=0) * keras.ops.sum(shares, axis=1))
        return (agreed - chance) / keras.ops.maximum(1.0 - chance, keras.backend.epsilon())

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds it."""
        return {"name": self.name, "classes": self.classes}
