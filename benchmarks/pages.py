"""Time the first paint of a built book's pages, opened from disk in Chromium.

Usage: `python benchmarks/pages.py [_build/html]`, for a book that `make book` has built.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from sierbook import site

#: When the browser first painted something of a page, in milliseconds.
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def main(folder: Path, times: int = 5) -> None:
    """Print the median time of each page's first paint, and that of all pages."""
    pages = [*sorted(folder.glob("book/*.html")), *sorted(folder.glob("notebooks/*.html"))]
    if not pages:
        sys.exit(f"{folder} holds no built book: run `make book`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=site.find_chromium())
        medians = []
        for path in pages:
            paints = []
            for _ in range(times):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(path.resolve().as_uri(), wait_until="load")
                page.wait_for_timeout(200)
                paints.append(page.evaluate(PAINT))
                page.close()
            medians.append(statistics.median(paints))
            print(f"{path.relative_to(folder)}: {medians[-1]:.0f} ms")
        print(f"all pages: {statistics.median(medians):.0f} ms")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "_build/html"))
