"""Made-up manifests and estimates, whose answers are known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sierbook import numbers, statistics
from sierbook.cases import ExplainedRow
from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.experiment.models import NETWORKS
from sierlib.experiment.scores import score_predictions
from sierlib.run import Run

ANGER, HAPPY, HATE, SAD = range(4)


def in_plain(said: Iterable[str]) -> list[str]:
    """Return sentences as a reader sees them, each of whose results is found to have its key."""
    sentences = list(said)
    for sentence in sentences:
        rest = numbers.MARK.sub("", sentence)
        assert not re.search(r"\d ?%|\d points|\d\.\d\d", rest), sentence
    return [numbers.plain(sentence) for sentence in sentences]


#: Differences whose intervals are above zero, below it, and on both sides.
ABOVE = {"value": 0.1, "low": 0.05, "high": 0.15, "n": 100}
BELOW = {"value": -0.1, "low": -0.15, "high": -0.05, "n": 100}
NEITHER = {"value": 0.0, "low": -0.05, "high": 0.05, "n": 100}


def accuracy(value: float, half: float = 0.05) -> dict[str, Any]:
    """An accuracy with an interval of that reach on either side."""
    return {"value": value, "low": value - half, "high": value + half, "n": 100}


def forged(
    *rows: tuple[list[float], list[float]], truth: list[str] | None = None
) -> tuple[pd.DataFrame, dict]:
    """Manifest rows for the given opinions of both teachers, labelled by the rule; and what was
    planted in them."""
    ser, ier = (np.array([row[side] for row in rows]) for side in (0, 1))
    rule = label_rule.max_rule(ser, ier)
    manifest = pd.DataFrame(
        {
            "id": [f"p{n}" for n in range(len(rows))],
            "label": [settings.CLASSES[c] for c in rule["label"]],
        }
    )
    for role, said in (("ser", ser), ("ier", ier)):
        manifest[[f"{role}_{name}" for name in settings.CLASSES]] = said
    manifest["winner"], manifest["split"] = rule["winner"], "test"
    planted = {
        name: {"emotion": emotion, **{m: {"emotion": emotion} for m in settings.ROLES.values()}}
        for name, emotion in zip(manifest["id"], truth or [], strict=False)
    }
    return manifest, planted


def sure(code: int, by: float) -> list[float]:
    """An opinion that names one class, and spreads the rest evenly."""
    return [by if other == code else (1 - by) / 3 for other in range(4)]


def written(
    folder: Path,
    manifest: pd.DataFrame,
    truth: dict[str, Any],
    discarded: pd.DataFrame | None = None,
) -> Run:
    """A run that holds no more than these rows."""
    place = folder / "dataset"
    place.mkdir(parents=True)
    for name, frame in (
        ("manifest", manifest),
        ("discarded", manifest.head(0) if discarded is None else discarded),
    ):
        frame.assign(text="words").to_csv(place / f"{name}.csv", index=False)
    lines = [json.dumps({"id": name, **value}) + "\n" for name, value in truth.items()]
    if lines:
        (place / "truth.jsonl").write_text("".join(lines), encoding="utf-8")
    return Run(settings.profile("smoke"), "synthetic", "synthetic", "synthetic", 0, folder)


def evaluated(
    labels: list[int], fused: list[int], planted: list[int] | None = None, teachers: bool = True
) -> dict[str, Any]:
    """Results of notebook 04 for made-up rows, of which the halves say the first class only."""
    halves = dict.fromkeys(("speech", "image"), np.zeros(len(labels), int))
    networks = {"fused": np.array(fused), **halves}
    others = dict.fromkeys(("ser teacher", "ier teacher"), np.array(labels)) if teachers else {}
    answers = {"labels": np.array(labels)}
    if planted is not None:
        answers["truth"] = np.array(planted)
    scores, differences = {}, {}
    for kind, answer in answers.items():
        asked = networks | others
        if kind == "truth":
            asked = asked | {"label": answers["labels"]}
        scores[kind] = {name: score_predictions(answer, said) for name, said in asked.items()}
        right = {name: said == answer for name, said in networks.items()}
        differences[kind] = {
            name: statistics.paired_difference(right["fused"], right[name], 0) for name in halves
        }
    made = {"profile": "quick", "data": "pairs:mine.csv", "date": "2026-01-01", "seed": 0}
    return {
        "notebook": "04-results",
        "provenance": made | {"recorded": False},
        "scores": scores,
        "differences": differences,
        "relations": {},
        "calibration": {"fused": {"ece": 0.1}},
        "comparisons": [],
    }


def audited(n: int, planted: bool, teachers: bool) -> dict[str, Any]:
    """Results of notebook 07 for `n` test rows; without teachers or truth much is empty."""
    right = accuracy(0.8)
    teacher = {"accuracy": right}
    partners = {"any row": {"difference": BELOW}, "the same label": {"difference": NEITHER}}
    blanked = {name: {"difference": BELOW} for name in ("silence", "grey image")}
    repeated = {"difference": NEITHER} if n > 1 else None
    return {
        "notebook": "07-experiment",
        "teachers": {"ser": teacher, "ier": teacher} if teachers else {},
        "relabelled": {"share": 0.1} if teachers else {},
        "label_provenance": {"noise": {"all": teacher} if planted and teachers else {}},
        "shortcuts": {
            "split": {"repeated": n - 1, "on_repeated": repeated},
            "same_picture": n - 1,
            "blanked": blanked,
            "exchanged": {"image": partners, "speech": partners},
        },
    }


def asked_of_explanations(n: int, planted: bool) -> dict[str, Any]:
    """Results of notebook 08 for `n` samples; where nothing was planted, or too few, none is
    scored."""
    row = {"rival": "random", "share": 0.5, "chance": 0.2, "ahead": ABOVE}
    scored = settings.MODALITIES if planted and n > 1 else ()
    areas = [
        {"measure": "deletion", "part": "joint", "method": name, "mean": {"value": value}}
        for name, value in (("owen", 0.2), ("random", 0.4))
    ]
    return {
        "notebook": "08-explanations",
        "planted": [row | {"part": part} for part in scored],
        "scores": areas,
        "randomised": [{"method": "owen", "value": 0.1}] if n > 1 else [],
        "speech_share": 0.4,
    }


#: Both agree and are right; speech wins and is right; the image wins and is wrong; both are wrong.
FOUR = forged(
    (sure(HAPPY, 0.9), sure(HAPPY, 0.8)),
    (sure(SAD, 0.9), sure(HAPPY, 0.6)),
    (sure(SAD, 0.6), sure(HATE, 0.7)),
    (sure(ANGER, 0.7), sure(ANGER, 0.9)),
    truth=["happy", "sad", "sad", "happy"],
)


def made_up_scores() -> pd.DataFrame:
    """Shares on the image of 20 samples: `owen` is ahead of the two others by a tenth on each."""
    rows = []
    for number, noise in enumerate(np.random.default_rng(0).normal(0, 0.1, 20)):
        for method, base in (("owen", 0.6), ("sampled", 0.5), ("random", 0.5)):
            row = {"id": number, "method": method, "part": "image", "measure": "share"}
            rows.append(row | {"value": base + noise, "chance": 0.2})
    return pd.DataFrame(rows)


def history_of(
    name: str, right: float, repeat: int = 0, profile: str = "full", rows: int = 50
) -> dict[str, Any]:
    """A made-up history of a network that gets a share of its rows right."""
    answers = np.arange(rows) % 4
    guesses = np.where(np.arange(rows) < right * rows, answers, (answers + 1) % 4)
    scores = score_predictions(answers, guesses)
    epochs = [
        {"accuracy": 0.5, "val_accuracy": 0.4, "loss": 1.0, "val_loss": loss}
        for loss in (3.0, 2.0, 2.5)
    ]
    return {
        "title": NETWORKS[name].title,
        "spec": NETWORKS[name].as_dict(),
        "fold": 0,
        "repeat": repeat,
        "epochs": epochs,
        "best_epoch": 2,
        "seconds": 10.0,
        "parameters": 1_000,
        "rows": {"train": 100, "validation": rows, "test": rows},
        "validation": scores,
        "test": scores,
        "provenance": {"profile": profile, "data": "synthetic", "date": "2026-01-01"},
    }


def explained_row(row: dict[str, str], found: Any) -> ExplainedRow:
    """A row that is predicted to be sad, with an explanation and no inputs."""
    return ExplainedRow(
        row=row,
        item=None,  # type: ignore[arg-type]
        audio=np.zeros(0),
        speech=np.zeros(0),
        image=np.zeros(0),
        probabilities=np.eye(4)[3],
        words=[],
        explanations={"sad": {"owen": found}},
    )


def planted_truth(relation: str, box: list[int]) -> dict[str, Any]:
    return {
        "relation": relation,
        "emotion": "sad",
        "speech": {"emotion": "sad", "emotion_words": [0]},
        "image": {"emotion": "sad", "boxes": [box]},
    }
