"""Real photographs and tweets: what networks that were trained before are worth there, and what
teachers of one corpus say about another (`benchmarks/transfer.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sierbook import statistics
from sierlib import settings
from sierlib.experiment.models import HALVES, NETWORKS, names_in_group, select_rows
from sierlib.experiment.scores import class_codes
from sierlib.experiment.teachers import (
    predict_opinions,
    read_items,
    train_teachers,
)
from sierlib.experiment.train import train_all
from sierlib.run import Run

Array = NDArray[Any]

#: What is compared with what, by the names of networks: what ImageNet weights are worth, what the
#: speech embedding is, and what fusion is.
LEADS = (
    ("pretrained-frozen", "random-frozen"),
    ("pretrained-frozen", "random-trained"),
    ("pretrained-tuned", "random-trained"),
    ("pretrained-tuned", "pretrained-frozen"),
    ("ser", "ser-random"),
    ("fused", "pretrained-frozen"),
    ("fused", "ser"),
    ("fused", "ier"),
)


def score_cells(run: Run) -> dict[str, Any]:
    """Train networks with and without pre-training, and compare them on the test rows.

    Returns
    -------
    dict
        ``rows`` by part; ``groups``, how many the test part has; ``majority``;
        ``networks`` by name: ``title``, ``accuracy``, ``epochs``, ``seconds``, ``parameters``;
        ``leads``: ``one``, ``other`` and the ``difference`` of their accuracies. Intervals draw
        groups of rows, which share words or a picture.
    """
    names = [*names_in_group("pre-training"), *HALVES.values()]
    histories = train_all(run, names)
    rows = select_rows(run, NETWORKS["ser"])
    test = rows["test"]
    answers = class_codes(test["answer"])
    groups = test["group"].to_numpy()
    networks, right = {}, {}
    for (name, _, _), history in histories.items():
        guesses = np.array([int(digit) for digit in history["test_predicted"]])
        right[name] = (guesses == answers).astype(float)
        networks[name] = {
            "title": history["title"],
            "accuracy": statistics.estimate_grouped(right[name], groups, run.seed),
            "epochs": len(history["epochs"]),
            "seconds": history["seconds"],
            "parameters": history["parameters"],
        }
    leads = []
    for one, other in LEADS:
        gain = statistics.estimate_grouped(right[one] - right[other], groups, run.seed)
        leads.append({"one": one, "other": other, "difference": gain})
    return {
        "rows": {part: len(some) for part, some in rows.items()},
        "groups": len(set(groups)),
        "majority": float(np.bincount(answers).max() / len(answers)),
        "networks": networks,
        "leads": leads,
    }


def score_teachers(run: Run) -> dict[str, Any]:
    """Return how right a run's teachers are on held-out items of their own corpora, by role."""
    reports = {role: report for role, (_, report) in train_teachers(run).items()}
    return {
        role: {
            "accuracy": report["held_out"]["accuracy"],
            "majority": report["held_out"]["majority"],
            "learned from": report["rows"]["train"],
        }
        for role, report in reports.items()
    }


def ask_across(runs: Mapping[str, Run]) -> list[dict[str, Any]]:
    """Ask each run's teachers about the held-out items of the other runs' corpora.

    Returns
    -------
    list of dict
        ``modality``, ``learned`` and ``asked`` (names of runs), ``accuracy`` and ``majority`` of
        what was asked.
    """
    found = []
    for role, modality in settings.ROLES.items():
        teachers = {name: train_teachers(run, [role])[role] for name, run in runs.items()}
        for asked, run in runs.items():
            _, items, _, folder, _ = read_items(run, role)
            held = items[items["split"] != "train"]
            truth = class_codes(held["label"])
            for learned, (model, report) in teachers.items():
                opinions = predict_opinions(model, held, folder, report["classes"])
                right = opinions.argmax(axis=1) == truth
                found.append(
                    {
                        "modality": modality,
                        "learned": learned,
                        "asked": asked,
                        "accuracy": statistics.estimate_mean(right, run.seed),
                        "majority": float(np.bincount(truth).max() / len(truth)),
                    }
                )
    return found
