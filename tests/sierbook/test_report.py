"""The page of an explained pair stands alone, and all files are written."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sierbook.report import write_page
from sierlib import settings
from sierlib.data import speech
from sierlib.explorer import listening
from tests.sierlib.explorer.toys import TEXT, own_of

NASTY = "<script>alert('x')</script> I love $5 & \"you\" https://example.org/x"
FILES = {
    *("prediction.json", "index.html", "sentence.html", "speech.wav", "kept.wav", "removed.wav"),
    *("speech_map.npy", "speech_map.png", "image_map.npy", "image_map.png"),
}

pytestmark = pytest.mark.usefixtures("speech_once")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or ""
            for name, value in attrs
            if name in ("src", "href", "action", "data", "poster")
        ]


def test_everything_is_written(photo: Path, tmp_path: Path) -> None:
    found = own_of(photo, text=TEXT, target="sad", percentile=40)
    index = write_page(found, tmp_path / "new" / "folder")
    folder = index.parent
    assert index.name == "index.html" and {path.name for path in folder.iterdir()} == FILES
    numbers = json.loads((folder / "prediction.json").read_text(encoding="utf-8"))
    assert (
        numbers["predicted"] == found.predicted
        and numbers["target"] == "sad"
        and numbers["depth"] == 2
    )
    assert sum(numbers["probabilities"].values()) == pytest.approx(1)
    assert [word["text"] for word in numbers["words"]] == TEXT.split()
    for name, one in numbers["explanations"].items():
        assert one["speech_value"] + one["image_value"] == pytest.approx(
            one["value"] - one["base_value"], abs=1e-9
        )
        assert one["value"] == numbers["probabilities"][name]
        speech_size, image_size = abs(one["speech_value"]), abs(one["image_value"])
        both = speech_size + image_size
        assert one["share"] == pytest.approx(speech_size / both if both else 0.5)
    for modality in ("speech", "image"):
        values = np.load(folder / f"{modality}_map.npy")
        assert values.shape == (settings.SIZE, settings.SIZE)
        assert values.sum() == pytest.approx(
            numbers["explanations"]["sad"][f"{modality}_value"], abs=1e-9
        )
    sounds = {}
    for name in ("speech", "kept", "removed"):
        sounds[name], rate = soundfile.read(folder / f"{name}.wav", dtype="float32")
        assert rate == settings.SAMPLE_RATE and len(sounds[name]) == len(found.audio)
    np.testing.assert_allclose(sounds["speech"], found.audio, atol=1e-4)
    middle = settings.HOP * np.flatnonzero(found.keep)[:, np.newaxis] + settings.HOP // 2
    np.testing.assert_allclose(sounds["kept"][middle], sounds["speech"][middle], atol=1e-4)
    assert not sounds["removed"][middle].any()
    assert write_page(found, folder) == index  # once more, over what is there


def test_the_page_stands_alone_and_shows_the_sentence_as_text(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "<b>photo & co.jpg"
    shutil.copy(photo, named)
    page = write_page(own_of(named, text=NASTY), tmp_path / "out").read_text(encoding="utf-8")
    parsed = _Page()
    parsed.feed(page)
    parsed.close()
    assert (
        parsed.addresses == []
        and parsed.tags.count("script") == 3
        and "b" not in parsed.tags
        and "link" not in parsed.tags
    )
    # The address in the sentence is the only one, and it is data.
    outside = page.replace(json.dumps(NASTY, ensure_ascii=False).replace("<", "\\u003c"), "")
    assert (
        len(outside) < len(page)
        and "http:" not in outside
        and "https:" not in outside
        and "@import" not in outside
    )
    assert "default-src 'none'" in page and "<title>&lt;b&gt;photo &amp; co: " in page
    sentence = (tmp_path / "out" / "sentence.html").read_text(encoding="utf-8")
    words = speech.clean_text(NASTY).split()
    assert (
        "&amp;" in sentence and "<script" not in sentence and sentence.count("<span") == len(words)
    )


def test_the_explorer_opens_with_the_class_and_the_threshold_of_the_call(
    photo: Path, tmp_path: Path
) -> None:
    found = own_of(photo, text=TEXT, target="hate", percentile=55)
    page = write_page(found, tmp_path).read_text(encoding="utf-8")
    assert (
        '{"target":"hate","threshold":55}' in page
        and f"The score of “hate” is {found.explanation.value:.2f}" in page
    )
    frames = listening.spoken_frames(found.audio)
    assert (
        found.keep.shape == (settings.SIZE,) and not found.keep[frames:].any() and found.keep.any()
    )
    assert not found.keep[:frames].all() or np.ptp(found.explanation.speech_map) == 0


def test_a_browser_shows_the_page_without_a_request_or_an_error(
    photo: Path, tmp_path: Path
) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("no chromium on this machine")
    index = write_page(own_of(photo, text=NASTY), tmp_path)
    errors: list[str] = []
    requests: list[str] = []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(index.as_uri())
        page.locator(".explorer .sentence button").first.wait_for()
        shown = page.locator(".explorer").inner_text()
        assert (
            page.locator(".photo img").first.evaluate("(img) => img.complete && img.naturalWidth")
            > 0
        )
        browser.close()
    assert (
        errors == [] and [url for url in requests if not url.startswith(("file:", "data:"))] == []
    )
    assert f"As posted: {NASTY}" in shown and "Sample photo" in shown
