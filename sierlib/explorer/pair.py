"""Explain a photograph with a sentence or recording of one's own."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from sierlib import settings
from sierlib.data import images, speech
from sierlib.data.corpora import Unusable
from sierlib.explorer import listening
from sierlib.explorer.payload import Payload, sample_payload
from sierlib.shapley.explain import Explanation, ProgressCall, explain

MAX_LOST = 40  # words beyond the window that are listed
PICTURE_SIZE = 256  # pixels of the picture in the page, twice what the network sees


@dataclass(frozen=True)
class OwnPair:
    """A photograph and speech of one's own, the prediction and its explanation.

    Parameters
    ----------
    name, picture, text
        The picture's name, (height, width, 3) uint8 for people, and the text as it was given (""
        for none).
    inputs
        What the network sees: `speech` (128, 128, 1) and `image` (128, 128, 3), float32 in [0, 1].
    audio, words, unheard
        The sound inside the window, float32 (samples,) at 16 kHz, the words in it, and those that
        were said after it.
    probabilities, explanations
        By class.
    target
        The class that is shown first.
    percentile, keep, recognised
        Speech of less importance is silenced (Section 3.3); bool (128,), the frames that are not;
        what the recogniser hears in them.
    notes
        What to know of the input, such as that it was cut.
    model
        The network.
    """

    name: str
    picture: np.ndarray
    text: str
    inputs: dict[str, np.ndarray]
    audio: np.ndarray
    words: list[speech.Word]
    unheard: list[speech.Word]
    probabilities: dict[str, float]
    explanations: dict[str, Explanation]
    target: str
    percentile: float
    keep: np.ndarray
    recognised: str
    notes: list[str]
    model: Any

    @property
    def predicted(self) -> str:
        """Name of the predicted class."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def explanation(self) -> Explanation:
        """The explanation of the target."""
        return self.explanations[self.target]

    def payload(self) -> Payload:
        """Return the sample as `sierlib.explorer.widget.Explorer` takes it."""
        return sample_payload(
            self.name,
            image=self.picture,
            sound=self.audio,
            log_mel=self.inputs["speech"],
            words=[*self.words, *self.unheard],
            scores=list(self.probabilities.values()),
            classes=list(self.probabilities),
            text=self.text,
            alt=f"Your picture, {self.name}",
            explanations={self.explanation.method: self.explanations},
        )


def explain_own(
    model: Any,
    image: Any,
    *,
    text: str | None = None,
    audio: str | Path | None = None,
    method: str = "owen",
    depth: int = 6,
    target: int | str | None = None,
    percentile: float = settings.SILENCE_PERCENTILE,
    seed: int = 0,
    progress: bool | ProgressCall | None = None,
) -> OwnPair:
    """Predict and explain a photograph with a sentence or a recording.

    Parameters
    ----------
    model
        What `sierlib.shapley.explain` takes, or the path of a ``.keras`` file, or of a run
        (its ParallelNet is taken).
    image
        A picture file, or (height, width, 3), uint8 or floats in [0, 1].
    text
        What the voice speaks; beside `audio`, what is said in the recording.
    audio
        A recording that `sierlib.data.speech.read_audio` can read.
    method, depth, seed, progress
        As `sierlib.shapley.explain` takes them; the seed also is the voice's.
    target
        The class to show first; None or "all" for the predicted one. All are explained, from the
        same evaluations.
    percentile
        Speech whose importance is below it is silenced.

    Raises
    ------
    ValueError, FileNotFoundError
        When something given is not as above; as `Unusable` for a file that cannot be read or a text
        without words.
    """
    if text is None and audio is None:
        raise ValueError(
            "neither text nor audio was given; expected a sentence to speak, a recording, or both"
        )
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile={percentile}; expected a number from 0 to 100")
    name, pixels, picture = _read_picture(image)
    sound, words, unheard, notes = _read_speech(text, audio, seed)
    model = _load_model(model)
    inputs: dict[str, Any] = {
        "speech": speech.log_mel(sound),
        "image": pixels.astype(np.float32) / 255,
    }
    # Four evaluations tell whether the class exists before thousands are made.
    first = explain(model, **inputs, target=None if target == "all" else target, depth=0)
    by_class = explain(
        model, **inputs, target="all", method=method, depth=depth, seed=seed, progress=progress
    )
    explanations = {str(key): explanation for key, explanation in by_class.items()}
    shown = list(explanations)[first.target]
    # Silence what matters little for that class, and listen to the rest.
    importance = listening.time_importance(explanations[shown].speech_map)
    keep = listening.keep_frames(importance, listening.spoken_frames(sound), percentile)
    heard = speech.recognise(listening.silence(sound, keep))
    probabilities = {key: explanation.value for key, explanation in explanations.items()}
    return OwnPair(
        name=name,
        picture=picture,
        text=text or "",
        inputs=inputs,
        audio=sound,
        words=words,
        unheard=unheard,
        probabilities=probabilities,
        explanations=explanations,
        target=shown,
        percentile=float(percentile),
        keep=keep,
        recognised=" ".join(word.text for word in heard),
        notes=notes,
        model=model,
    )


