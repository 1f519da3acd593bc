"""The method stands alone: without the book, its notebooks, its pages and its figures."""

from __future__ import annotations

import os
import subprocess
import sys

#: Runs in a process of its own, because the tests have imported the book.
SCRIPT = """
import importlib
import pkgutil
import sys
from dataclasses import replace

import numpy as np

import sierlib
from sierlib import settings
from sierlib.networks import parallel_net
from sierlib.shapley import explain

rng = np.random.default_rng(0)
speech, image = (rng.random((128, 128, channels), np.float32) for channels in (1, 3))

def loudness(x):
    return x["speech"].mean(axis=(1, 2)) + x["image"].mean(axis=(1, 2))

network = parallel_net(replace(settings.profile("smoke"), width=1 / 64))
for model in (loudness, network):
    explanation = explain(model, speech, image, depth=1)
    assert abs(sum(explanation.gaps)) < 1e-9
for module in pkgutil.walk_packages(sierlib.__path__, "sierlib."):
    importlib.import_module(module.name)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_the_method_imports_and_explains_without_the_book() -> None:
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    imported = set(found.stdout.split())
    assert {"sierlib", "keras", "numpy"} <= imported
    books = {"papermill", "jupyter_book", "seaborn", "sphinx", "sierbook"}
    assert imported & books == set()
