"""The built smoke book as a reader has it: opened from disk in a real browser, with no network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from sierbook import notebooks, numbers, site
from sierlib.files import read_json
from tests import chromium
from tests.chromium import find_serious

if site.find_chromium() is None:
    pytest.skip("no chromium: pages are not tested in a browser", allow_module_level=True)
pytest.importorskip("playwright.sync_api")

#: The most that a page may load, in bytes, without its own figures and sound.
HEAVIEST = 1_500_000
EXPLORER = "notebooks/06-explorer"
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
PAGES = [
    "book/index",
    "book/paper",
    "book/claims",
    "book/decisions",
    "book/data-card",
    "book/model-card",
    "book/reproduce",
    "book/real",
    "book/environment",
    "book/glossary",
    "book/citing",
    "book/bibliography",
    *(f"notebooks/{name}" for name in notebooks.NEEDS),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium.started() as browser:
        yield browser


@pytest.fixture
def page(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    """A page of a reader whose system is light, or what a test asks for."""
    scheme = getattr(request, "param", "light")
    context = browser.new_context(color_scheme=scheme, viewport=SIZES["desktop"])
    page = context.new_page()
    page.asked, page.complaints, page.read = [], [], set()

    def answer(route: Any) -> None:
        if route.request.url.startswith(("file:", "data:", "blob:")):
            page.read.add(route.request.url)
            route.continue_()
        else:
            page.asked.append(route.request.url)
            route.abort()

    page.route("**/*", answer)

    def hear(said: Any) -> None:
        if said.type in ("error", "warning"):
            page.complaints.append(said.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    context.close()


def weight(page: Any) -> int:
    """How many bytes a page has read from disk, without its figures and sound."""
    total = 0
    for url in page.read:
        path = Path(url2pathname(urlsplit(url).path))
        if not url.startswith("file:") or path.suffix in (".png", ".svg", ".jpg", ".wav"):
            continue
        content = path.read_bytes()
        if path.suffix == ".html":
            content = re.sub(rb"data:(image|audio)/[^\"']+", b"", content)
        total += len(content)
    return total


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_from_disk_asks_nobody_is_accessible_and_fits_a_phone(
    name: str, page: Any, index: Path
) -> None:
    page.goto((index.parent / f"{name}.html").as_uri(), wait_until="load")
    page.wait_for_timeout(300)
    assert page.locator("article h1").first.is_visible()
    twice = "all => all.map(one => one.id).filter((id, at, ids) => ids.indexOf(id) !== at)"
    assert page.eval_on_selector_all("article [id]", twice) == []
    assert page.asked == []
    assert page.complaints == []
    assert 100_000 < weight(page) <= HEAVIEST
    assert find_serious(page) == []
    page.set_viewport_size(SIZES["phone"])
    page.wait_for_timeout(100)
    width = page.evaluate("document.scrollingElement.scrollWidth")
    assert width <= SIZES["phone"]["width"] + 1


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
@pytest.mark.parametrize("size", list(SIZES))
def test_pages_can_be_looked_at(size: str, page: Any, index: Path) -> None:
    """Screenshots for eyes, beside the built book; here only that there is something on them."""
    page.set_viewport_size(SIZES[size])
    scheme = (
        "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    )
    folder = index.parents[2] / "screenshots"
    folder.mkdir(exist_ok=True)
    views = {
        "book/index": "",
        "book/claims": "",
        "book/environment": "",
        "notebooks/03-ablation": "",
        EXPLORER: "",
        f"{EXPLORER}-side-by-side": "#explorer?compare=method",
        f"{EXPLORER}-keep-only": "#explorer?keep=keep&threshold=60",
    }
    for name, state in views.items():
        page.goto("about:blank")
        file = EXPLORER if state else name
        page.goto((index.parent / f"{file}.html").as_uri() + state)
        page.wait_for_timeout(300)
        page.evaluate(
            "scrollTo({ top: 0, behavior: 'instant' })"
        )  # or what is sticky stands in the middle
        page.add_style_tag(
            content="#pst-back-to-top { display: none !important }"
        )  # it comes with scrolling up
        shot = page.screenshot(
            path=folder / f"{name.replace('/', '-')}-{size}-{scheme}.png", full_page=True
        )
        assert len(shot) > 10_000


@pytest.mark.parametrize("size", SIZES)
def test_a_link_shows_what_it_leads_to(size: str, page: Any, index: Path) -> None:
    page.set_viewport_size(SIZES[size])
    page.goto((index.parent / "notebooks/02-training.html").as_uri(), wait_until="load")
    peek = page.locator("#peek")
    assert peek.is_hidden()
    page.locator("article a", has_text="(1)").first.focus()
    assert "F" in peek.locator("math mtable").text_content()
    page.keyboard.press("Escape")
    assert peek.is_hidden()
    term = page.locator("article a", has_text="criss-cross").first
    term.hover()
    assert "branches of different modalities are joined" in peek.inner_text()
    assert "Eq. (1)" in peek.inner_text() and term.get_attribute("aria-describedby") == "peek"
    box = peek.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= SIZES[size]["width"]
    assert not page.asked and not page.complaints


def test_a_verdict_of_the_ledger_shows_its_rows_alone(page: Any, index: Path) -> None:
    page.goto((index.parent / "book/claims.html").as_uri(), wait_until="load")
    rows = page.locator("table.claims-ledger tbody tr")
    shown, part = rows.locator("visible=true"), page.locator(".claims-bar button").first
    count, verdict = part.inner_text().split(maxsplit=1)
    part.press("Enter")
    assert part.get_attribute("aria-pressed") == "true" and shown.count() == int(count)
    assert {row.locator(".verdict").first.inner_text() for row in shown.all()} == {verdict}
    part.press("Enter")
    assert shown.count() == rows.count() > int(count)


@pytest.mark.parametrize("size", SIZES)
def test_the_ledger_can_be_put_in_another_order(size: str, page: Any, index: Path) -> None:
    page.set_viewport_size(SIZES[size])
    page.goto((index.parent / "book/claims.html").as_uri(), wait_until="load")
    rows = page.locator("table.claims-ledger tbody tr")
    before, order = rows.all_inner_texts(), page.get_by_label("Order by")
    order.select_option("verdict")
    verdicts = [row.locator(".verdict").first.inner_text() for row in rows.all()]
    assert verdicts == sorted(verdicts, key=list(dict.fromkeys(verdicts)).index)
    assert page.locator("table.claims-ledger:visible").count() == 1
    order.select_option("deviation")
    deviations = page.eval_on_selector_all(
        ".deviation", "all => all.map((one) => Number(one.dataset.deviation))"
    )
    assert deviations == sorted(deviations, reverse=True) and len(set(deviations)) > 3
    assert rows.first.locator(".deviation").count() == 1
    order.select_option("place")
    assert rows.all_inner_texts() == before and not page.complaints


def test_the_search_finds_a_word_of_the_book(page: Any, index: Path) -> None:
    page.goto((index.parent / "search.html").as_uri() + "?q=criss")
    page.wait_for_selector("#search-results li", timeout=10_000)
    assert (
        "Training" in page.inner_text("#search-results")
        or "paper" in page.inner_text("#search-results").lower()
    )
    page.wait_for_timeout(500)
    assert page.asked == []
    assert page.complaints == []


@pytest.fixture
def explorer(page: Any, index: Path) -> Any:
    """The explorer on its page of the book."""
    page.goto((index.parent / f"{EXPLORER}.html").as_uri())
    found = page.locator("#explained-samples .explorer:not(.try)")
    found.locator(".title").first.wait_for()
    for fold in found.locator(".fold").all():
        fold.evaluate("(details) => { details.open = true; }")
    return found


def pixels(explorer: Any, selector: str) -> str:
    """What a canvas shows, once the next frame is drawn."""
    explorer.page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    return str(explorer.locator(selector).first.evaluate("(canvas) => canvas.toDataURL()"))


def test_the_explorer_of_the_book_can_be_driven(explorer: Any, page: Any) -> None:
    photo, wave = ".photo canvas", ".sound canvas >> nth=1"
    card = explorer.locator(".strip button").nth(1)
    card.click()
    explorer.locator(".title").first.get_by_text(card.get_attribute("data-id")).wait_for()

    before = pixels(explorer, photo)
    threshold = explorer.get_by_label("Threshold").first
    threshold.focus()
    threshold.press("PageUp")
    explorer.locator(".look").get_by_text(f"percentile {threshold.input_value()}").wait_for()
    assert int(threshold.input_value()) > 30
    threshold.fill("60")
    assert pixels(explorer, photo) != before

    audible = [float(explorer.locator(wave).first.get_attribute("data-audible"))]
    everything = explorer.get_by_role("radio", name="Everything")
    everything.focus()
    for label in ("Play what matters", "Play the rest"):
        page.keyboard.press("ArrowRight")
        explorer.locator(".play").first.get_by_text(label).wait_for()
        audible.append(float(explorer.locator(wave).first.get_attribute("data-audible")))
    assert (
        audible[1] + audible[2] == pytest.approx(audible[0], abs=0.03)
        and 0 < audible[1] < audible[0]
    )
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")

    explorer.get_by_label("Side by side with").select_option("method")
    explorer.locator(".panel").nth(1).locator(".title").get_by_text("by ").wait_for()
    assert explorer.locator(".panel:visible").count() == 2
    assert explorer.locator(".note", has_text="these parts miss the score").count() < 2
    assert page.asked == [] and page.complaints == []


def test_the_explorer_says_the_numbers_of_notebook_5(explorer: Any, index: Path) -> None:
    told = (index.parent / "notebooks/05-interpretability.html").read_text(encoding="utf-8")
    table = {key: float(value) for value, key, _ in numbers.MARK.findall(told)}
    compared = 0
    for card in explorer.locator(".strip button").all():
        card.click()
        explorer.locator(".title").first.get_by_text(card.get_attribute("data-id")).wait_for()
        for number in explorer.locator(".panel").first.locator("data").all():
            key, shown = number.get_attribute("data-key"), number.inner_text()
            if key in table:
                # Alike as far as the explorer prints it.
                digits = len(shown.partition(".")[2])
                assert float(shown.replace("−", "-")) == pytest.approx(
                    table[key], abs=0.51 * 10**-digits
                ), key
                compared += 1
    assert compared >= 4


#: What is left of a panel's words when its keyed numbers are taken out of it.
_WITHOUT_KEYED = """(panel) => {
  const copy = panel.cloneNode(true);
  copy.querySelectorAll("data").forEach((number) => number.remove());
  return [...copy.querySelectorAll(".hint, .told, .note, td")].map((node) => node.textContent);
}"""


def test_scores_and_values_of_the_explorer_say_what_they_are(explorer: Any, page: Any) -> None:
    panel = explorer.locator(".panel").first
    keys = panel.locator("data")

    def look() -> set[str]:
        words = panel.evaluate(_WITHOUT_KEYED)
        # Seconds stay; what was measured has a sign, or decimals and no unit.
        unkeyed = r"[+−]\d|\d\.\d+(?! s\b|\d| to )"
        assert [text for text in words if re.search(unkeyed, text)] == []
        return {each.get_attribute("data-key") for each in keys.all()}

    seen = look()
    explorer.get_by_role("radio", name="Remove what matters").check()
    assert any("the rest at" in key for key in look() - seen)
    panel.locator(".photo .stack").focus()
    page.keyboard.press("ArrowRight")
    assert any("row" in key for key in look())
    panel.locator(".sentence button").first.focus()
    assert any("word 1" in key for key in look())
    assert all(len(key.split("; ")) == 5 for key in look() | seen)


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
@pytest.mark.parametrize("size", SIZES)
def test_the_explorer_is_accessible_in_every_state(size: str, explorer: Any, page: Any) -> None:
    page.set_viewport_size(SIZES[size])
    page.wait_for_timeout(500)  # the theme looks anew, after a while, at what scrolls
    explorer.get_by_label("Show what was planted").check()
    for way in ("Everything", "Keep only what matters", "Remove what matters"):
        explorer.get_by_role("radio", name=way).check()
        assert find_serious(page) == [], way
    explorer.get_by_label("Side by side with").select_option("method")
    assert explorer.locator(".panel:visible").count() == 2
    assert find_serious(page) == []


def test_the_explorer_of_the_book_can_be_heard(explorer: Any, page: Any) -> None:
    play, position = explorer.locator(".play").first, explorer.locator(".transport input").first
    cursor = explorer.locator(".cursor").first
    before = cursor.bounding_box()["x"]
    play.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("(slider) => slider.value > 0.2", arg=position.element_handle())
    assert play.inner_text() == "Pause" and cursor.bounding_box()["x"] > before
    page.keyboard.press("Enter")
    at = float(position.input_value())
    explorer.locator(".sentence").first.locator("button").first.focus()
    assert re.search(r"[+−]?0\.\d{3}", explorer.locator(".hint").first.inner_text())
    page.keyboard.press("Enter")  # the word by itself
    assert play.inner_text() == "Pause"
    explorer.locator(".play", has_text="Play").first.wait_for()
    assert float(position.input_value()) == pytest.approx(at, abs=0.06)
    assert page.asked == [] and page.complaints == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_a_newcomer_has_the_answer_and_hears_why_in_five_minutes(
    way: str, size: str, page: Any, index: Path
) -> None:
    """From the first page by the result and notebook 5 to the explorer: choose a sample, show what
    was planted, remove what matters, see the score fall, hear it."""

    def press(control: Any, key: str = "Enter") -> None:
        if way == "mouse":
            control.click()
        else:
            control.focus()
            page.keyboard.press(key)

    page.set_viewport_size(SIZES[size])
    page.goto(index.as_uri(), wait_until="load")
    page.wait_for_url("**/book/index.html")
    assert page.locator("figure.hero audio").first.is_visible()
    answer = page.locator("article p", has_text="pairs that were set aside").first.inner_text()
    press(page.locator("article p > a", has_text="Notebook 4").first)
    page.wait_for_url("**/04-results.html")
    # What the first page says is what the page of results comes down to.
    assert answer in [item.inner_text() for item in page.locator("article li p, article li").all()]
    for name in ("05-interpretability", "06-explorer"):
        press(page.locator(".prev-next-area a.right-next"))
        page.wait_for_url(f"**/{name}.html")
        assert page.locator("article h1").is_visible()

    explorer = page.locator("#explained-samples .explorer:not(.try)")
    explorer.locator(".title").first.wait_for()
    press(explorer.get_by_label("Show what was planted"), "Space")
    explorer.locator(".sentence .planted:visible, .photo i.planted:visible").first.wait_for()
    if way == "mouse":
        explorer.get_by_role("radio", name="Remove what matters").check()
    else:
        explorer.get_by_role("radio", name="Everything").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
    explorer.locator(".follow", has_text="without what matters").first.wait_for()
    # The networks of smoke have hardly learned: sample after sample, until the score falls.
    cards, told = explorer.locator(".strip button"), ""
    for number in range(cards.count()):
        card = cards.nth(number)
        press(card)
        explorer.locator(".title").first.get_by_text(card.get_attribute("data-id")).wait_for()
        told = explorer.locator(".follow").first.inner_text()
        before, after = map(float, re.findall(r"\d\.\d\d", told))
        if after < before:
            break
    assert after < before and "without what matters" in told
    press(explorer.locator(".play").first)
    page.wait_for_function(
        "(slider) => slider.value > 0.2",
        arg=explorer.locator(".transport input").first.element_handle(),
    )
    assert explorer.locator(".play").first.inner_text() == "Pause"
    assert page.asked == [] and page.complaints == []


@pytest.mark.parametrize("size", SIZES)
def test_the_network_answers_in_the_page(size: str, page: Any, index: Path, run: Any) -> None:
    page.set_viewport_size(SIZES[size])
    page.goto((index.parent / f"{EXPLORER}.html").as_uri())
    tried = page.locator("#explained-samples .try")
    tried.get_by_role("button", name="Load the model").press("Enter")
    tried.locator("fieldset:not([disabled])").wait_for()
    page.wait_for_timeout(500)  # the theme looks anew, after a while, at what scrolls
    scores = tried.locator(".scores[aria-busy=false] td:last-child").all_inner_texts()
    sample = read_json(run.folder / "explanations" / "samples.json")[0]
    assert [float(score) for score in scores] == pytest.approx(sample["scores"], abs=0.01)
    tried.get_by_role("button", name="Explain").press("Enter")
    tried.locator(".told", has_text="regions add up to that.").wait_for()
    assert find_serious(page) == []
    assert page.evaluate("document.scrollingElement.scrollWidth") <= SIZES[size]["width"] + 1
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert "connect-src 'none'" in policy and "worker-src blob:" in policy
    # A request that somebody tried would be refused.
    refused = "fetch('https://example.org').then(() => false, () => true)"
    assert page.evaluate(refused) and page.asked == []


def test_a_view_of_the_book_can_be_sent_to_somebody(explorer: Any, page: Any) -> None:
    explorer.locator(".strip button").nth(1).click()
    explorer.get_by_label("Level").first.fill("1")
    explorer.get_by_label("Keep only what matters").check()
    explorer.get_by_label("Smooth maps").check()
    page.wait_for_timeout(600)
    address, shown = page.url, explorer.locator(".panel").first.inner_text()
    assert (
        "#explorer?" in address
        and "level=1" in address
        and "keep=keep" in address
        and "smooth=true" in address
    )
    page.goto("about:blank")
    page.goto(address)
    explorer.locator(".title").first.wait_for()
    # What was unfolded is no part of a view.
    explorer.locator(".together").first.evaluate("(details) => { details.open = true; }")
    assert explorer.locator(".panel").first.inner_text() == shown and "Level 1" in shown
    assert page.asked == [] and page.complaints == []


def test_the_whole_book_can_be_printed(run: Any, index: Path, place: Path) -> None:
    printed = site.print_pdf(run, place).read_bytes()
    assert printed.startswith(b"%PDF")
    pages, pictures = (
        len(re.findall(kind, printed)) for kind in (rb"/Type /Page\b", rb"/Subtype /Image\b")
    )
    assert pages > 40 and pictures > 20  # not a page that lost its pictures
    assert index.is_file()  # the web pages are still there
    citing = index.parent / "book" / "citing.html"
    (link,) = re.findall(
        r'<p id="whole-book"><a href="([^"]+)"', citing.read_text(encoding="utf-8")
    )
    assert (citing.parent / link).resolve().read_bytes() == printed
