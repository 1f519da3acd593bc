"""Write an explained pair as a folder: a page that needs no other file, maps, sounds, numbers."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np
import soundfile
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from sierbook.deletion import scored_payload
from sierlib import colours, settings
from sierlib.explorer import listening
from sierlib.explorer.pair import OwnPair
from sierlib.explorer.payload import Payload
from sierlib.explorer.widget import CSS, static_html
from sierlib.files import ensure_folder, replacing, write_json, write_text

PAGE = Path(__file__).parent / "report.html"
#: Of the sentence, shaded by attributes of style, which no hash can name; nothing else may load.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
)
_VALUES = ("base_value", "value", "speech_value", "image_value", "interaction", "n_evals")


def write_page(pair: OwnPair, folder: str | Path) -> Path:
    """Write what was found into a folder.

    Returns
    -------
    Path
        Of ``index.html``, which needs no other file. Beside it ``prediction.json``, the target's
        maps as ``.npy`` (values per pixel) and ``.png``, ``sentence.html``, ``speech.wav`` as the
        network hears it, and the parts of it at or above the percentile (``kept.wav``) and below
        (``removed.wav``).
    """
    folder = ensure_folder(Path(folder))
    # Maps and sounds.
    for modality in pair.inputs:
        _write_map(pair, modality, folder / f"{modality}_map")
    sounds = {
        "speech": pair.audio,
        "kept": listening.silence(pair.audio, pair.keep),
        "removed": listening.silence(pair.audio, ~pair.keep),
    }
    for name, sound in sounds.items():
        content = io.BytesIO()  # where the disk is full, libsndfile does not say so
        soundfile.write(content, sound, settings.SAMPLE_RATE, format="WAV")
        with replacing(folder / f"{name}.wav") as partial:
            partial.write_bytes(content.getvalue())
    # Numbers, and the sentence with its words shaded.
    values = listening.word_values(pair.words, pair.explanation.speech_map)
    write_json(folder / "prediction.json", _collect_numbers(pair, values))
    score = pair.probabilities[pair.predicted]
    title = html.escape(f"{pair.name}: {pair.predicted} ({score:.2f})")
    head = f'<!doctype html>\n<meta charset="utf-8">\n{_POLICY}<title>{title}</title>\n'
    sentence = listening.sentence_html(pair.words, values)
    write_text(folder / "sentence.html", head + sentence)
    # The page with the explorer.
    target = "predicted" if pair.target == pair.predicted else pair.target
    panel = static_html(
        [scored_payload(pair)], "explorer", target=target, threshold=round(pair.percentile)
    )
    template = Template(PAGE.read_text(encoding="utf-8"))
    page = template.substitute(
        title=title,
        summary=_write_summary(pair),
        explorer=panel,
        own=_hash_own(template.template + panel),
    )
    write_text(folder / "index.html", page)
    return folder / "index.html"


def _hash_own(page: str) -> str:
    """Return what allows a page's own scripts and styles in its policy: their hashes."""
    own = re.findall(r"<(?:script|style)\b[^>]*>(.*?)</(?:script|style)>", page, re.DOTALL)
    own.append(CSS)  # the explorer puts it in itself
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in own]
    return " ".join(f"'sha256-{each.decode()}'" for each in digests)


def _write_map(pair: OwnPair, modality: str, path: Path) -> None:
    """Write a map as numbers, and drawn over its input.

    Orange speaks for the class, blue against it.
    """
    values = getattr(pair.explanation, f"{modality}_map")
    with replacing(path.with_suffix(".npy")) as partial:
        np.save(partial, values)
    is_speech = modality == "speech"
    columns = listening.spoken_frames(pair.audio) if is_speech else settings.SIZE
    size = (9, 4) if is_speech else (5, 5)
    figure, axis = plt.subplots(figsize=size, dpi=110, layout="none")
    overlay(pair.inputs[modality][:, :columns], values[:, :columns], axis)
    axis.set_title(f"{modality}: {values.sum():+.3f} for {pair.target}")
    if is_speech:
        axis.set(aspect="auto", ylim=(0, settings.SIZE))  # low frequencies at the bottom
        for word in pair.words:
            middle = (word.start + word.end) / 2 / listening.FRAME_SECONDS
            axis.text(
                middle, -2, word.text,
                rotation=90, ha="center", va="top", fontsize=9, parse_math=False,
            )  # fmt: skip
    with replacing(path.with_suffix(".png")) as partial:
        figure.savefig(partial, bbox_inches="tight")
    plt.close(figure)


def _collect_numbers(pair: OwnPair, values: np.ndarray) -> Payload:
    """Return prediction, values, words and notes as plain values."""
    explanations = {}
    for key, explanation in pair.explanations.items():
        numbers = {name: getattr(explanation, name) for name in _VALUES}
        explanations[key] = numbers | {"share": listening.modality_share(explanation)}
    kept = listening.kept_words(pair.words, pair.keep)
    words = []
    for word, value in zip(pair.words, values, strict=True):
        words.append({**vars(word), "value": value, "kept": word in kept})
    return {
        "predicted": pair.predicted,
        "probabilities": pair.probabilities,
        "target": pair.target,
        "method": pair.explanation.method,
        "depth": len(pair.explanation.levels) - 1,
        "explanations": explanations,
        "text": pair.text,
        "seconds": len(pair.audio) / settings.SAMPLE_RATE,
        "words": words,
        "percentile": pair.percentile,
        "recognised_after_silencing": pair.recognised,
        "notes": pair.notes,
    }


def _write_summary(pair: OwnPair) -> str:
    """Write what one would tell somebody, as HTML."""
    explanation = pair.explanation
    # The first division, because its values add up whatever the method.
    regions = explanation.levels[0]
    parts = " and ".join(f"{region.value:+.2f} from the {region.modality}" for region in regions)
    words = f"“{pair.recognised}”" if pair.recognised else "no word"
    lines = [
        f"The score of “{pair.target}” is {explanation.value:.2f}: {explanation.base_value:.2f} "
        f"without any input, {parts}.",
        f"With the speech below percentile {pair.percentile:g} of importance silenced, the "
        f"recogniser hears {words}.",
    ]
    paragraphs = [f"<p>{html.escape(line)}</p>" for line in lines]
    for note in pair.notes:
        sentence = html.escape(note[0].upper() + note[1:])
        paragraphs.append(f'<p class="note">{sentence}.</p>')
    return "\n".join(paragraphs)


def overlay(
    image: np.ndarray, image_map: np.ndarray, axis: Axes, boxes: Sequence[Sequence[int]] = ()
) -> Axes:
    """Draw a picture in grey under its map: orange speaks for the class, blue against it."""
    top = float(np.abs(image_map).max()) or 1.0
    axis.imshow(image.mean(axis=-1), cmap="gray", vmin=-0.2, vmax=1.2)
    axis.imshow(image_map, cmap=colours.DIVERGING, vmin=-top, vmax=top, alpha=0.65)
    for left, up, right, down in boxes:
        frame = plt.Rectangle((left - 0.5, up - 0.5), right - left, down - up, fill=False)
        frame.set(edgecolor=colours.PLANTED, linewidth=1.6, linestyle="--")
        axis.add_patch(frame)
    axis.axis("off")
    return axis
