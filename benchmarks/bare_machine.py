"""A GPU machine on which no book is installed: the checkout is used as it is, and time is short.

Needed are JAX, Keras and Keras Hub, librosa and hibari-tts with what they bring, pandas, Pillow,
emoji, ftfy and wordninja; neither TensorFlow nor anything of Jupyter.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

STARTED = time.monotonic()  # whoever counts seconds imports this first
PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = [str(PROJECT), str(PROJECT / "book")]
#: Read by JAX and by the processes that are started: each compiled network is kept.
ENVIRONMENT = {
    "KERAS_BACKEND": "jax",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "JAX_COMPILATION_CACHE_DIR": str(PROJECT / "runs" / "jax"),
}
#: Networks that share a GPU, which helps only where CUDA's MPS runs: nvidia-cuda-mps-control -d
WORKERS = "12"


def prepare() -> None:
    """Let this process and those that it starts find both packages, and compute by JAX."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    sys.path[:0] = PACKAGES
    paths = [*PACKAGES, os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


def stop_after(seconds: float, finish: Callable[[], None]) -> None:
    """Call a function so many seconds after the process began, and end it; never for 0.

    In a thread of its own: a signal would wait until a network is compiled. What is half trained is
    not waited for, and processes that were started end with this one.
    """

    def stop() -> None:
        code = 0
        try:
            finish()
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        os._exit(code)

    if seconds:
        gone = time.monotonic() - STARTED
        timer = threading.Timer(max(1, seconds - gone), stop)
        timer.daemon = True
        timer.start()
