"""The built smoke book as a reader has it: opened from disk in a real browser, with no network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sierlib import pipeline

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no chromium: pages are not tested in a browser", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

# The theme's own, on pages opened from disk; nothing is broken by them.
KNOWN = ("THEBE_JS_URL", "Got invalid theme mode", "reading 'Queue'")
# Docutils marks a bibliography as a list whose items are not marked as such.
NOT_OURS = ("aria-required-children",)
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
PAGES = [
    "book/index", "book/paper", "book/claims", "book/decisions", "book/data-card", "book/model-card", "book/reproduce",
    "book/environment", "book/glossary", "book/bibliography", *(f"notebooks/{name}" for name in (
        "01-dataset", "02-training", "03-ablation", "04-results", "05-interpretability", "06-explorer", "07-trust",
    )),
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    context = browser.new_context(color_scheme=request.param, viewport=SIZES["desktop"])
    page = context.new_page()
    page.asked, page.complaints = [], []

    def answer(route: Any) -> None:
        if route.request.url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            page.asked.append(route.request.url)
            route.abort()

    page.route("**/*", answer)
    page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_from_disk_asks_nobody_and_is_accessible(name: str, page: Any, index: Path) -> None:
    page.goto((index.parent / f"{name}.html").as_uri(), wait_until="load")
    page.wait_for_timeout(300)
    assert page.locator("article h1").first.is_visible()
    twice = "all => all.map(one => one.id).filter((id, at, ids) => ids.indexOf(id) !== at)"
    assert page.eval_on_selector_all("article [id]", twice) == []
    assert page.asked == []
    assert [text for text in page.complaints if not any(known in text for known in KNOWN)] == []
    # `preload` would fetch style sheets again, which pages from disk may not.
    options = {"preload": False, "rules": {name: {"enabled": False} for name in NOT_OURS}}
    found = axe.Axe().run(page, options=options).response["violations"]
    serious = [
        (one["id"], node["target"], node["html"][:120])
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
    assert serious == []


def test_every_picture_says_what_it_shows(page: Any, index: Path) -> None:
    for name in PAGES:
        if name == "notebooks/06-explorer":  # thumbnails on labelled buttons; the explorer has tests of its own
            continue
        page.goto((index.parent / f"{name}.html").as_uri())
        pictures = page.eval_on_selector_all("article img", "all => all.map(one => [one.src.slice(-60), one.alt])")
        poor = [source for source, alt in pictures if len(alt) < 20 or re.match(r"\.\.|_images|.*\.png", alt)]
        assert poor == [], name


def test_no_page_is_wider_than_a_phone(browser: Any, index: Path) -> None:
    context = browser.new_context(viewport=SIZES["phone"])
    page = context.new_page()
    wide = {}
    for name in PAGES:
        page.goto((index.parent / f"{name}.html").as_uri())
        width = page.evaluate("document.scrollingElement.scrollWidth")
        if width > SIZES["phone"]["width"] + 1:
            wide[name] = width
    context.close()
    assert wide == {}


@pytest.mark.parametrize("size", list(SIZES))
def test_pages_can_be_looked_at(size: str, page: Any, index: Path) -> None:
    """Screenshots for eyes, beside the built book; here only that there is something on them."""
    page.set_viewport_size(SIZES[size])
    scheme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    folder = index.parents[2] / "screenshots"
    folder.mkdir(exist_ok=True)
    for name in ("book/index", "notebooks/03-ablation", "notebooks/06-explorer", "book/claims"):
        page.goto((index.parent / f"{name}.html").as_uri())
        page.wait_for_timeout(300)
        shot = page.screenshot(path=folder / f"{name.replace('/', '-')}-{size}-{scheme}.png")
        assert len(shot) > 10_000


def test_the_search_finds_a_word_of_the_book(page: Any, index: Path) -> None:
    page.goto((index.parent / "search.html").as_uri() + "?q=criss")
    page.wait_for_selector("#search-results li", timeout=10_000)
    assert "Training" in page.inner_text("#search-results") or "paper" in page.inner_text("#search-results").lower()
    assert page.asked == []


def test_the_whole_book_can_be_printed(run: Any, index: Path, place: Path) -> None:
    printed = pipeline.pdf(run, place).read_bytes()
    assert printed.startswith(b"%PDF")
    pages, pictures = (len(re.findall(kind, printed)) for kind in (rb"/Type /Page\b", rb"/Subtype /Image\b"))
    assert pages > 40 and pictures > 20  # not a page that lost its pictures
    assert index.is_file()  # the web pages are still there
