"""The whole book in profile smoke, executed and built once for all tests of it, and kept.

It lies below ``runs/``, so that editing a page or a test computes nothing again: what is out of
date by its key is computed anew, the rest is read.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
from pathlib import Path

import pytest

from sierbook import notebooks, site
from sierlib.run import Run


@pytest.fixture(autouse=True)
def _as_readers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two networks be trained at once, which is also part of what was recorded."""
    monkeypatch.delenv("SIER_WORKERS", raising=False)


@pytest.fixture(scope="session")
def place() -> Path:
    """The folder of the kept book; another Python or other libraries begin a new one."""
    folder = notebooks.ROOT / "runs" / "test-smoke"
    lock = (notebooks.ROOT / "requirements.lock").read_bytes()
    made_by = f"{platform.python_version()} {hashlib.sha256(lock).hexdigest()}"
    mark = folder / "made-by"
    if not (mark.is_file() and mark.read_text() == made_by):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        mark.write_text(made_by)
    return folder


@pytest.fixture(scope="session")
def run(place: Path) -> Run:
    return Run.open("smoke", run_dir=place / "run")


@pytest.fixture(scope="session")
def index(run: Run, place: Path) -> Path:
    """Execute the notebooks, build the book where it is out of date, and return its first page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SIER_WORKERS", raising=False)
        return site.make_book(run, place)


@pytest.fixture(scope="session")
def pages(index: Path) -> dict[str, str]:
    return {
        str(path.relative_to(index.parent)): path.read_text(encoding="utf-8")
        for path in index.parent.rglob("*.html")
    }
