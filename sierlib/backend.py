"""What differs between Keras' backends: devices, threads, and how a function is compiled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np


def find_gpus() -> list[str]:
    """Return the names of the GPUs that the backend sees."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return [detail.get("device_name", "GPU") for detail in details]


@contextmanager
def spread() -> Iterator[int]:
    """Let a network that is built and compiled here learn on all GPUs at once, each from its share
    of every batch, and yield how many there are.

    With one, or none, nothing changes. Of Keras' backends TensorFlow alone does so.

    Raises
    ------
    RuntimeError
        With several GPUs under another backend.
    """
    import keras

    devices = list_devices()
    if len(devices) < 2:
        yield 1
        return
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"{len(devices)} GPUs are there, and only TensorFlow spreads a network over several: "
            "set KERAS_BACKEND=tensorflow, or show one of them (CUDA_VISIBLE_DEVICES=0)"
        )
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(devices).scope():
        yield len(devices)


def list_devices() -> list[str]:
    """Return what the backend calls the GPUs that it computes on."""
    return [f"GPU:{number}" for number in range(len(find_gpus()))]


def limit_threads(threads: int) -> None:
    """Let the backend compute in so many threads; before it has computed anything."""
    import keras

    if keras.backend.backend() == "jax":
        os.environ["NPROC"] = str(threads)  # read when a device is first asked for
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def compile_batches(
    function: Callable[..., Any], specs: Sequence[Any], variables: Sequence[Any]
) -> Callable[..., Any]:
    """Compile a function of `keras.ops` once, for batches of any length.

    Parameters
    ----------
    function
        Of tensors, or lists of tensors. Each axis of what it returns, from the first on, belongs to
        a batch among its arguments, in their order.
    specs
        A `keras.KerasTensor`, or a list of them, for each argument; of a batch the first axis is
        None.
    variables
        The weights it uses; they may change between calls.
    """
    import keras

    if keras.backend.backend() == "jax":
        return _compile_for_jax(function, specs, variables)
    import tensorflow as tf

    signature = keras.tree.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), list(specs))
    return tf.function(function, input_signature=signature)


def _compile_for_jax(
    function: Callable[..., Any], specs: Sequence[Any], variables: Sequence[Any]
) -> Callable[..., Any]:
    """Compile for JAX, which compiles anew for every shape: batches are filled to powers of 2."""
    import jax
    import keras

    @jax.jit
    def pure(values: list[Any], *arguments: Any) -> Any:
        state = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=state):
            return function(*arguments)

    def call(*arguments: Any) -> Any:
        filled, lengths = [], []
        for argument, spec in zip(arguments, specs, strict=True):
            if keras.tree.flatten(spec)[0].shape[0] is None:
                lengths.append(len(keras.tree.flatten(argument)[0]))
                argument = keras.tree.map_structure(_fill, argument)
            filled.append(argument)
        returned = pure([variable.value for variable in variables], *filled)
        whole = tuple(slice(length) for length in lengths)
        return keras.tree.map_structure(lambda tensor: np.asarray(tensor)[whole], returned)

    return call


def _fill(batch: Any) -> np.ndarray:
    """Repeat the last row until there are 2, 4, 8 ... rows."""
    rows = np.asarray(batch)
    missing = (1 << (len(rows) - 1).bit_length()) - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)])
