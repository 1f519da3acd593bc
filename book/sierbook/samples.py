"""Which samples the book explains: those of Fig. 4's pattern, some of every kind, a showcase."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd

from sierbook.cases import ExplainedRow
from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import labelled_by_teachers
from sierlib.explorer import listening


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
