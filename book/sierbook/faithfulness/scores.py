"""What the scores of `sierbook.faithfulness.measures` say, with intervals; and what each modality
is worth on the test part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from sierbook import statistics
from sierbook.faithfulness.measures import (
    FRACTIONS,
    SAME_REGIONS,
    agreement,
    at_grain,
    curves,
    emotion_first,
    fidelity,
    gini,
    localise,
    marks,
    removals,
    sensitivity,
    word_values,
)
from sierbook.faithfulness.rivals import CEILING, METHODS, Array, Maps, Sample, Subject, attribute
from sierlib import settings
from sierlib.data.feed import read_inputs
from sierlib.experiment.manifest import read_manifest, read_truth
from sierlib.experiment.scores import Estimate
from sierlib.experiment.train import load_model
from sierlib.run import Run
from sierlib.shapley.explain import Explanation, explain
from sierlib.shapley.partition import evaluations

#: A bootstrap of fewer samples is too sure of itself; nothing is claimed then.
FEWEST = 8

#: The measures in the order of the table, and what is better; more or less may be no merit in
#: itself.
MEASURES = {
    "share": "more", "share, same regions": "more", "pointing": "more", "pointing, same regions": "more",
    "emotion word first": "more", "deletion": "less", "insertion": "more", "MuFidelity": "more", "infidelity": "less",
    "random weights": "near 0", "sensitivity": "less", "gini": "", "seconds": "less", "evaluations": "less",
}  # fmt: skip


def summarise_scores(
    table: pd.DataFrame, by: Sequence[str] = ("measure", "part", "method"), of: str = "value"
) -> pd.DataFrame:
    """Return for each group `mean`, `low` and `high` (95 %, bootstrap over rows) and `n`, and the
    mean `chance`."""
    rows = []
    for key, group in table.groupby(list(by), sort=False):
        mean = statistics.estimate_mean(group[of].to_numpy(float))
        found = {"mean": mean["value"], "low": mean["low"], "high": mean["high"], "n": mean["n"]}
        chance = {"chance": group["chance"].mean()} if "chance" in group else {}
        rows.append(dict(zip(by, key, strict=True)) | found | chance)
    return pd.DataFrame(rows)


def tabulate_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the one table: a row for each measure and part, a column for each method.

    A cell is the mean and, on a line of its own, the interval of it; a dash where a method has no
    such score. A row also says what is better, and on how many samples it was measured.
    """
    found = summarise_scores(scores)
    found["text"] = [
        ("{0:.0f}" if measure == "evaluations" else "{0:.2f}\n[{1:.2f}, {2:.2f}]").format(*values)
        for measure, *values in found[["measure", "mean", "low", "high"]].to_numpy()
    ]
    found["better"] = found["measure"].map(MEASURES)
    found["n"] = found.groupby(["measure", "part"])["n"].transform("max")
    table = found.pivot(
        index=["measure", "part", "better", "n"], columns="method", values="text"
    ).fillna("–")
    present = [method for method in (*METHODS, CEILING) if method in table]
    return table[present].reindex(list(MEASURES), level=0)


def compare_methods(
    scores: pd.DataFrame, measure: str, part: str, method: str, rival: str
) -> Estimate:
    """Return by how much a method is ahead of a rival on the same samples, bootstrapped."""
    chosen = scores[(scores["measure"] == measure) & (scores["part"] == part)]
    table = chosen.pivot(index="id", columns="method", values="value")
    ahead = (table[method] - table[rival]).to_numpy(float)
    return statistics.estimate_mean(ahead)


#: ParallelNet's eight blocks from the output inwards (Fig. 1): each is a layer, a stack of them, or
#: a network.
BLOCKS = ("late_fusion", "O_mul", "O_sp", "O_img", "N1_s", "N1_i", "N2_s", "N2_i")


