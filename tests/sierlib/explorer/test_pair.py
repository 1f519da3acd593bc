"""One's own photograph and speech: any common file is explained, and what was lost is said."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile

from sierbook.report import write_page
from sierlib import settings
from sierlib.data import speech
from sierlib.data.corpora import Unusable
from sierlib.explorer.widget import Explorer
from sierlib.networks.parallelnet import parallel_net
from tests.sierlib.explorer.toys import TEXT, by_hand, own_of

pytestmark = pytest.mark.usefixtures("speech_once")


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return parallel_net(replace(settings.profile("smoke"), width=1 / 64))


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
    # The file, not the voice, and as loud as the voice is in the middle.
    gain = np.abs(both.audio).max() / np.abs(spoken).max()
    assert 0.8 < gain < 1.25
    np.testing.assert_allclose(both.audio, spoken * gain, atol=1e-4)
    text = own_of(photo, text=TEXT)
    np.testing.assert_array_equal(text.audio, spoken)
    assert [word.text for word in text.words] == TEXT.split() and text.notes == []


@pytest.mark.parametrize("text", [None, TEXT])
def test_a_silent_recording_is_explained_and_said_to_hold_no_words(
    text: str | None, recording: Callable[..., Path], photo: Path, tmp_path: Path
) -> None:
    found = own_of(photo, audio=recording(np.zeros(settings.SAMPLE_RATE)), text=text)
    assert found.notes == ["the recording is silent: no words were found"] and found.words == []
    assert (
        found.recognised == ""
        and found.explanation.speech_value == 0
        and found.explanation.image_value != 0
    )
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
    assert found.notes == ["no words were found"] and found.explanation.speech_value != 0


def test_what_the_aligner_estimates_is_said(
    recording: Callable[..., Path], spoken: np.ndarray, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("sierlib.data.speech.words._segments", lost)
    found = own_of(photo, text=TEXT)
    assert found.notes == ["the aligner gave up on an utterance; its word times are estimated"]
    assert [word.text for word in found.words] == TEXT.split()
    (note,) = own_of(photo, audio=recording(spoken), text=TEXT).notes
    assert note.startswith("the transcript does not seem to fit the sound")


def test_a_transcript_of_something_else_is_said_not_to_fit(
    recording: Callable[..., Path], spoken: np.ndarray, photo: Path
) -> None:
    path = recording(spoken)
    for other in ("Nobody ever told them about the accident in the garden.", TEXT + TEXT * 5):
        (note,) = own_of(photo, audio=path, text=other).notes
        assert note.startswith("the transcript does not seem to fit the sound")


def test_what_a_transcriber_adds_is_not_aligned(
    recording: Callable[..., Path], spoken: np.ndarray, photo: Path
) -> None:
    path = recording(spoken)
    plain = own_of(photo, audio=path, text=TEXT)
    found = own_of(photo, audio=path, text=f"[LAUGHTER] {TEXT} 😂 #happy :)")
    assert found.words == plain.words and found.notes == []
    assert found.text.startswith("[LAUGHTER]")  # as it was given
    nothing = own_of(photo, audio=path, text="[LAUGHTER]")
    assert nothing.notes == ["the transcript has no words: they were recognised"]
    assert nothing.words == own_of(photo, audio=path).words


def test_what_is_put_right_in_a_recording_is_said_and_changes_nothing(
    recording: Callable[..., Path], spoken: np.ndarray, photo: Path
) -> None:
    plain = own_of(photo, audio=recording(spoken))
    copies = {
        "quiet.wav": spoken / 4,
        "left.wav": np.stack([spoken, 0 * spoken], axis=1),
        "turned.wav": np.stack([spoken, -spoken], axis=1),
        "moved.wav": spoken / 2 + 0.3,
    }
    notes = []
    for name, sound in copies.items():
        copy = own_of(photo, audio=recording(sound, name=name))
        notes += copy.notes
        for label, probability in plain.probabilities.items():
            assert copy.probabilities[label] == pytest.approx(probability, abs=0.01), name
    assert [note.partition(":")[0] for note in notes] == [
        "silent channel",
        "channel in opposite phase",
        "constant offset",
    ]


def test_what_cannot_be_spoken_is_said(photo: Path) -> None:
    found = own_of(photo, text=f"{TEXT} 悲しい ♪")
    assert found.notes == ["not spoken: 悲しい ♪"]
    assert [word.text for word in found.words] == TEXT.split()


def test_of_a_very_long_text_the_rest_is_counted(photo: Path) -> None:
    found = own_of(photo, text="the window was broken and nobody came " * 270)
    (note,) = found.notes
    assert re.match(r"speech of more than \d+\.\d s is longer than the window of 6\.4 s", note)
    assert note.endswith(" more words”") and len(note) < 500
    assert len(found.audio) == settings.SIZE * settings.HOP and len(found.words) > 10


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
    with pytest.raises(ValueError, match=r"fused\.keras is no model that Keras can read: "):
        own_of(photo, file, text=TEXT)


@pytest.mark.slow
def test_a_trained_network_is_read_where_nothing_else_was_imported(
    network: keras.Model, tmp_path: Path
) -> None:
    network.save(tmp_path / "fused.keras")
    code = "import sys; from sierlib.explorer import pair; pair._load_model(sys.argv[1])"
    command = [sys.executable, "-c", code, str(tmp_path / "fused.keras")]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_a_model_that_would_bring_code_along_is_refused_with_the_reason(
    photo: Path, tmp_path: Path
) -> None:
    class Gate(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x

    layers = {
        "custom": (Gate(), "Could not locate class 'Gate'"),
        "lambda": (keras.layers.Lambda(lambda x: x), "`Lambda` layer.* disallowed"),
    }
    for name, (layer, reason) in layers.items():
        keras.Sequential([keras.Input((4,)), layer]).save(tmp_path / f"{name}.keras")
        with pytest.raises(ValueError, match=rf"{name}\.keras is no model .*{reason}") as told:
            own_of(photo, tmp_path / f"{name}.keras", text=TEXT)
        assert len(str(told.value)) < 500 and "\n" not in str(told.value)
    (tmp_path / "model.h5").write_bytes(b"\x89HDF")
    with pytest.raises(ValueError, match=r"model\.h5 is not a \.keras file"):
        own_of(photo, tmp_path / "model.h5", text=TEXT)


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
        and first.explanation.method == method
        and set(first.explanations) == set(settings.CLASSES)
    )
    np.testing.assert_array_equal(first.audio, second.audio)
    for name in settings.CLASSES:
        np.testing.assert_array_equal(
            first.explanations[name].speech_map, second.explanations[name].speech_map
        )
    assert first.payload()["explanations"].keys() == {method}
    assert Explorer(samples=[first.payload()]).samples[0]["predicted"] == first.predicted
