"""Can networks learn what neither speech nor picture shows alone? A study, recorded.

    .venv/bin/python -m benchmarks.together

Networks of profile `quick` are trained on the embedded corpus, then go on with pairs of the corpus
`together`, whose class only both modalities show (notebook 09); ParallelNet also begins there with
random weights. Their scores on test pairs of that corpus, and what they do with words and regions,
are written to ``book/recorded/together.json`` as each network ends. Of the test part of the
embedded corpus explanations are made, and nothing is chosen by it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np

from sierbook import statistics
from sierbook.faithfulness.interplay import study_network
from sierbook.recorded import RECORDED, TOGETHER
from sierlib import settings
from sierlib.experiment.labels import build_dataset
from sierlib.experiment.models import NETWORKS, select_rows
from sierlib.experiment.scores import class_codes, score_predictions
from sierlib.experiment.train import artefact_name, load_model, train_all
from sierlib.files import write_json
from sierlib.networks.fit import fit_network, predict_rows
from sierlib.run import Run

#: What goes on with the pairs: ParallelNet, the same with addition in Eq. 1, and its halves.
STARTED = ("fused", "addition", "ser", "ier")


def go_on(run: Run, before: Run | None, name: str) -> tuple[dict[str, Any], np.ndarray]:
    """Train a network on pairs that speak together, from the weights that it has from `before`.

    Returns
    -------
    scores, right
        ``title``, ``accuracy``, ``epochs``, ``validation`` (accuracy by epoch) and ``seconds``; and
        by test row whether the network is right.
    """
    spec, rows = NETWORKS[name], select_rows(run, NETWORKS[name])
    learned = load_model(before, name).get_weights() if before else None

    def build() -> Any:
        model = spec.build(spec.adapt(run.profile))
        if learned is not None:
            model.set_weights(learned)
        return model

    eye = np.eye(len(spec.classes), dtype=np.float32)
    model, history = fit_network(
        build,
        rows["train"],
        rows["validation"],
        run.folder / "dataset",
        spec.adapt(run.profile),
        loss=spec.make_loss(),
        targets=lambda some: eye[class_codes(some["answer"], spec.classes)],
        seed=run.seed,
        title=spec.title,
    )
    answers = class_codes(rows["test"]["answer"])
    guesses = predict_rows(model, rows["test"], run.folder / "dataset").argmax(axis=1)
    place = run.folder / "models" / f"{name}.keras"
    place.parent.mkdir(exist_ok=True)
    model.save(place)
    run.done(artefact_name(name), "together", place)
    return {
        "title": spec.title if before else f"{spec.title}, from random weights",
        "accuracy": score_predictions(answers, guesses)["accuracy"],
        "validation": [row["val_accuracy"] for row in history["epochs"]],
        "epochs": len(history["epochs"]),
        "seconds": history["seconds"],
    }, guesses == answers


def main() -> None:
    """Train, score and record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--pairs", type=int, default=2_400, help="of the corpus together")
    parser.add_argument("--samples", type=int, default=24, help="in which pairs are looked for")
    asked = parser.parse_args()
    before = Run.open(asked.profile)
    build_dataset(before)
    train_all(before, STARTED)
    run = Run.open(asked.profile, "together")
    # From weights that have learned, slower and for longer than `quick` begins.
    changes = {"pairs": asked.pairs, "epochs": 16, "learning_rate": 5e-4}
    run = replace(run, profile=replace(run.profile, **changes))
    build_dataset(run)
    rows = select_rows(run, NETWORKS["fused"])
    codes = class_codes(rows["test"]["answer"])
    found: dict[str, Any] = {
        "provenance": run.provenance(),
        "rows": {part: len(some) for part, some in rows.items()},
        "majority": float(np.bincount(codes, minlength=len(settings.CLASSES)).max() / len(codes)),
        # On the embedded corpus, for notebook 9 to set beside ParallelNet.
        "before": {
            "addition": {
                "title": NETWORKS["addition"].title,
                **study_network(before, "addition", asked.samples, run.seed),
            }
        },
        "networks": {},
    }
    right = {}
    for name, start in [*((name, before) for name in STARTED), ("fused", None)]:
        key = name if start else "fused-random"
        found["networks"][key], right[key] = go_on(run, start, name)
        if name not in ("ser", "ier"):
            found["networks"][key] |= study_network(run, name, asked.samples, run.seed)
        print(key, found["networks"][key]["accuracy"], flush=True)
        if {"fused", "addition"} <= set(right):
            found["lead"] = statistics.paired_difference(right["fused"], right["addition"])
        found["provenance"] = run.provenance()
        write_json(RECORDED / TOGETHER, found)


if __name__ == "__main__":
    main()