def randomise_weights(model: Any, seed: int = 0) -> Iterator[str]:
    """Give one block after another weights that have learned nothing; afterwards the model is as it
    was.

    Shuffling weights instead would pair normalisation with the wrong channels, and saturate the
    softmax: any map of a constant is destroyed.

    Yields
    ------
    str
        The block (of `BLOCKS`) that lost its weights last; those before it still have none.
    """
    import keras

    kept = model.get_weights()
    keras.utils.set_random_seed(
        1_000 + seed
    )  # not the weights from which this very model may have started
    fresh = keras.models.clone_model(model)
    try:
        for block in BLOCKS:
            for layer in model.layers:
                if layer.name == block or layer.name.startswith(f"{block}_"):
                    layer.set_weights(fresh.get_layer(layer.name).get_weights())
            yield block
    finally:
        model.set_weights(kept)


def draw_samples(run: Run, count: int, seed: int = 0) -> tuple[Subject, list[Sample]]:
    """Return ParallelNet and test samples drawn at random, each with the class it predicts."""
    manifest = read_manifest(run)
    rows = manifest[manifest["split"] == "test"]
    rows = rows.sample(min(count, len(rows)), random_state=seed)
    subject, given = Subject(load_model(run, "fused")), read_inputs(rows, run.folder / "dataset")
    predicted = subject(given["speech"], given["image"]).argmax(axis=1)
    return subject, [
        Sample(str(name), speech, image, int(target))
        for name, speech, image, target in zip(
            rows["id"], given["speech"], given["image"], predicted, strict=True
        )
    ]