def _load_model(model: Any) -> Any:
    """Return a model, read where a path is given."""
    from sierlib.networks import parallelnet  # noqa: F401, Keras finds ParallelNet's layers in it

    if not isinstance(model, str | Path):
        return model
    path = Path(model) / "models" / "fused.keras" if Path(model).is_dir() else Path(model)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; expected a run's folder with a trained model, or a .keras file"
        )
    if path.suffix != ".keras":
        raise ValueError(f"{path} is not a .keras file, the only kind that cannot bring code along")
    _check_archive(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever is wrong with a stranger's file, it is the file
        raise ValueError(
            f"{path} is no model that Keras can read: {_first_sentences(error)}"
        ) from error


#: What Keras writes into a network's file, and does not compress: what is, may be a bomb.
_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}


def _check_archive(path: Path) -> None:
    """Stop before anything of a model's file is unpacked that Keras has not packed."""
    try:
        members = zipfile.ZipFile(path).infolist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is no model that Keras can read: no zip archive") from error
    if any(each.filename not in _MEMBERS or each.compress_type for each in members):
        raise ValueError(f"{path} is refused: Keras compresses nothing and packs no other files")


def _first_sentences(error: Exception) -> str:
    """Return what an error of Keras says, without the configurations that it quotes."""
    reason = str(error).rpartition("Exception encountered: ")[2]
    return ". ".join(" ".join(reason.split()).split(". ")[:2])[:300].rstrip(".")


def _read_file(read: Callable[..., Any], path: str | Path, *options: Any) -> Any:
    """Read a file, or say which one is unusable."""
    try:
        return read(Path(path), *options)
    except Unusable as problem:
        raise Unusable(f"{path}: {problem}") from problem


def _read_picture(image: Any) -> tuple[str, np.ndarray, np.ndarray]:
    """Return a picture's name, its pixels as the network sees them, and as people do."""
    if isinstance(image, str | Path):
        pixels = _read_file(images.read_image, image)
        picture = _read_file(images.read_image, image, PICTURE_SIZE)
        return Path(image).stem, pixels, picture
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise ValueError(
            f"image has shape {array.shape}; expected (height, width, 3), or a picture file"
        )
    if array.dtype.kind == "f" and ((array >= 0) & (array <= 1)).all():
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ValueError(
            f"image has values of type {array.dtype}; expected uint8, or floats in [0, 1]"
        )
    size = (settings.SIZE, settings.SIZE)
    pixels = Image.fromarray(array).resize(size, Image.Resampling.LANCZOS)
    return "own", np.asarray(pixels), array


def _read_speech(
    text: str | None, audio: str | Path | None, seed: int
) -> tuple[np.ndarray, list[speech.Word], list[speech.Word], list[str]]:
    """Return the sound inside the window, the words in it and after it, and notes on both."""
    if audio is None:
        sentence, unspoken = speech.read_aloud(text or "")
        said = speech.spoken_part(sentence)
        sound = speech.speak(said, seed=seed)
        beyond = sentence[len(said) :].split()
        notes = [f"not spoken: {' '.join(unspoken)}"] if unspoken else []
    else:
        said, beyond = _read_transcript(text), []
        sound, notes = _read_file(speech.read_recording, audio)
        if text is not None and not said:
            notes.append("the transcript has no words: they were recognised")
    sound = np.pad(sound, (0, max(0, settings.HOP - len(sound))))  # one frame at least
    window = sound[: settings.SIZE * settings.HOP]
    silent = not speech.log_mel(window).any()
    words: list[speech.Word] = []
    if not silent:
        words, doubts = _find_words(sound, window, said, recorded=audio is not None)
        notes += doubts
    inside = [word for word in words if word.start < settings.WINDOW_SECONDS]
    unheard = words[len(inside) :]
    if len(sound) > len(window):
        lost = [word.text for word in unheard] + beyond
        notes.append(_describe_cut(sound, lost, said_all=not beyond))
    if silent:
        part = "the recording is"
        if sound[len(window) :].any():
            part = f"the first {settings.WINDOW_SECONDS:.1f} s are"
        notes.append(f"{part} silent: no words were found")
    elif not inside:
        notes.append("no words were found")
    return window, inside, unheard, notes


def _read_transcript(text: str | None) -> str:
    """Return the words of a transcript, "" where there are none."""
    try:
        return speech.clean_transcript(text or "")
    except Unusable:
        return ""


def _find_words(
    sound: np.ndarray, window: np.ndarray, sentence: str, *, recorded: bool
) -> tuple[list[speech.Word], list[str]]:
    """Align what is said to the sound, or recognise it; return what is doubtful about it too."""
    if not sentence:
        return speech.recognise(window), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        words = speech.align(sound, sentence)
    if recorded and not speech.fits_sound(sentence, sound):
        doubt = (
            "the transcript does not seem to fit the sound, or there is too much noise to tell: "
            "the times of its words are guesses"
        )
        return words, [doubt]
    return words, [str(each.message) for each in caught if issubclass(each.category, UserWarning)]


def _describe_cut(sound: np.ndarray, lost: list[str], *, said_all: bool) -> str:
    """Say how much of the sound lies beyond the window, and which words are lost with it."""
    seconds = len(sound) / settings.SAMPLE_RATE
    window = settings.WINDOW_SECONDS
    more = "" if said_all else "more than "  # the voice has not said all
    note = (
        f"speech of {more}{seconds:.1f} s is longer than the window of {window:.1f} s: "
        f"{more}{seconds - window:.1f} s were cut"
    )
    if not lost:
        return note
    shown = " ".join(lost[:MAX_LOST])
    if len(lost) > MAX_LOST:
        shown += f" … and {len(lost) - MAX_LOST:,} more words"
    return f"{note}, and with them “{shown}”"
