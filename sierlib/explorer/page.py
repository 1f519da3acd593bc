"""Write an explained pair as a folder: a page that needs no other file, maps, sounds, numbers."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import soundfile
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from sierlib import settings
from sierlib.explorer import listening
from sierlib.explorer.pair import OwnPair
from sierlib.explorer.widget import static_html
from sierlib.run import ensure_folder, write_json

#: Colours against and for a class.
DIVERGING = "PuOr_r"

PAGE = Path(__file__).parent / "page.html"
_VALUES = ("base_value", "value", "speech_value", "image_value", "interaction", "n_evals")


def write_page(own: OwnPair, folder: str | Path) -> Path:
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
    for modality in own.inputs:
        _write_map(own, modality, folder / f"{modality}_map")
    kept, removed = (listening.silence(own.audio, keep) for keep in (own.keep, ~own.keep))
    for name, sound in (("speech", own.audio), ("kept", kept), ("removed", removed)):
        soundfile.write(folder / f"{name}.wav", sound, settings.SAMPLE_RATE)
    values = listening.word_values(own.words, own.found.speech_map)
    write_json(folder / "prediction.json", _collect_numbers(own, values))
    title = html.escape(f"{own.name}: {own.predicted} ({own.probabilities[own.predicted]:.2f})")
    head = f'<!doctype html>\n<meta charset="utf-8">\n<title>{title}</title>\n'
    (folder / "sentence.html").write_text(
        head + listening.sentence_html(own.words, values), encoding="utf-8"
    )
    shown = "predicted" if own.target == own.predicted else own.target
    panel = static_html([own.payload()], "explorer", target=shown, threshold=round(own.percentile))
    page = Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=title, summary=_write_summary(own), explorer=panel
    )
    (folder / "index.html").write_text(page, encoding="utf-8")
    return folder / "index.html"


def _write_map(own: OwnPair, modality: str, path: Path) -> None:
    """Write a map as numbers, and drawn over its input: orange speaks for the class, purple against
    it."""
    values, spoken = getattr(own.found, f"{modality}_map"), modality == "speech"
    np.save(path.with_suffix(".npy"), values)
    seen = listening.spoken_frames(own.audio) if spoken else settings.SIZE
    figure, axis = plt.subplots(figsize=(9, 4) if spoken else (5, 5), dpi=110)
    overlay(own.inputs[modality][:, :seen], values[:, :seen], axis)
    axis.set_title(f"{modality}: {values.sum():+.3f} for {own.target}")
    if spoken:
        axis.set(aspect="auto", ylim=(0, settings.SIZE))  # low frequencies at the bottom
        for word in own.words:
            text = word.text.replace("$", r"\$")
            middle = (word.start + word.end) / 2 / listening.FRAME_SECONDS
            axis.text(middle, -2, text, rotation=90, ha="center", va="top", fontsize=9)
    figure.savefig(path.with_suffix(".png"), bbox_inches="tight")
    plt.close(figure)


def _collect_numbers(own: OwnPair, values: np.ndarray) -> dict[str, Any]:
    """Return prediction, values, words and notes as plain values."""
    kept = listening.kept_words(own.words, own.keep)
    return {
        "predicted": own.predicted,
        "probabilities": own.probabilities,
        "target": own.target,
        "method": own.found.method,
        "depth": len(own.found.levels) - 1,
        "explanations": {
            key: {name: getattr(one, name) for name in _VALUES}
            | {"share": listening.modality_share(one)}
            for key, one in own.explanations.items()
        },
        "text": own.text,
        "seconds": len(own.audio) / settings.SAMPLE_RATE,
        "words": [
            {**vars(w), "value": v, "kept": w in kept}
            for w, v in zip(own.words, values, strict=True)
        ],
        "percentile": own.percentile,
        "recognised_after_silencing": own.recognised,
        "notes": own.notes,
    }


def _write_summary(own: OwnPair) -> str:
    """Write what one would tell somebody, as HTML."""
    # The first division, because its values add up whatever the method.
    parts = " and ".join(
        f"{region.value:+.2f} from the {region.modality}" for region in own.found.levels[0]
    )
    lines = [
        f"The score of “{own.target}” is {own.found.value:.2f}: {own.found.base_value:.2f} without "
        f"any input, {parts}.",
        f"With the speech below percentile {own.percentile:g} of importance silenced, the "
        "recogniser hears " + (f"“{own.recognised}”." if own.recognised else "no word."),
    ]
    notes = [
        f'<p class="note">{html.escape(note[0].upper() + note[1:])}.</p>' for note in own.notes
    ]
    return "\n".join([*(f"<p>{html.escape(line)}</p>" for line in lines), *notes])


def overlay(
    image: np.ndarray, image_map: np.ndarray, axis: Axes, boxes: Sequence[Sequence[int]] = ()
) -> Axes:
    """Draw a picture in grey under its map: orange speaks for the class, purple against it."""
    top = float(np.abs(image_map).max()) or 1.0
    axis.imshow(image.mean(axis=-1), cmap="gray", vmin=-0.2, vmax=1.2)
    axis.imshow(image_map, cmap=DIVERGING, vmin=-top, vmax=top, alpha=0.65)
    for left, up, right, down in boxes:
        axis.add_patch(
            plt.Rectangle(
                (left - 0.5, up - 0.5),
                right - left,
                down - up,
                fill=False,
                ec="#00aa88",
                lw=1.6,
                ls="--",
            )
        )
    axis.axis("off")
    return axis
