"""Explain a photograph with a sentence or recording of one's own, and write what was found as a folder with a page."""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import keras
import numpy as np
import soundfile
from matplotlib import pyplot as plt
from PIL import Image

from sierlib import explanation, explorer, images, plots, runs, settings, shapley, speech
from sierlib import networks as networks  # registers the layers that saved models need
from sierlib.corpora import Unusable
from sierlib.speech import Word

PAGE = Path(explorer.__file__).parent / "page.html"
SHOWN = 256  # pixels of the picture in the page, twice what the network sees
_VALUES = ("base_value", "value", "speech_value", "image_value", "interaction", "n_evals")


@dataclass(frozen=True)
class Own:
    """A photograph and speech of one's own, the prediction and its explanation.

    Parameters
    ----------
    name, picture, text
        The picture's name, (height, width, 3) uint8 for people, and the text as it was given ("" for none).
    inputs
        What the network sees: `speech` (128, 128, 1) and `image` (128, 128, 3), float32 in [0, 1].
    audio, words
        The sound inside the window, float32 (samples,) at 16 kHz, and the words in it.
    probabilities, explanations
        By class.
    target
        The class that is shown first.
    percentile, keep, recognised
        Speech of less importance is silenced (Section 3.3); bool (128,), the frames that are not; what the recogniser
        hears in them.
    notes
        What to know of the input, such as that it was cut.
    """

    name: str
    picture: np.ndarray
    text: str
    inputs: dict[str, np.ndarray]
    audio: np.ndarray
    words: list[Word]
    probabilities: dict[str, float]
    explanations: dict[str, shapley.Explanation]
    target: str
    percentile: float
    keep: np.ndarray
    recognised: str
    notes: list[str]

    @property
    def predicted(self) -> str:
        """Name of the predicted class."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def found(self) -> shapley.Explanation:
        """The explanation of the target."""
        return self.explanations[self.target]

    def payload(self) -> dict[str, Any]:
        """Return the sample as `sierlib.explorer.Explorer` takes it."""
        return explorer.sample_payload(
            self.name, image=self.picture, sound=self.audio, log_mel=self.inputs["speech"], words=self.words,
            scores=list(self.probabilities.values()), classes=list(self.probabilities), text=self.text,
            alt=f"Your picture, {self.name}", explanations={self.found.method: self.explanations},
        )  # fmt: skip


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
    progress: bool | Callable[[float], object] | None = None,
) -> Own:
    """Predict and explain a photograph with a sentence or a recording.

    Parameters
    ----------
    model
        What `sierlib.shapley.explain` takes, or the path of a ``.keras`` file, or of a run (its ParallelNet is taken).
    image
        A picture file, or (height, width, 3), uint8 or floats in [0, 1].
    text
        What the voice speaks; beside `audio`, what is said in the recording.
    audio
        A recording that `sierlib.speech.read_audio` can read.
    method, depth, seed, progress
        As `sierlib.shapley.explain` takes them; the seed also is the voice's.
    target
        The class to show first; None or "all" for the predicted one. All are explained, from the same evaluations.
    percentile
        Speech whose importance is below it is silenced.

    Raises
    ------
    ValueError, FileNotFoundError
        When something given is not as above; as `Unusable` for a file that cannot be read or a text without words.
    """
    if text is None and audio is None:
        raise ValueError("neither text nor audio was given; expected a sentence to speak, a recording, or both")
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile={percentile}; expected a number from 0 to 100")
    name, pixels, picture = _seen(image)
    sound, words, notes = _heard(text, audio, seed)
    model = _loaded(model)
    inputs: dict[str, Any] = {"speech": speech.log_mel(sound), "image": pixels.astype(np.float32) / 255}
    # Four evaluations tell whether the class exists before thousands are made.
    number = shapley.explain(model, **inputs, target=None if target == "all" else target, depth=0).target
    found = shapley.explain(model, **inputs, target="all", method=method, depth=depth, seed=seed, progress=progress)
    explanations = {str(key): one for key, one in found.items()}
    shown = list(explanations)[number]
    importance = explanation.time_importance(explanations[shown].speech_map)
    keep = explanation.keep_frames(importance, explanation.spoken_frames(sound), percentile)
    recognised = " ".join(word.text for word in speech.recognise(explanation.silence(sound, keep)))
    probabilities = {key: one.value for key, one in explanations.items()}
    return Own(
        name, picture, text or "", inputs, sound, words, probabilities, explanations, shown, float(percentile), keep,
        recognised, notes,
    )  # fmt: skip


def _loaded(model: Any) -> Any:
    """Return a model, read where a path is given."""
    if not isinstance(model, str | Path):
        return model
    path = Path(model) / "models" / "fused.keras" if Path(model).is_dir() else Path(model)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; expected a run's folder with a trained model, or a .keras file")
    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no model that Keras can read; expected a .keras file") from error


def _read(read: Callable[[Path], Any], path: str | Path) -> Any:
    """Read a file, or say which one is unusable."""
    try:
        return read(Path(path))
    except Unusable as problem:
        raise Unusable(f"{path}: {problem}") from problem


def _seen(image: Any) -> tuple[str, np.ndarray, np.ndarray]:
    """Return a picture's name, its pixels as the network sees them, and as people do."""
    if isinstance(image, str | Path):
        seen = _read(lambda path: (images.read_image(path), images.read_image(path, SHOWN)), image)
        return Path(image).stem, *seen
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise ValueError(f"image has shape {array.shape}; expected (height, width, 3), or a picture file")
    if array.dtype.kind == "f" and np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1:
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ValueError(f"image has values of type {array.dtype}; expected uint8, or floats in [0, 1]")
    size = (settings.SIZE, settings.SIZE)
    return "own", np.asarray(Image.fromarray(array).resize(size, Image.Resampling.LANCZOS)), array


