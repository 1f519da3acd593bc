"""Rows of a run's manifest, predicted and explained, as in Fig. 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pandas as pd

from sierbook import deletion, privacy
from sierlib import settings
from sierlib.data import speech
from sierlib.data.corpora import Item
from sierlib.data.feed import read_inputs
from sierlib.data.shards import item_picture, item_sound
from sierlib.data.speech import Word
from sierlib.experiment.manifest import GIVEN, find_items
from sierlib.explorer import listening
from sierlib.explorer.payload import Payload, pairs_payload, sample_payload
from sierlib.run import Run
from sierlib.shapley import explain, interactions

#: Regions of the picture whose pairs with words the explorer shows, and coalitions for an estimate.
GRID = (4, 4)
EVALS = 6_000


@dataclass
class ExplainedRow:
    """A pair of the data set with its prediction and the explanation of it.

    Parameters
    ----------
    row
        Its manifest row as a dict, its id and text as they may be shown.
    item
        The corpus item it came from.
    audio
        float32 (samples,), 16 kHz.
    speech, image
        The network's inputs, float32 (128, 128, 1) and (128, 128, 3).
    probabilities
        (4,) of the model.
    words
        The words of the text with their times, by forced alignment, as they may be shown.
    explanations
        By target class name and method: ``explanations["sad"]["owen"]``.
    blurred
        By target class name, the Owen values where what is absent is blurred.
    """

    row: dict[Any, Any]
    item: Item
    audio: np.ndarray
    speech: np.ndarray
    image: np.ndarray
    probabilities: np.ndarray
    words: list[Word]
    explanations: dict[str, dict[str, Any]] = field(default_factory=dict)
    blurred: dict[str, Any] = field(default_factory=dict)

    @property
    def predicted(self) -> str:
        """Name of the predicted class."""
        return settings.CLASSES[int(self.probabilities.argmax())]

    def shown(self, picture: np.ndarray) -> np.ndarray:
        """Return what may be shown of the picture, given in any size."""
        return privacy.show_picture(picture, self.item.image is not None)

    def of(self, target: str | None = None, method: str = "owen") -> Any:
        """Return the explanation of a class (by default the predicted one)."""
        return self.explanations[target or self.predicted][method]

    @property
    def speech_decides(self) -> bool:
        """Whether the prediction is right and the speech decides it (see `decided_by`)."""
        found = self.of()
        right = self.predicted == self.row["label"]
        return listening.decided_by(found.speech_value, found.image_value, right) == "speech"


def explain_rows(
    run: Run,
    model: keras.Model,
    rows: pd.DataFrame,
    *,
    methods: Sequence[str] = ("owen",),
    target: str | None = "all",
    depth: int | None = None,
    blurred: bool = False,
    **options: Any,
) -> list[ExplainedRow]:
    """Predict and explain manifest rows.

    Parameters
    ----------
    rows
        Manifest rows.
    methods, target, depth, options
        Passed to `sierlib.shapley.explain`; `depth` is by default the profile's.
    blurred
        Whether to explain every class against a blurred sample, too, a level coarser.

    Returns
    -------
    list of ExplainedRow
        In the order of `rows`.
    """
    items = find_items(run, list(rows["id"]))
    inputs = read_inputs(rows, run.folder / "dataset")
    probabilities = np.asarray(model.predict(inputs, verbose=0), dtype=np.float64)
    explained = []
    for place, row in enumerate(rows.to_dict("records")):
        item = items[row["id"]]
        audio = item_sound(item)
        words = speech.recognise(audio) if item.text is None else speech.align(audio, row["text"])
        shown = {"id": privacy.mask_id(row["id"]), "text": privacy.mask_text(row["text"])}
        case = ExplainedRow(
            row=row | shown,
            item=item,
            audio=audio,
            speech=inputs["speech"][place],
            image=inputs["image"][place],
            probabilities=probabilities[place],
            words=privacy.mask_words(words),
        )
        sample = (model, case.speech, case.image)
        depth = depth or run.profile.depth
        if blurred:
            # Blurred silence is no baseline that is there already, so this takes longest.
            coarser = max(1, depth - 1)
            case.blurred = explain(*sample, target="all", depth=coarser, baseline="blur", **options)
        for method in methods:
            found = explain(*sample, target=target, depth=depth, method=method, **options)
            by_class = found if isinstance(found, dict) else {target or case.predicted: found}
            for name, explanation in by_class.items():
                case.explanations.setdefault(str(name), {})[method] = explanation
        explained.append(case)
    return explained


def planted_payload(truth: dict[str, Any] | None) -> Payload | None:
    """Return a row's planted truth as the explorer reads it; None where nothing was planted."""
    if not truth:
        return None
    boxes = [np.round(np.divide(box, settings.SIZE), 3) for box in truth["image"]["boxes"]]
    return {
        "emotion": truth["emotion"],
        "relation": truth["relation"],
        "speech": {
            "emotion": truth["speech"]["emotion"],
            "words": list(truth["speech"]["emotion_words"]),
        },
        "image": {"emotion": truth["image"]["emotion"], "boxes": np.array(boxes).tolist()},
    }


