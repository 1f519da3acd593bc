"""One's own photograph and speech in Jupyter: what is chosen is explained, what is wrong is said,
the view stays."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from sierbook import live as workbench
from sierbook.live import Live, Upload
from tests import chromium
from tests.sierlib.explorer.test_widget import make_sample


def joyful(x: dict[str, np.ndarray]) -> np.ndarray:
    """Score loud speech and bright pictures as happy, the rest as sad."""
    joy = (x["speech"].mean(axis=(1, 2, 3)) + x["image"].mean(axis=(1, 2, 3))) / 2
    return np.stack([0 * joy + 0.05, 0.1 + 0.7 * joy, 0 * joy + 0.05, 0.8 - 0.7 * joy], axis=1)


def upload(widget: Upload, name: str, content: bytes) -> None:
    """Do what the browser does when a file is chosen."""
    widget.path, widget.problem = "", ""
    widget.name, widget.content = name, memoryview(content)


def picture(size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "orange").save(out, "PNG")
    return out.getvalue()


def wav(seconds: float) -> bytes:
    out = io.BytesIO()
    times = np.arange(int(seconds * 16_000)) / 16_000
    soundfile.write(out, 0.3 * np.sin(2 * np.pi * 220 * times), 16_000, format="WAV")
    return out.getvalue()


@pytest.fixture
def live() -> Live:
    return Live(joyful, [make_sample("given")], depth=1)


def test_a_photograph_and_a_sentence_are_explained(live: Live) -> None:
    shares: list[float] = []
    live.explorer.observe(lambda change: shares.append(change["new"]), "progress")
    upload(live.photograph, "holiday.png", picture())
    live.sentence.value = "What a wonderful day."
    live.go.click()
    assert live.explorer.sample == "holiday"
    first, given = live.explorer.samples
    assert given["id"] == "given"
    assert [word["text"].lower().strip(".") for word in first["words"]] == [
        "what",
        "a",
        "wonderful",
        "day",
    ]
    assert first["explanations"]["owen"]["happy"]["levels"]
    assert not live.go.disabled
    assert max(shares) > 0.5 and live.explorer.progress == 0  # it was told of, and the bar is gone

    live.go.click()
    assert [sample["id"] for sample in live.explorer.samples] == ["holiday 2", "holiday", "given"]


def test_a_path_and_a_recording_are_taken(live: Live, tmp_path: Path) -> None:
    (tmp_path / "here.png").write_bytes(picture())
    live.photograph.path = f" {tmp_path / 'here.png'} "
    live.source.value = "recording"
    live.recorder.wav = memoryview(wav(1.5))  # as it comes from the browser
    live.go.click()
    assert live.explorer.sample == "here"
    assert live.explorer.samples[0]["duration"] == 1.5
    assert live.explorer.samples[0]["text"] == ""

    live.source.value = "file"
    upload(live.file, "own.wav", wav(9))
    live.go.click()
    assert live.explorer.sample == "here 2"
    assert "2.6 s were cut" in live.explorer.message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda live: setattr(live.photograph, "name", ""), "Choose a photograph first"),
        (lambda live: setattr(live.sentence, "value", "  "), "Write a sentence"),
        (lambda live: setattr(live.sentence, "value", "!?! ..."), "text without words"),
        (
            lambda live: setattr(live.photograph, "path", "nowhere.jpg"),
            "nowhere.jpg: missing image file",
        ),
        (
            lambda live: upload(live.photograph, "notes.jpg", b"no picture"),
            "notes.jpg: not an image",
        ),
        (
            lambda live: upload(live.photograph, "cut.png", picture((400, 300))[:200]),
            "cut.png: truncated or damaged image",
        ),
        (
            lambda live: upload(live.photograph, "huge.png", picture((8000, 6400))),
            "huge.png: image too large: 8000x6400 pixels, at most 50,000,000",
        ),
        (
            lambda live: setattr(live.photograph, "problem", "big.png has 12.0 MB"),
            "big.png has 12.0 MB",
        ),
        (lambda live: setattr(live.source, "value", "recording"), "Record something first"),
        (lambda live: setattr(live.source, "value", "file"), "Choose a recording first"),
        (
            lambda live: (
                setattr(live.source, "value", "file"),
                upload(live.file, "long.wav", wav(121)),
            ),
            "long.wav: ",
        ),
        (
            lambda live: (
                setattr(live.source, "value", "recording"),
                setattr(live.recorder, "wav", b"RIFF?"),
            ),
            "your recording.wav: ",
        ),
    ],
)
def test_bad_input_gets_a_line_and_the_view_stays(live: Live, change: Any, said: str) -> None:
    upload(live.photograph, "good.png", picture())
    live.sentence.value = "What a wonderful day."
    change(live)
    live.go.click()
    assert live.explorer.message.startswith(said)
    assert "/" not in live.explorer.message  # no folder of ours
    assert [sample["id"] for sample in live.explorer.samples] == ["given"]
    assert not live.go.disabled and live.explorer.progress == 0


def test_only_the_chosen_source_is_shown(live: Live) -> None:
    shown = {}
    for name in ("voice", "recording", "file"):
        live.source.value = name
        shown[name] = [part.layout.display != "none" for part in (live.recorder, live.file)]
    assert shown == {"voice": [False, False], "recording": [True, False], "file": [False, True]}


@pytest.mark.parametrize("name", ["recorder.js", "upload.js"])
def test_the_modules_ask_nobody(name: str) -> None:
    module = (Path(workbench.__file__).parent / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|innerHTML|\bfetch\b", module)


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """The widget for a file, with a model that keeps what it is given."""
    module = (Path(workbench.__file__).parent / "upload.js").read_text(encoding="utf-8")
    widget = Upload(what="Photograph", accept="image/*")
    values = {
        name: getattr(widget, name)
        for name in ("what", "accept", "name", "path", "problem", "at_most")
    }
    model = """{
      values, handlers: {}, saved: 0, get(name) { return this.values[name]; },
      set(name, value) { this.values[name] = value; this.handlers[`change:${name}`]?.(); },
      on(name, handler) { this.handlers[name] = handler; }, save_changes() { this.saved += 1; },
    }"""
    with chromium.started() as browser:
        page = browser.new_page()
        script = (
            f"(values) => {{ {module.replace('export default { render };', '')}; "
            f"window.model = {model}; render({{ model: window.model, el: document.body }}); }}"
        )
        page.evaluate(script, values)
        yield page


def held(page: Any) -> tuple[str, int, str]:
    """Name, bytes and path that the kernel would have."""
    return tuple(
        page.evaluate("[model.values.name, model.values.content.byteLength, model.values.path]")
    )


def test_the_last_of_file_and_path_counts_and_is_named(page: Any) -> None:
    chooser, path = (
        page.get_by_label("Photograph"),
        page.get_by_label("or its path, where the kernel runs"),
    )
    said = page.get_by_role("status")
    assert "none chosen yet" in said.inner_text() and chooser.get_attribute("accept") == "image/*"
    small = {"name": "a.png", "mimeType": "image/png", "buffer": picture()}
    chooser.set_input_files(small)
    said.get_by_text("a.png, uploaded").wait_for()
    assert held(page) == ("a.png", len(picture()), "")
    path.fill("/data/b.png")
    path.press("Tab")
    assert said.inner_text() == "Photograph: the file at /data/b.png" and held(page) == (
        "",
        0,
        "/data/b.png",
    )
    chooser.set_input_files(small)  # the same file once more
    said.get_by_text("a.png, uploaded").wait_for()
    assert held(page)[2] == "" == path.input_value()


def test_a_file_that_the_connection_would_not_carry_is_refused(page: Any) -> None:
    chooser, said = page.get_by_label("Photograph"), page.get_by_role("status")
    chooser.set_input_files(
        {"name": "huge.png", "mimeType": "image/png", "buffer": bytes(12_000_000)}
    )
    said.get_by_text("huge.png has 12.0 MB").wait_for()
    assert "9.0 MB at once: give its path instead" in said.inner_text()
    assert held(page) == ("", 0, "") and "huge.png has" in page.evaluate("model.values.problem")
    page.get_by_label("or its path").fill("/data/huge.png")
    page.get_by_label("or its path").press("Enter")
    assert (
        "the file at /data/huge.png" in said.inner_text()
        and page.evaluate("model.values.problem") == ""
    )


def test_a_dropped_file_is_taken(page: Any) -> None:
    dropped = page.evaluate_handle(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(['12345'], 'c.png'));
          return data;
        }"""
    )
    page.locator("body > div").first.dispatch_event("drop", {"dataTransfer": dropped})
    page.get_by_text("c.png, uploaded").wait_for()
    assert held(page) == ("c.png", 5, "")