def _heard(text: str | None, audio: str | Path | None, seed: int) -> tuple[np.ndarray, list[Word], list[str]]:
    """Return the sound inside the window, the words in it, and notes on both."""
    spoken = "" if text is None else speech.clean_text(text)
    sound = speech.speak(spoken, seed=seed) if audio is None else _read(speech.read_audio, audio)
    sound = np.pad(sound, (0, max(0, settings.HOP - len(sound))))  # one frame at least
    heard, window = sound[: settings.SIZE * settings.HOP], settings.WINDOW_SECONDS
    notes, found, silent = [], [], not speech.log_mel(heard).any()
    if not silent:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            found = speech.align(sound, spoken) if spoken else speech.recognise(heard)
        notes = [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]
    words = [word for word in found if word.start < window]
    if len(sound) > len(heard):
        seconds, lost = len(sound) / settings.SAMPLE_RATE, " ".join(word.text for word in found[len(words) :])
        notes.append(
            f"speech of {seconds:.1f} s is longer than the window of {window:.1f} s: {seconds - window:.1f} s were cut"
            + (f", and with them “{lost}”" if lost else "")
        )
    if not words:
        quiet = (
            f"the first {window:.1f} s are silent"
            if silent and sound[len(heard) :].any()
            else "the recording is silent"
        )
        notes.append(f"{quiet}: no words were found" if silent else "no words were found")
    return heard, words, notes


