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

# Docutils marks a bibliography as a list whose items are not marked as such.
NOT_OURS = ("aria-required-children",)


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


def find_serious(page: Any) -> list[Any]:
    """What axe calls serious or critical on a page as it is."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    # `preload` would fetch style sheets again, which pages from disk may not.
    options = {"preload": False, "rules": {name: {"enabled": False} for name in NOT_OURS}}
    found = axe.Axe().run(page, options=options).response["violations"]
    return [
        (one["id"], node["target"], node["html"][:120])
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
