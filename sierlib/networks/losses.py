"""The training loss of Section 4.2: categorical focal loss and cross-entropy, 1 and 0.5."""

from __future__ import annotations

import keras

from sierlib import settings


@keras.saving.register_keras_serializable("sierlib")
class FocalCrossEntropy(keras.losses.Loss):
    """Weighted sum of categorical focal loss [31] and categorical cross-entropy.

    Parameters
    ----------
    focal, cross_entropy
        Weights of the two (Section 4.2: 1 and 0.5).
    alpha, gamma
        Of the focal loss; the paper does not state them, Lin et al. (2017) use 0.25 and 2.
    """

    def __init__(
        self,
        focal: float = settings.FOCAL_WEIGHT,
        cross_entropy: float = settings.CROSS_ENTROPY_WEIGHT,
        alpha: float = 0.25,
        gamma: float = 2.0,
        name: str = "focal_cross_entropy",
        **kwargs: str,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.weights = {
            "focal": focal,
            "cross_entropy": cross_entropy,
            "alpha": alpha,
            "gamma": gamma,
        }

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each row, (n,), from one-hot labels and probabilities (n, classes)."""
        weights = self.weights
        focal = keras.losses.categorical_focal_crossentropy(
            y_true, y_pred, alpha=weights["alpha"], gamma=weights["gamma"]
        )
        cross_entropy = keras.losses.categorical_crossentropy(y_true, y_pred)
        return weights["focal"] * focal + weights["cross_entropy"] * cross_entropy

    def get_config(self) -> dict:
        """Return what rebuilds the loss."""
        return {**super().get_config(), **self.weights}
