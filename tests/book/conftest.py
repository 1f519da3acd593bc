"""The whole book in profile smoke, executed and built once for all tests of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sierbook import notebooks, site
from sierlib.run import Run


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("book")


@pytest.fixture(scope="session")
def run(place: Path) -> Run:
    return Run.open("smoke", run_dir=place / "run")


@pytest.fixture(scope="session")
def index(run: Run, place: Path) -> Path:
    """Execute all notebooks, build the book, and return its first page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(notebooks.ROOT))
        return site.make_book(run, place)


@pytest.fixture(scope="session")
def pages(index: Path) -> dict[str, str]:
    return {
        str(path.relative_to(index.parent)): path.read_text(encoding="utf-8")
        for path in index.parent.rglob("*.html")
    }
