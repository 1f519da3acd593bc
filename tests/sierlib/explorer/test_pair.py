"""One's own photograph and speech: any common file is explained, what was lost is said, the page
stands alone."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile

from sierlib import settings
from sierlib.data import speech
from sierlib.data.corpora import Unusable
from sierlib.explorer import listening
from sierlib.explorer.page import write_page
from sierlib.explorer.pair import OwnPair, explain_own
from sierlib.explorer.widget import Explorer
from sierlib.networks.parallelnet import parallel_net

TEXT = "I am so happy today."
NASTY = "<script>alert('x')</script> I love $5 & \"you\" https://example.org/x"
FILES = {
    *("prediction.json", "index.html", "sentence.html", "speech.wav", "kept.wav", "removed.wav"),
    *("speech_map.npy", "speech_map.png", "image_map.npy", "image_map.png"),
}


def by_hand(x: dict[str, np.ndarray]) -> np.ndarray:
    """Score loud speech and bright pictures as happy, the rest as sad; the classes sum to one."""
    joy = (x["speech"].mean(axis=(1, 2, 3)) + x["image"].mean(axis=(1, 2, 3))) / 2
    return np.stack([0 * joy + 0.05, 0.1 + 0.7 * joy, 0 * joy + 0.05, 0.8 - 0.7 * joy], axis=1)


@pytest.fixture(scope="module", autouse=True)
def _remembered() -> Iterator[None]:
    """Speak and recognise the same thing once: most tests are about what happens around it."""
    known: dict[Any, Any] = {}

    def once(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(given: Any, **options: Any) -> Any:
            key = (
                function.__name__,
                given if isinstance(given, str) else given.tobytes(),
                *options.items(),
            )
            if key not in known:
                known[key] = function(given, **options)
            return known[key]

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speech, "speak", once(speech.speak))
        patch.setattr(speech, "recognise", once(speech.recognise))
        yield


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    return speech.speak(TEXT)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory, paint: Callable[..., Path]) -> Path:
    return paint(tmp_path_factory.mktemp("photos") / "photo.jpg")


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return parallel_net(replace(settings.profile("smoke"), width=1 / 64))


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Path]:
    def write(
        sound: np.ndarray, rate: int = settings.SAMPLE_RATE, name: str = "speech.wav"
    ) -> Path:
        soundfile.write(tmp_path / name, sound, rate)
        return tmp_path / name

    return write


def own_of(image: Any, model: Any = by_hand, **options: Any) -> OwnPair:
    return explain_own(model, image, **{"depth": 2, **options})


# ------------------------------------------------------------------------------------------
# recordings
@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype"),
    [
        ("a.wav", 8_000, 1, "PCM_U8"),
        ("a.wav", 11_025, 1, "ULAW"),
        ("a.wav", 44_100, 2, "PCM_24"),
        ("a.wav", 96_000, 6, "FLOAT"),
        ("a.flac", 22_050, 2, "PCM_16"),
        ("a.aiff", 32_000, 1, "PCM_16"),
        ("a.ogg", 48_000, 1, "VORBIS"),
        ("a.opus", 48_000, 2, "OPUS"),
        ("a.mp3", 44_100, 2, "MPEG_LAYER_III"),
    ],
)
def test_a_recording_of_any_format_rate_and_channels_is_heard_alike(
    name: str,
    rate: int,
    channels: int,
    subtype: str,
    tmp_path: Path,
    spoken: np.ndarray,
    photo: Path,
) -> None:
    import librosa

    container = {"opus": "OGG"}.get(name.partition(".")[2])
    sound = librosa.resample(spoken, orig_sr=settings.SAMPLE_RATE, target_sr=rate)
    try:
        soundfile.write(
            tmp_path / name, np.stack([sound] * channels, axis=1), rate, subtype, format=container
        )
    except (soundfile.LibsndfileError, ValueError):
        pytest.skip(f"this libsndfile writes no {subtype}")
    found = own_of(photo, audio=tmp_path / name)
    assert len(found.audio) == pytest.approx(
        len(spoken), abs=0.1 * settings.SAMPLE_RATE
    )  # some formats pad
    assert found.inputs["speech"].mean() == pytest.approx(speech.log_mel(spoken).mean(), abs=0.12)
    assert found.audio.dtype == np.float32 and found.text == "" and found.words


def test_the_words_of_a_recording_are_recognised_and_those_of_a_text_aligned(
    recording: Callable[..., Path], spoken: np.ndarray, photo: Path
) -> None:
    path = recording(spoken)
    assert "happy" in [word.text for word in own_of(photo, audio=path).words]
    both = own_of(photo, audio=path, text=TEXT)
    assert (
        [word.text for word in both.words] == TEXT.split()
        and both.text == TEXT
        and both.notes == []
    )
    np.testing.assert_allclose(both.audio, spoken, atol=1e-4)  # the file, not the voice
    text = own_of(photo, text=TEXT)
    np.testing.assert_array_equal(text.audio, spoken)
    assert [word.text for word in text.words] == TEXT.split() and text.notes == []


@pytest.mark.parametrize("text", [None, TEXT])
def test_a_silent_recording_is_explained_and_said_to_hold_no_words(
    text: str | None, recording: Callable[..., Path], photo: Path, tmp_path: Path
) -> None:
    found = own_of(photo, audio=recording(np.zeros(settings.SAMPLE_RATE)), text=text)
    assert found.notes == ["the recording is silent: no words were found"] and found.words == []
    assert found.recognised == "" and found.found.speech_value == 0 and found.found.image_value != 0
    page = write_page(found, tmp_path / "out").read_text(encoding="utf-8")
    assert '<p class="note">The recording is silent: no words were found.</p>' in page


@pytest.mark.parametrize(
    ("behind", "said"), [(0.3, "the first 6.4 s are silent"), (0.0, "the recording is silent")]
)
def test_silence_is_said_of_no_more_than_is_silent(
    behind: float, said: str, recording: Callable[..., Path], photo: Path
) -> None:
    tone = behind * np.sin(np.arange(settings.SAMPLE_RATE) / 5)
    found = own_of(
        photo,
        audio=recording(np.concatenate([np.zeros(8 * settings.SAMPLE_RATE), tone])),
        text=TEXT,
    )
    assert found.notes == [
        "speech of 9.0 s is longer than the window of 6.4 s: 2.6 s were cut",
        f"{said}: no words were found",
    ]


def test_sound_without_words_is_said_to_hold_none(
    recording: Callable[..., Path], photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "recognise", lambda audio: [])
    found = own_of(photo, audio=recording(np.random.default_rng(0).uniform(-0.1, 0.1, 8_000)))
    assert found.notes == ["no words were found"] and found.found.speech_value != 0


def test_what_the_aligner_estimates_is_said(
    recording: Callable[..., Path], spoken: np.ndarray, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(speech, "_segments", lost)
    found = own_of(photo, audio=recording(spoken), text=TEXT)
    assert found.notes == ["the aligner gave up on an utterance; its word times are estimated"]
    assert [word.text for word in found.words] == TEXT.split()


def test_what_is_longer_than_the_window_is_cut_and_said(
    recording: Callable[..., Path], spoken: np.ndarray, photo: Path
) -> None:
    times = int(np.ceil(9.1 * settings.SAMPLE_RATE / len(spoken)))
    path = recording(np.tile(spoken, times)[: round(9.1 * settings.SAMPLE_RATE)])
    alone = own_of(photo, audio=path)
    assert alone.notes == ["speech of 9.1 s is longer than the window of 6.4 s: 2.7 s were cut"]
    assert len(alone.audio) == settings.SIZE * settings.HOP
    found = own_of(photo, audio=path, text=" ".join([TEXT] * times))
    assert found.notes[0].startswith(alone.notes[0] + ", and with them “") and found.notes[
        0
    ].endswith("today.”")
    assert all(word.start < 6.4 for word in found.words)
    lost = re.findall(r"“(.*)”", found.notes[0])[0].split()
    assert [word.text for word in found.words] + lost == TEXT.split() * times


@pytest.mark.parametrize("samples", [1, 100, 161, 799])
def test_a_recording_shorter_than_a_frame_is_explained(
    samples: int, recording: Callable[..., Path], photo: Path, tmp_path: Path
) -> None:
    found = own_of(photo, audio=recording(np.full(samples, 0.5)))
    assert len(found.audio) == settings.HOP and write_page(found, tmp_path / "out").is_file()


# ---------------------------------------------------------------------------------------------
# pictures
def test_a_picture_may_be_a_file_or_an_array(photo: Path) -> None:
    from PIL import Image

    from sierlib.data import images

    found = own_of(str(photo), text=TEXT)
    assert found.name == "photo"
    np.testing.assert_array_equal(
        found.inputs["image"], images.read_image(photo).astype(np.float32) / 255
    )
    pixels = np.asarray(Image.open(photo))
    for array in (pixels, pixels / 255, (pixels / 255).astype(np.float32)):
        np.testing.assert_array_equal(
            own_of(array, text=TEXT).inputs["image"], found.inputs["image"]
        )


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((9, 9)), r"image has shape \(9, 9\); expected \(height, width, 3\)"),
        (np.zeros((9, 9, 4), np.uint8), r"image has shape \(9, 9, 4\)"),
        (np.zeros((0, 9, 3), np.uint8), r"image has shape \(0, 9, 3\)"),
        (
            np.full((9, 9, 3), 255.0),
            "image has values of type float64; expected uint8, or floats in",
        ),
        (np.full((9, 9, 3), np.nan), "float64"),
        (np.zeros((9, 9, 3), np.int64), "image has values of type int64"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(image: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        own_of(image, text=TEXT)


def test_a_file_that_cannot_be_read_is_named(photo: Path, tmp_path: Path) -> None:
    words, half = tmp_path / "words.jpg", tmp_path / "half.jpg"
    words.write_text("no picture, no sound", encoding="utf-8")
    half.write_bytes(photo.read_bytes()[:300])
    for image, said in (
        (tmp_path / "gone.jpg", "missing"),
        (words, "not an image"),
        (half, "truncated"),
        (tmp_path, ""),
    ):
        with pytest.raises(Unusable, match=re.escape(f"{image}: ") + f".*{said}"):
            own_of(image, text=TEXT)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), settings.SAMPLE_RATE)
    for audio, said in (
        (tmp_path / "gone.wav", "missing"),
        (words, "unreadable"),
        (tmp_path / "empty.wav", "empty"),
    ):
        with pytest.raises(Unusable, match=re.escape(f"{audio}: ") + f".*{said}"):
            own_of(photo, audio=audio)


# ------------------------------------------------------------------------------------ other bad
# input
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"text": None}, "neither text nor audio was given"),
        ({"text": ""}, "text without words"),
        ({"text": "@you http://t.co/x"}, "text without words"),
        ({"target": "joy"}, "target='joy'; expected one of anger, happy, hate, sad"),
        ({"target": 4}, "target=4; expected a class number below"),
        ({"percentile": 101}, "percentile=101; expected a number from 0 to 100"),
        ({"percentile": float("nan")}, "percentile=nan"),
        ({"method": "magic"}, "method='magic'"),
        ({"depth": -1}, "depth=-1"),
        ({"depth": 40}, "depth"),
        ({"model": "gone"}, "gone is missing"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_was_expected(
    options: dict[str, Any], said: str, network: keras.Model, photo: Path
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        own_of(photo, **{"model": network, "text": TEXT, **options})


# ----------------------------------------------------------------------------------------------
# models
def test_a_model_may_be_a_network_a_file_or_a_run(
    network: keras.Model, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "run" / "models").mkdir(parents=True)
    file = tmp_path / "run" / "models" / "fused.keras"
    network.save(file)
    found = own_of(photo, network, text=TEXT, depth=0)
    given = {name: value[np.newaxis] for name, value in found.inputs.items()}
    np.testing.assert_allclose(
        list(found.probabilities.values()), network.predict(given, verbose=0)[0], atol=1e-5
    )
    assert list(found.probabilities) == list(settings.CLASSES) and found.target == found.predicted
    for model in (str(file), tmp_path / "run"):
        assert own_of(photo, model, text=TEXT, depth=0).probabilities == pytest.approx(
            found.probabilities, abs=1e-6
        )
    file.write_text("no model", encoding="utf-8")
    with pytest.raises(ValueError, match=r"fused\.keras is no model that Keras can read"):
        own_of(photo, file, text=TEXT)


def test_a_model_of_other_classes_is_explained_by_number(photo: Path, tmp_path: Path) -> None:
    found = own_of(photo, lambda x: by_hand(x)[:, [1, 3]], text=TEXT, target=1)
    assert list(found.explanations) == ["0", "1"] and found.target == "1"
    write_page(found, tmp_path)
    assert set(json.loads((tmp_path / "prediction.json").read_text())["probabilities"]) == {
        "0",
        "1",
    }
    assert own_of(photo, text=TEXT, target="all").target == own_of(photo, text=TEXT).predicted


@pytest.mark.parametrize("method", ["owen", "sampled", "published"])
def test_the_class_and_the_method_can_be_chosen_and_the_seed_repeats(
    method: str, photo: Path
) -> None:
    first, second = (
        own_of(photo, text=TEXT, method=method, target="hate", seed=3) for _ in range(2)
    )
    assert (
        first.target == "hate"
        and first.found.method == method
        and set(first.explanations) == set(settings.CLASSES)
    )
    np.testing.assert_array_equal(first.audio, second.audio)
    for name in settings.CLASSES:
        np.testing.assert_array_equal(
            first.explanations[name].speech_map, second.explanations[name].speech_map
        )
    assert first.payload()["explanations"].keys() == {method}
    assert Explorer(samples=[first.payload()]).samples[0]["predicted"] == first.predicted


# ---------------------------------------------------------------------------------------- what is
# written
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
    told = json.loads((folder / "prediction.json").read_text(encoding="utf-8"))
    assert told["predicted"] == found.predicted and told["target"] == "sad" and told["depth"] == 2
    assert sum(told["probabilities"].values()) == pytest.approx(1)
    assert [word["text"] for word in told["words"]] == TEXT.split()
    for name, one in told["explanations"].items():
        assert one["speech_value"] + one["image_value"] == pytest.approx(
            one["value"] - one["base_value"], abs=1e-9
        )
        assert one["value"] == told["probabilities"][name]
        spoken, seen = abs(one["speech_value"]), abs(one["image_value"])
        assert one["share"] == pytest.approx(spoken / (spoken + seen) if spoken + seen else 0.5)
    for modality in ("speech", "image"):
        values = np.load(folder / f"{modality}_map.npy")
        assert values.shape == (settings.SIZE, settings.SIZE)
        assert values.sum() == pytest.approx(
            told["explanations"]["sad"][f"{modality}_value"], abs=1e-9
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
    seen = _Page()
    seen.feed(page)
    seen.close()
    assert (
        seen.addresses == []
        and seen.tags.count("script") == 3
        and "b" not in seen.tags
        and "link" not in seen.tags
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
        and f"The score of “hate” is {found.found.value:.2f}" in page
    )
    frames = listening.spoken_frames(found.audio)
    assert (
        found.keep.shape == (settings.SIZE,) and not found.keep[frames:].any() and found.keep.any()
    )
    assert not found.keep[:frames].all() or np.ptp(found.found.speech_map) == 0


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