def evaluate_methods(
    run: Run,
    samples: int = 24,
    perturbed: int = 8,
    randomised: int = 4,
    depth: int = 4,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Score every method of `METHODS` on the same test samples, each for the class that ParallelNet
    predicts.

    Parameters
    ----------
    samples
        Test rows, drawn at random, on which maps are made, timed and compared with the planted
        truth.
    perturbed, randomised
        How many of them (the first) are removed from and noised, and how many are explained again
        with ever more blocks that have random weights.
    depth
        Halvings inside a modality.

    Returns
    -------
    dict of DataFrame
        ``scores``: `id`, `method`, `part`, `measure`, `value`, `chance` (NaN where there is none)
        and `effect` (what the part as a whole is worth, by `owen`), a row for each. "random
        weights" is the rank correlation with the map that is left when all blocks have lost their
        weights. ``curves``: `id`, `method`, `part`, `kind`, `fraction`, `score`. ``words``: `id`,
        `method`, `role`, `value`. ``randomised``: `id`, `method`, `block`, `value`. Empty where
        nothing could be scored.
    """
    subject, drawn = draw_samples(run, samples, seed)
    truth = read_truth(run)
    scores: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    random_weights: list[dict[str, Any]] = []
    maps: dict[tuple[str, str], Maps] = {}

    def note(
        method: str, sample: Sample, part: str, measure: str, value: float, chance: float = np.nan
    ) -> None:
        named = {"id": sample.id, "method": method, "part": part, "measure": measure}
        # METHODS starts with "owen", whose maps sum to the modalities' values.
        effect = 0.0 if part == "joint" else float(getattr(maps["owen", sample.id], part).sum())
        scores.append(named | {"value": value, "chance": chance, "effect": effect})

    for method in METHODS:  # once unmeasured: compiling is no sample's cost
        attribute(method, subject, drawn[0], depth, seed)
    for place, sample in enumerate(tqdm(drawn, desc="explaining")):
        gone, fell = removals(subject, sample, seed) if place < perturbed else (None, None)
        for method in METHODS:
            found = maps[method, sample.id] = attribute(method, subject, sample, depth, seed)
            sums = {m: sample.sums(m, getattr(found, m)) for m in settings.MODALITIES}
            note(method, sample, "joint", "seconds", found.seconds)
            note(method, sample, "joint", "evaluations", found.evaluations)
            for m in settings.MODALITIES:
                note(method, sample, m, "gini", gini(sums[m]))
            if truth:
                for name, given in (("", found), (SAME_REGIONS, at_grain(found, depth))):
                    for row in localise(sample, given, truth[sample.id]):
                        note(method, sample, **row | {"measure": row["measure"] + name})
                spoken = word_values(sample, found, truth[sample.id])
                words += [{"id": sample.id, "method": method, **word} for word in spoken]
                if (above := emotion_first(spoken)) is not None:
                    note(method, sample, "speech", "emotion word first", above, 0.5)
            if gone is None or fell is None:
                continue
            note(
                method,
                sample,
                "joint",
                "sensitivity",
                sensitivity(subject, method, sample, found, depth, seed),
            )
            for measure, value in fidelity(
                gone, fell, np.concatenate([sums[m] for m in settings.MODALITIES])
            ).items():
                note(method, sample, "joint", measure, value)
            for part, kinds in curves(subject, sample, found, seed).items():
                for kind, heights in kinds.items():
                    note(method, sample, part, kind, float(np.trapezoid(heights, FRACTIONS)))
                    lines += [
                        {
                            "id": sample.id,
                            "method": method,
                            "part": part,
                            "kind": kind,
                            "fraction": x,
                            "score": y,
                        }
                        for x, y in zip(FRACTIONS, heights, strict=True)
                    ]
        if truth:
            planted = marks(sample, truth[sample.id])
            ideal = Maps(
                *(planted.get(m, sample.units[m] >= 0).astype(float) for m in settings.MODALITIES)
            )
            for row in localise(sample, at_grain(ideal, depth), truth[sample.id]):
                note(CEILING, sample, **row | {"measure": row["measure"] + SAME_REGIONS})
    for block in tqdm(
        randomise_weights(subject.model, seed), desc="random weights", total=len(BLOCKS)
    ):
        for sample in drawn[:randomised]:
            for method in METHODS:
                now = attribute(method, subject, sample, depth, seed)
                value = agreement(sample, maps[method, sample.id], now)
                random_weights.append(
                    {"id": sample.id, "method": method, "block": block, "value": value}
                )
                if block == BLOCKS[-1]:
                    note(method, sample, "joint", "random weights", value)
    tables = {"scores": scores, "curves": lines, "words": words, "randomised": random_weights}
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def measure_convergence(run: Run, samples: int = 2, depth: int = 5, seed: int = 0) -> pd.DataFrame:
    """Compare maps made on a budget of evaluations with the full Owen values.

    Returns
    -------
    pandas.DataFrame
        `id`, `method`, `budget`, `evaluations` (less where silence needs none); over the finest
        regions of both modalities the `largest` and the `mean` absolute error; and what the methods
        state of it themselves, as means: `sampled` its `standard error`, `owen` what it left
        `undivided` (see `Explanation.unrefined`).
    """
    subject, drawn = draw_samples(run, samples, seed)
    budgets = [evaluations("sampled", depth, pairs=pairs) for pairs in (1, 2, 4, 8)]
    rows = []
    for sample in drawn:

        def finest(
            method: str, most: int | None = None, x: Sample = sample
        ) -> tuple[Explanation, Array]:
            found = explain(
                subject.model,
                x.speech,
                x.image,
                target=x.target,
                depth=depth,
                method=method,
                max_evals=most,
                seed=seed,
            )
            return found, np.array([region.value for region in found.levels[-1]])

        _, exact = finest("owen")
        for method, budget in [("owen", budgets[0] // 4), ("owen", budgets[0] // 2)] + [
            (method, budget) for method in ("owen", "sampled") for budget in budgets
        ]:
            found, values = finest(method, budget)
            own = [region.stderr for region in found.levels[-1] if region.stderr is not None]
            error, rest = np.abs(values - exact), found.unrefined
            rows.append(
                {
                    "id": sample.id,
                    "method": method,
                    "budget": budget,
                    "evaluations": found.n_evals,
                    "largest": error.max(),
                    "mean": error.mean(),
                    "standard error": np.mean(own) if own else np.nan,
                    "undivided": sum(rest[m].sum() for m in settings.MODALITIES) / len(values)
                    if rest
                    else np.nan,
                }
            )
    return pd.DataFrame(rows)