def teacher_payload(row: dict[Any, Any]) -> Payload | None:
    """Return both teachers' opinions on a manifest row; None where none was asked."""
    if row["winner"] == GIVEN:
        return None
    payload: Payload = {"winner": settings.ROLES[row["winner"]]}
    for role, modality in settings.ROLES.items():
        payload[modality] = [float(row[f"{role}_{name}"]) for name in settings.CLASSES]
    return payload


def _describe_picture(case: ExplainedRow) -> str:
    """Say what a picture shows to those who do not see it.

    Of a photograph nothing is known but its label.
    """
    elements = (case.item.scene or {}).get("elements", [])
    parts = []
    for element in reversed(elements):  # those that carry an emotion come last
        emotion = f" ({element['emotion']})" if element["emotion"] else ""
        parts.append(f"{element['kind']}{emotion}")
    content = f", showing {', '.join(parts)}" if parts else ""
    return f"Picture of sample {case.row['id']}, labelled {case.row['label']}{content}"


def case_payload(
    case: ExplainedRow,
    methods: Sequence[str] = ("owen", "published"),
    truth: dict[str, Any] | None = None,
    model: keras.Model | None = None,
) -> Payload:
    """Return an explained row as `sierlib.explorer.widget.Explorer` takes it.

    Parameters
    ----------
    truth
        What was planted in it, as `read_truth` has it.
    model
        The network: asked for the scores of what is left at each threshold.
    """
    by_method: dict[str, Payload] = {}
    for method in methods:
        by_method[method] = {name: case.of(name, method) for name in case.explanations}
    payload = sample_payload(
        case.row["id"],
        image=case.shown(item_picture(case.item, 256)),
        sound=case.audio,
        log_mel=case.speech,
        words=case.words,
        scores=list(case.probabilities),
        label=case.row["label"],
        text=case.row["text"],
        alt=_describe_picture(case),
        teachers=teacher_payload(case.row),
        planted=planted_payload(truth),
        explanations=by_method,
        blurred={"owen": case.blurred} if case.blurred else None,
    )
    if model is not None:
        deletion.add_scores(payload, model, case.speech, case.image)
        add_pairs(payload, model, case)
    return payload


def add_pairs(payload: Payload, model: keras.Model, case: ExplainedRow) -> None:
    """Add what words and regions bring together to a payload; nothing where no word is heard."""
    units, numbers, last = [], [], 0.0
    for number, word in enumerate(case.words):
        if last <= word.start < min(word.end, settings.WINDOW_SECONDS):
            units.append(word)
            numbers.append(number)
            last = word.end
    if units:
        target = settings.CLASSES.index(case.predicted)
        found = interactions(
            model, case.speech, case.image, units=units, grid=GRID, target=target, max_evals=EVALS
        )
        payload["pairs"] = pairs_payload(found, numbers, case.predicted)
