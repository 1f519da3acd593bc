"""What differs between Keras' backends: devices, threads."""

from __future__ import annotations

import os

import keras


def find_gpus() -> list[str]:
    """Return the names of the GPUs that the backend sees."""
    if keras.backend.backend() == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return [detail.get("device_name", "GPU") for detail in details]


def limit_threads(threads: int) -> None:
    """Let the backend compute in so many threads; before it has computed anything."""
    if keras.backend.backend() == "jax":
        os.environ["NPROC"] = str(threads)  # read when a device is first asked for
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
