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
from sierlib.data import privacy, speech
from sierlib.data.corpora import Item
from sierlib.data.feed import read_inputs
from sierlib.data.shards import item_picture, item_sound
from sierlib.data.speech import Word
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import GIVEN, find_items, labelled_by_teachers
from sierlib.explorer import deletion, listening
from sierlib.explorer.payload import Payload, sample_payload
from sierlib.run import Run
from sierlib.shapley.explain import explain


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
        Whether to explain every class against a blurred sample, too.

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
            case.blurred = explain(*sample, target="all", depth=depth, baseline="blur", **options)
        for method in methods:
            found = explain(*sample, target=target, depth=depth, method=method, **options)
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


def describe_rows(
    rows: pd.DataFrame, values: pd.DataFrame, planted: dict[str, Any]
) -> pd.DataFrame:
    """Say of rows what a reader may want to choose samples by.

    Parameters
    ----------
    rows
        Test rows.
    values
        Of the same rows, with `predicted` and the values of `speech` and `image`.
    planted
        The planted truth by id; empty where nothing was planted.

    Returns
    -------
    pandas.DataFrame
        `label`; `right`, whether the prediction is the label; `decided_by`; `relation`, "agree" or
        "conflict": of the planted emotions, else of the teachers' opinions ("" where nobody was
        asked); `both_for`, whether both modalities speak for a right prediction.
    """
    table = pd.DataFrame({"label": rows["label"].to_numpy()}, index=rows.index)
    table["right"] = values["predicted"].to_numpy() == table["label"]
    sides = values["speech"].to_numpy(), values["image"].to_numpy()
    table["decided_by"] = [
        listening.decided_by(*of) for of in zip(*sides, table["right"], strict=True)
    ]
    table["relation"] = ""
    if planted:
        table["relation"] = [planted[name]["relation"] for name in rows["id"]]
    elif labelled_by_teachers(rows):
        opinions = [label_rule.teacher_opinions(rows, role) for role in settings.ROLES]
        same = opinions[0].argmax(axis=1) == opinions[1].argmax(axis=1)
        table["relation"] = np.where(same, "agree", "conflict")
    table["both_for"] = table["right"] & (sides[0] > 0) & (sides[1] > 0)
    return table


def add_rows(
    chosen: pd.DataFrame, rows: pd.DataFrame, traits: pd.DataFrame, count: int
) -> pd.DataFrame:
    """Add rows until there are `count`, so that of every trait there is something to look at.

    Parameters
    ----------
    chosen
        Those that are there already.
    rows, traits
        All rows, and what `describe_rows` says of them.

    Returns
    -------
    pandas.DataFrame
        The chosen ones, then the others. Each is of those whose traits are rarest so far.
    """
    taken = list(chosen.index)
    left = traits.drop(index=taken)
    while len(taken) < count and len(left):
        seen = traits.loc[taken]
        met = pd.Series(0.0, index=left.index)
        for name in traits:
            met += left[name].map(seen[name].value_counts()).fillna(0)
        taken.append(met.idxmin())
        left = left.drop(index=taken[-1])
    return rows.loc[taken]


def put_showcase_first(
    cases: Sequence[ExplainedRow], planted: dict[str, Any]
) -> list[ExplainedRow]:
    """Put the case first that shows best what an explanation can be.

    It is one that is predicted right, in which both modalities speak for the class, and if possible
    in which planted emotions agree and the strongest word and region are planted ones; of several
    the one whose weaker modality weighs most. Without such a case the order stays.
    """

    def rank(case: ExplainedRow) -> tuple[bool, int, float]:
        found = case.of()
        weaker = min(found.speech_value, found.image_value)
        truth = planted.get(case.row["id"])
        hits = 0
        if truth and truth["relation"] == "agree":
            hits = 1 + _hits_word(case, truth) + _hits_box(case, truth)
        return case.predicted == case.row["label"] and weaker > 0, hits, weaker

    if not cases:
        return []
    best = max(cases, key=rank)
    if not rank(best)[0]:
        return list(cases)
    return [best, *(case for case in cases if case is not best)]


def _hits_word(case: ExplainedRow, truth: dict[str, Any]) -> bool:
    values = listening.word_values(case.words, case.of().speech_map)
    return bool(len(values)) and int(values.argmax()) in truth["speech"]["emotion_words"]


def _hits_box(case: ExplainedRow, truth: dict[str, Any]) -> bool:
    """Tell whether the strongest region touches a planted box."""
    regions = [region for region in case.of().levels[-1] if region.modality == "image"]
    r0, r1, c0, c1 = max(regions, key=lambda region: region.value).box
    return any(
        left < c1 and c0 < right and up < r1 and r0 < down
        for left, up, right, down in truth["image"]["boxes"]
    )


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
    return payload