def write(own: Own, folder: str | Path) -> Path:
    """Write what was found into a folder.

    Returns
    -------
    Path
        Of ``index.html``, which needs no other file. Beside it ``prediction.json``, the target's maps as ``.npy``
        (values per pixel) and ``.png``, ``sentence.html``, ``speech.wav`` as the network hears it, and the parts of
        it at or above the percentile (``kept.wav``) and below (``removed.wav``).
    """
    folder = runs.ensure(Path(folder))
    for modality in own.inputs:
        _write_map(own, modality, folder / f"{modality}_map")
    kept, removed = (explanation.silence(own.audio, keep) for keep in (own.keep, ~own.keep))
    for name, sound in (("speech", own.audio), ("kept", kept), ("removed", removed)):
        soundfile.write(folder / f"{name}.wav", sound, settings.SAMPLE_RATE)
    values = explanation.word_values(own.words, own.found.speech_map)
    runs.write_json(folder / "prediction.json", _numbers(own, values))
    title = html.escape(f"{own.name}: {own.predicted} ({own.probabilities[own.predicted]:.2f})")
    head = f'<!doctype html>\n<meta charset="utf-8">\n<title>{title}</title>\n'
    (folder / "sentence.html").write_text(head + explanation.sentence_html(own.words, values), encoding="utf-8")
    shown = "predicted" if own.target == own.predicted else own.target
    panel = explorer.static_html([own.payload()], "explorer", target=shown, threshold=round(own.percentile))
    page = Template(PAGE.read_text(encoding="utf-8")).substitute(title=title, summary=_summary(own), explorer=panel)
    (folder / "index.html").write_text(page, encoding="utf-8")
    return folder / "index.html"


def _write_map(own: Own, modality: str, path: Path) -> None:
    """Write a map as numbers, and drawn over its input: orange speaks for the class, purple against it."""
    values, spoken = getattr(own.found, f"{modality}_map"), modality == "speech"
    np.save(path.with_suffix(".npy"), values)
    seen = explanation.spoken_frames(own.audio) if spoken else settings.SIZE
    figure, axis = plt.subplots(figsize=(9, 4) if spoken else (5, 5), dpi=110)
    plots.overlay(own.inputs[modality][:, :seen], values[:, :seen], axis)
    axis.set_title(f"{modality}: {values.sum():+.3f} for {own.target}")
    if spoken:
        axis.set(aspect="auto", ylim=(0, settings.SIZE))  # low frequencies at the bottom
        for word in own.words:
            text = word.text.replace("$", r"\$")
            middle = (word.start + word.end) / 2 / explanation.FRAME_SECONDS
            axis.text(middle, -2, text, rotation=90, ha="center", va="top", fontsize=9)
    figure.savefig(path.with_suffix(".png"), bbox_inches="tight")
    plt.close(figure)


def _numbers(own: Own, values: np.ndarray) -> dict[str, Any]:
    """Return prediction, values, words and notes as plain values."""
    kept = explanation.kept_words(own.words, own.keep)
    return {
        "predicted": own.predicted,
        "probabilities": own.probabilities,
        "target": own.target,
        "method": own.found.method,
        "depth": len(own.found.levels) - 1,
        "explanations": {
            key: {name: getattr(one, name) for name in _VALUES} | {"share": explanation.modality_share(one)}
            for key, one in own.explanations.items()
        },
        "text": own.text,
        "seconds": len(own.audio) / settings.SAMPLE_RATE,
        "words": [{**vars(w), "value": v, "kept": w in kept} for w, v in zip(own.words, values, strict=True)],
        "percentile": own.percentile,
        "recognised_after_silencing": own.recognised,
        "notes": own.notes,
    }


def _summary(own: Own) -> str:
    """Write what one would tell somebody, as HTML."""
    # The first division, because its values add up whatever the method.
    parts = " and ".join(f"{region.value:+.2f} from the {region.modality}" for region in own.found.levels[0])
    lines = [
        f"The score of “{own.target}” is {own.found.value:.2f}: {own.found.base_value:.2f} without any input, {parts}.",
        f"With the speech below percentile {own.percentile:g} of importance silenced, the recogniser hears "
        + (f"“{own.recognised}”." if own.recognised else "no word."),
    ]
    notes = [f'<p class="note">{html.escape(note[0].upper() + note[1:])}.</p>' for note in own.notes]
    return "\n".join([*(f"<p>{html.escape(line)}</p>" for line in lines), *notes])
