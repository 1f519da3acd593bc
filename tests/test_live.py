"""One's own photograph and speech in Jupyter: what is chosen is explained, what is wrong is said, the view stays."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from sierlib import explorer
from sierlib.explorer.live import Live
from tests.test_explorer import make_sample


def joyful(x: dict[str, np.ndarray]) -> np.ndarray:
    """Score loud speech and bright pictures as happy, the rest as sad."""
    joy = (x["speech"].mean(axis=(1, 2, 3)) + x["image"].mean(axis=(1, 2, 3))) / 2
    return np.stack([0 * joy + 0.05, 0.1 + 0.7 * joy, 0 * joy + 0.05, 0.8 - 0.7 * joy], axis=1)


def upload(name: str, content: bytes) -> dict[str, Any]:
    """What the browser hands to FileUpload."""
    import datetime

    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return {"name": name, "type": "", "size": len(content), "content": memoryview(content), "last_modified": now}


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
    live.photograph.upload.value = (upload("holiday.png", picture()),)
    live.sentence.value = "What a wonderful day."
    live.go.click()
    assert live.explorer.sample == "holiday"
    first, given = live.explorer.samples
    assert given["id"] == "given"
    assert [word["text"].lower().strip(".") for word in first["words"]] == ["what", "a", "wonderful", "day"]
    assert first["explanations"]["owen"]["happy"]["levels"]
    assert not live.go.disabled
    assert max(shares) > 0.5 and live.explorer.progress == 0  # it was told of, and the bar is gone

    live.go.click()
    assert [sample["id"] for sample in live.explorer.samples] == ["holiday 2", "holiday", "given"]


def test_a_path_and_a_recording_are_taken(live: Live, tmp_path: Path) -> None:
    (tmp_path / "here.png").write_bytes(picture())
    live.photograph.path.value = f" {tmp_path / 'here.png'} "
    live.source.value = "recording"
    live.recorder.wav = memoryview(wav(1.5))  # as it comes from the browser
    live.go.click()
    assert live.explorer.sample == "here"
    assert live.explorer.samples[0]["duration"] == 1.5
    assert live.explorer.samples[0]["text"] == ""

    live.source.value = "file"
    live.file.upload.value = (upload("own.wav", wav(9)),)
    live.go.click()
    assert live.explorer.sample == "here 2"
    assert "2.6 s were cut" in live.explorer.message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda live: setattr(live.photograph.upload, "value", ()), "Choose a photograph first"),
        (lambda live: setattr(live.sentence, "value", "  "), "Write a sentence"),
        (lambda live: setattr(live.sentence, "value", "!?! ..."), "text without words"),
        (lambda live: setattr(live.photograph.path, "value", "nowhere.jpg"), "nowhere.jpg: missing image file"),
        (
            lambda live: setattr(live.photograph.upload, "value", (upload("notes.jpg", b"no picture"),)),
            "notes.jpg: not an image",
        ),
        (
            lambda live: setattr(live.photograph.upload, "value", (upload("cut.png", picture((400, 300))[:200]),)),
            "cut.png: truncated or damaged image",
        ),
        (
            lambda live: setattr(live.photograph.upload, "value", (upload("huge.png", picture((8000, 6400))),)),
            "huge.png: image of 8000x6400 pixels, at most 50,000,000",
        ),
        (lambda live: setattr(live.source, "value", "recording"), "Record something first"),
        (lambda live: setattr(live.source, "value", "file"), "Choose a recording first"),
        (
            lambda live: (
                setattr(live.source, "value", "file"),
                setattr(live.file.upload, "value", (upload("long.wav", wav(121)),)),
            ),
            "long.wav: ",
        ),
        (
            lambda live: (setattr(live.source, "value", "recording"), setattr(live.recorder, "wav", b"RIFF?")),
            "your recording.wav: ",
        ),
    ],
)
def test_bad_input_gets_a_line_and_the_view_stays(live: Live, change: Any, said: str) -> None:
    live.photograph.upload.value = (upload("good.png", picture()),)
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


def test_the_recorder_asks_nobody() -> None:
    module = (Path(explorer.__file__).parent / "recorder.js").read_text(encoding="utf-8")
    assert not re.search(r"https?://|innerHTML|\bfetch\b", module)
