"""What several test modules share: a tiny run of the whole pipeline, and small corpora in real
layouts."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
# Networks of a few steps: a second process that imports TensorFlow costs more than it gains.
os.environ.setdefault("SIER_WORKERS", "1")

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from PIL import Image
from xdist.scheduler.loadscope import LoadScopeScheduling

from sierlib import settings
from sierlib.run import Run

hypothesis.settings.register_profile("book", deadline=None)
hypothesis.settings.load_profile("book")

#: As small as a run can be whose teachers are sure of most pairs.
TINY = replace(
    settings.profile("smoke"),
    pairs=48,
    speech_items=80,
    image_items=80,
    width=1 / 64,
    batch=8,
    epochs=1,
    teacher_epochs=14,
    warmup=8,
    depth=2,
)

#: Labels of the corpus with labels: every class is common enough for ten parts.
LABELS = ["happy"] * 12 + ["sad"] * 10 + ["anger"] * 10 + ["hate"] * 10

_WHO = (
    "my uncle",
    "the teacher",
    "our driver",
    "her cousin",
    "the farmer",
    "a student",
    "the captain",
)
_WHAT = (
    "sold the car",
    "read a letter",
    "lost the keys",
    "closed the window",
    "saw a bird",
    "went home",
)
SENTENCES = [f"{who} {what}" for what in _WHAT for who in _WHO]


#: What takes a trained network, a browser, executed notebooks or Jupyter Book.
SLOW_FIXTURES = {"bands", "built_run", "labelled_run", "index", "browser", "template", "page"}


class _Places(LoadScopeScheduling):
    """Give a process a whole file of tests, or all that look at the built book."""

    def _split_scope(self, nodeid: str) -> str:
        return "book" if nodeid.startswith("tests/book/") else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Say which tests share a process, whose fixtures are made once."""
    return _Places(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what asks for a slow fixture, directly or through others."""
    for item in items:
        if SLOW_FIXTURES & {*getattr(item, "fixturenames", ())}:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def tiny_profile() -> settings.Profile:
    return TINY


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "tiny"


@pytest.fixture(scope="session")
def built_run(run_dir: Path) -> Run:
    """A run on the embedded corpus with its teachers and its manifest."""
    from sierlib.experiment.labels import build_dataset
    from sierlib.run import Run

    run = Run(TINY, "synthetic", "synthetic", "synthetic", 0, run_dir)
    build_dataset(run)
    return run


@pytest.fixture(scope="session")
def tiny_run(built_run: Run) -> Run:
    """The same with its three models trained."""
    from sierlib.experiment.train import train_all

    train_all(built_run, ["fused", "ser", "ier"])
    return built_run


@pytest.fixture(scope="session")
def cases(tiny_run: Run) -> list:
    """Two explained test rows."""
    from sierbook.cases import explain_rows
    from sierlib.experiment.manifest import read_manifest
    from sierlib.experiment.train import load_model

    manifest = read_manifest(tiny_run)
    rows = manifest[manifest["split"] == "test"].head(2)
    return explain_rows(tiny_run, load_model(tiny_run, "fused"), rows)


@pytest.fixture
def two_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A Dask cluster of two, each a process that is started again when it ends; $DASK names it."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address=None,
        silence_logs=50,
        local_directory=str(tmp_path / "dask"),
    ) as cluster:
        monkeypatch.setenv("DASK", cluster.scheduler_address)
        yield cluster


@pytest.fixture(scope="session")
def paint() -> Callable[..., Path]:
    """Write a smooth random photograph."""

    def write(path: Path, seed: int = 0, size: tuple[int, int] = (90, 60)) -> Path:
        small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(path)
        return path

    return write


@pytest.fixture(scope="session")
def pairs_csv(paint: Callable[..., Path]) -> Callable[..., Path]:
    """Write a CSV of pairs with labels, and after them further rows ``(id, image, text,
    label)``."""

    def write(folder: Path, *further: tuple[str, str, str, str], labelled: bool = True) -> Path:
        rows = []
        for number, (text, label) in enumerate(zip(SENTENCES, LABELS, strict=True)):
            paint(folder / f"{number}.png", seed=number)
            rows.append((f"good-{number}", f"{number}.png", text, label))
        lines = [",".join(row if labelled else row[:3]) for row in [*rows, *further]]
        path = folder / "pairs.csv"
        header = "id,image,text,label" if labelled else "id,image,text"
        path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def labelled_run(tmp_path_factory: pytest.TempPathFactory, pairs_csv: Callable[..., Path]) -> Run:
    """A run on pairs that bring their labels: no teacher is asked."""
    from sierlib.experiment.labels import build_dataset
    from sierlib.run import Run

    folder = tmp_path_factory.mktemp("labelled")
    run = Run(
        TINY, f"pairs:{pairs_csv(folder / 'corpus')}", "synthetic", "synthetic", 0, folder / "run"
    )
    build_dataset(run)
    return run


@pytest.fixture(autouse=True)
def _no_figures_left() -> Iterator[None]:
    yield
    import sys

    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
