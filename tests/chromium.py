"""The browser of the tests: Debian's chromium, or a Chrome; without one, tests that need it are
skipped and say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sierbook import site

FLAGS = (
    *(
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
    ),
    *("--disable-sync", "--no-first-run"),
)


@contextmanager
def started(*flags: str) -> Iterator[Any]:
    """Start it headless, with these flags besides the usual ones."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = site.find_chromium()
    if path is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        yield browser
        browser.close()
