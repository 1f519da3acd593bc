"""Explained rows of a run's manifest: choose them, predict and explain them (Section 5.2, Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.data import speech
from sierlib.data.corpora import Item
from sierlib.data.feed import read_inputs
from sierlib.data.shards import item_sound
from sierlib.data.speech import Word
from sierlib.experiment.manifest import find_items
from sierlib.explorer import listening
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
        found = self.of()
        lead = float(listening.speech_lead(found.speech_value, found.image_value))
        return self.predicted == self.row["label"] and lead > 0


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
    list of Explained
        In the order of `rows`.
    """
    items = find_items(run, list(rows["id"]))
    given = read_inputs(rows, run.folder / "dataset")
    probabilities = np.asarray(model.predict(given, verbose=0), dtype=np.float64)
    explained = []
    for place, row in enumerate(rows.to_dict("records")):
        item = items[row["id"]]
        audio = item_sound(item)
        words = (
            speech.align(audio, row["text"]) if item.text is not None else speech.recognise(audio)
        )
        case = ExplainedRow(
            row,
            item,
            audio,
            given["speech"][place],
            given["image"][place],
            probabilities[place],
            words,
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
            by_class = (
                found
                if isinstance(found, dict)
                else {case.predicted if target is None else target: found}
            )
            for name, value in by_class.items():
                case.explanations.setdefault(str(name), {})[method] = value
        explained.append(case)
    return explained


def choose_rows(
    rows: pd.DataFrame, probabilities: np.ndarray, count: int, lead: np.ndarray | None = None
) -> pd.DataFrame:
    """Choose test rows to explain as Fig. 4 does: two "sad" ones, the other classes, and some in
    which speech decides.

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
        ahead = pd.Series(lead, index=rows.index)[
            (predicted == rows["label"].to_numpy()) & (np.asarray(lead) > 0)
        ]
        decided = list(ahead.sort_values(ascending=False).index[: -(-count // 3)])
        count -= len(decided)
    others = rows.drop(index=decided)
    sure = pd.Series(probabilities.max(axis=1), index=rows.index)[others.index].sort_values(
        ascending=False
    )
    queues = {
        name: list(sure.index[others["label"][sure.index] == name]) for name in settings.CLASSES
    }
    chosen: list[Any] = []
    order = ("sad", "sad", "hate", "anger", "happy")
    turn = 0
    while len(chosen) < min(count, len(others)):
        queue = queues[order[turn % len(order)]]
        turn += 1
        if queue:
            # Not the very surest, which look alike: the first quarter's last.
            chosen.append(queue.pop(len(queue) // 4))
    return rows.loc[[*chosen, *decided]]


def teacher_payload(row: dict[Any, Any]) -> dict[str, Any] | None:
    """Return both teachers' opinions on a manifest row as the explorer takes them; None where none
    was asked."""
    if row["winner"] == "given":
        return None
    opinion = {
        modality: [float(row[f"{role}_{name}"]) for name in settings.CLASSES]
        for role, modality in (("ser", "speech"), ("ier", "image"))
    }
    return {**opinion, "winner": {"ser": "speech", "ier": "image"}[row["winner"]]}


def _describe_picture(case: ExplainedRow) -> str:
    """Say what a picture shows to those who do not see it; of a photograph nothing is known but its
    label."""
    drawn = [
        f"{element['kind']} ({element['emotion']})" if element["emotion"] else str(element["kind"])
        for element in reversed(
            (case.item.scene or {}).get("elements", [])
        )  # those that carry an emotion come last
    ]
    shown = f", showing {', '.join(drawn)}" if drawn else ""
    return f"Picture of sample {case.row['id']}, labelled {case.row['label']}{shown}"


def case_payload(
    case: ExplainedRow, methods: Sequence[str] = ("owen", "published")
) -> dict[str, Any]:
    """Return an explained pair as the explorer takes it."""
    from sierlib.data.shards import item_picture
    from sierlib.explorer.payload import sample_payload

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
        explanations={
            method: {name: by[method] for name, by in case.explanations.items()}
            for method in methods
        },
    )
