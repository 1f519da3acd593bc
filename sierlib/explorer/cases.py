"""Explained rows of a run's manifest, as in Fig. 4: choose them, predict and explain them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import keras
import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.data import speech
from sierlib.data.corpora import Item
from sierlib.data.feed import read_inputs
from sierlib.data.shards import item_picture, item_sound
from sierlib.data.speech import Word
from sierlib.experiment.manifest import GIVEN, find_items
from sierlib.explorer import listening
from sierlib.explorer.payload import Payload, sample_payload
from sierlib.run import Run
from sierlib.shapley.explain import explain


@dataclass
class ExplainedRow:
    """A pair of the data set with its prediction and the explanation of it.

    Parameters
    ----------
    row
        Its manifest row as a dict.
    item
        The corpus item it came from.
    audio
        float32 (samples,), 16 kHz.
    speech, image
        The network's inputs, float32 (128, 128, 1) and (128, 128, 3).
    probabilities
        (4,) of the model.
    words
        The words of the text with their times, by forced alignment.
    explanations
        By target class name and method: ``explanations["sad"]["owen"]``.
    """

    row: dict[Any, Any]
    item: Item
    audio: np.ndarray
    speech: np.ndarray
    image: np.ndarray
    probabilities: np.ndarray
    words: list[Word]
    explanations: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def predicted(self) -> str:
        """Name of the predicted class."""
        return settings.CLASSES[int(self.probabilities.argmax())]

    def of(self, target: str | None = None, method: str = "owen") -> Any:
        """Return the explanation of a class (by default the predicted one)."""
        return self.explanations[target or self.predicted][method]

    @property
    def speech_decides(self) -> bool:
        """Whether the prediction is right and the speech decides it (see `speech_lead`)."""
        explanation = self.of()
        lead = listening.speech_lead(explanation.speech_value, explanation.image_value)
        return self.predicted == self.row["label"] and float(lead) > 0


def explain_rows(
    run: Run,
    model: keras.Model,
    rows: pd.DataFrame,
    *,
    methods: Sequence[str] = ("owen",),
    target: str | None = "all",
    depth: int | None = None,
    **options: Any,
) -> list[ExplainedRow]:
    """Predict and explain manifest rows.

    Parameters
    ----------
    rows
        Manifest rows.
    methods, target, depth, options
        Passed to `sierlib.shapley.explain`; `depth` is by default the profile's.

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
        case = ExplainedRow(
            row=row,
            item=item,
            audio=audio,
            speech=inputs["speech"][place],
            image=inputs["image"][place],
            probabilities=probabilities[place],
            words=words,
        )
        for method in methods:
            found = explain(
                model,
                case.speech,
                case.image,
                target=target,
                depth=depth or run.profile.depth,
                method=method,
                **options,
            )
            by_class = found if isinstance(found, dict) else {target or case.predicted: found}
            for name, explanation in by_class.items():
                case.explanations.setdefault(str(name), {})[method] = explanation
        explained.append(case)
    return explained


def choose_rows(
    rows: pd.DataFrame, probabilities: np.ndarray, count: int, lead: np.ndarray | None = None
) -> pd.DataFrame:
    """Choose test rows to explain as Fig. 4 does.

    Those are two "sad" ones, the other classes, and some in which speech decides.

    Parameters
    ----------
    rows
        Test rows.
    probabilities
        (n, 4) of the model for them.
    count
        How many.
    lead
        (n,) as `speech_lead` gives it. Where it is given, up to a third of the cases, rounded up,
        are those that are predicted right, in which the speech decides and is furthest ahead.

    Returns
    -------
    pandas.DataFrame
        Rows, each class in turn: sad, sad, hate, anger, happy, and so on; then those in which
        speech decides.
    """
    decided: list[Any] = []
    if lead is not None:
        predicted = np.array(settings.CLASSES)[probabilities.argmax(axis=1)]
        ahead = (predicted == rows["label"].to_numpy()) & (np.asarray(lead) > 0)
        leads = pd.Series(lead, index=rows.index)[ahead].sort_values(ascending=False)
        decided = list(leads.index[: -(-count // 3)])
        count -= len(decided)
    # Of the others a queue for each class, the surest first.
    others = rows.drop(index=decided)
    sureness = pd.Series(probabilities.max(axis=1), index=rows.index)[others.index]
    labels = others["label"][sureness.sort_values(ascending=False).index]
    queues = {name: list(labels.index[labels == name]) for name in settings.CLASSES}
    chosen: list[Any] = []
    turns = cycle(("sad", "sad", "hate", "anger", "happy"))
    while len(chosen) < min(count, len(others)):
        queue = queues[next(turns)]
        if queue:
            # Not the very surest, which look alike: the first quarter's last.
            chosen.append(queue.pop(len(queue) // 4))
    return rows.loc[[*chosen, *decided]]


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


def case_payload(case: ExplainedRow, methods: Sequence[str] = ("owen", "published")) -> Payload:
    """Return an explained row as `sierlib.explorer.widget.Explorer` takes it."""
    by_method: dict[str, Payload] = {}
    for method in methods:
        by_method[method] = {name: case.of(name, method) for name in case.explanations}
    return sample_payload(
        case.row["id"],
        image=item_picture(case.item, 256),
        sound=case.audio,
        log_mel=case.speech,
        words=case.words,
        scores=list(case.probabilities),
        label=case.row["label"],
        text=case.row["text"],
        alt=_describe_picture(case),
        teachers=teacher_payload(case.row),
        explanations=by_method,
    )
