"""Every method scored on the same samples; the scores with intervals, random weights, budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML
from tqdm.auto import tqdm

from sierbook import numbers, privacy, statistics
from sierbook.faithfulness import measures
from sierbook.faithfulness.measures import FRACTIONS, PARTS, SAME_REGIONS
from sierbook.faithfulness.rivals import (
    CEILING,
    EXACT,
    METHODS,
    Array,
    Maps,
    Sample,
    Subject,
    attribute,
)
from sierbook.records import as_records
from sierlib import settings
from sierlib.data.feed import read_inputs
from sierlib.experiment.manifest import read_manifest, time_planted
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
    "share": "more",
    "share, same regions": "more",
    "pointing": "more",
    "pointing, same regions": "more",
    "emotion word first": "more",
    "deletion": "less",
    "insertion": "more",
    "MuFidelity": "more",
    "infidelity": "less",
    "random weights": "near 0",
    "sensitivity": "less",
    "gini": "",
    "seconds": "less",
    "evaluations": "less",
}

#: What a measure is held against, where that is not the network's score.
_REFERENCES = dict.fromkeys(list(MEASURES)[:5], "truth")


def summarise_scores(
    table: pd.DataFrame, by: Sequence[str] = ("measure", "part", "method"), of: str = "value"
) -> pd.DataFrame:
    """Return for each group `mean`, `low` and `high` (95 %, bootstrap over rows) and `n`, and the
    mean `chance`."""
    rows = []
    for key, group in table.groupby(list(by), sort=False):
        mean = statistics.estimate_mean(group[of].to_numpy(float))
        row: dict[str, Any] = dict(zip(by, key, strict=True))
        row |= {"mean": mean["value"], "low": mean["low"], "high": mean["high"], "n": mean["n"]}
        if "chance" in group:
            row["chance"] = group["chance"].mean()
        rows.append(row)
    return pd.DataFrame(rows)


def read_summary(results: dict[str, Any]) -> pd.DataFrame:
    """Read what `summarise_scores` gave back from a result file of notebook 08."""
    rows = []
    for row in results.get("scores", ()):
        bounds = {name: row["mean"][name] for name in ("low", "high", "n")}
        rows.append({**row, **bounds, "mean": row["mean"]["value"]})
    return pd.DataFrame(rows)


def tabulate_scores(summary: pd.DataFrame, run: str = numbers.THIS_RUN) -> pd.DataFrame:
    """Return the one table: a row for each measure and part, a column for each method.

    A cell is the mean as an estimate, or a number without one; NaN where a method has no such
    score. A row also says what is better, and on how many samples it was measured. For
    `shown.show`, the columns being networks.

    Parameters
    ----------
    summary
        As `summarise_scores` gives it.
    run
        Whose it is.
    """
    found = summary.copy()
    cells: list[Any] = []
    for row in as_records(found):
        if row["measure"] == "evaluations":
            key = (row["measure"], row["method"], f"explained, {row['part']}", "score", run)
            cells.append(HTML(numbers.write(row["mean"], ",.0f", *key)))
        else:
            cells.append({"value": row["mean"], **{end: row[end] for end in ("low", "high", "n")}})
    found["estimate"] = pd.Series(cells, found.index, object)
    found["better"] = found["measure"].map(MEASURES)
    found["n"] = found.groupby(["measure", "part"])["n"].transform("max")
    table = found.pivot(
        index=["measure", "part", "better", "n"], columns="method", values="estimate"
    )
    present = [method for method in (*METHODS, CEILING) if method in table]
    table = table[present].reindex(list(MEASURES), level=0)
    table.attrs["about"] = [
        numbers.Key(measure, "", f"explained, {part}", _REFERENCES.get(measure, "score"), run)
        for measure, part, *_ in table.index
    ]
    return table


def compare_methods(
    scores: pd.DataFrame, measure: str, part: str, method: str, rival: str
) -> Estimate:
    """Return by how much a method is ahead of a rival on the same samples, bootstrapped."""
    chosen = scores[(scores["measure"] == measure) & (scores["part"] == part)]
    table = chosen.pivot(index="id", columns="method", values="value")
    ahead = (table[method] - table[rival]).to_numpy(float)
    return statistics.estimate_mean(ahead)


#: The two methods that know nothing of the network.
BLIND = ("random", "edges, no model")


def compare_with_blind(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """Hold `owen` against the methods that know nothing of the network: what share of a map lies on
    what was planted, in the same regions.

    Returns
    -------
    list of dict
        For each `part` with samples enough and each `rival`: `share` of `owen`, `chance`, and the
        estimate by how much it is `ahead` on the same samples.
    """
    measure, rows = "share, same regions", []
    for part in settings.MODALITIES:
        key = (scores["measure"] == measure) & (scores["part"] == part)
        ours = scores[key & (scores["method"] == EXACT)]
        if len(ours) < FEWEST:
            continue
        shown = {"part": part, "share": ours["value"].mean(), "chance": ours["chance"].mean()}
        for rival in BLIND:
            ahead = compare_methods(scores, measure, part, EXACT, rival)
            rows.append(shown | {"rival": rival, "ahead": ahead})
    return rows


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
    # Not the seed from which this very model may have started.
    keras.utils.set_random_seed(1_000 + seed)
    fresh = keras.models.clone_model(model)
    try:
        for block in BLOCKS:
            for layer in model.layers:
                if layer.name == block or layer.name.startswith(f"{block}_"):
                    layer.set_weights(fresh.get_layer(layer.name).get_weights())
            yield block
    finally:
        model.set_weights(kept)


def draw_samples(
    run: Run, count: int, seed: int = 0, network: str = "fused"
) -> tuple[Subject, list[Sample]]:
    """Return a network and test samples drawn at random, each with the class it predicts."""
    manifest = read_manifest(run)
    rows = manifest[manifest["split"] == "test"]
    rows = rows.sample(min(count, len(rows)), random_state=seed)
    subject, given = Subject(load_model(run, network)), read_inputs(rows, run.folder / "dataset")
    predicted = subject(given["speech"], given["image"]).argmax(axis=1)
    names, photographs = rows["id"].map(privacy.mask_id), ":" in run.data
    drawn = zip(names, given["speech"], given["image"], predicted, strict=True)
    return subject, [
        Sample(name, speech, image, int(target), photographs)
        for name, speech, image, target in drawn
    ]


def choose_methods(run: Run) -> tuple[str, ...]:
    """Return the methods that a run's profile compares, in the order of `METHODS`."""
    asked = run.profile.faithfulness_methods or tuple(METHODS)
    return tuple(method for method in METHODS if method in asked)


def evaluate_methods(
    run: Run,
    samples: int = 24,
    perturbed: int = 8,
    randomised: int = 4,
    depth: int = 4,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Score the profile's methods on the same test samples, each for the class that ParallelNet
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
    methods = choose_methods(run)
    subject, drawn = draw_samples(run, samples, seed)
    truth = time_planted(run, [sample.id for sample in drawn])
    tables: dict[str, list[dict[str, Any]]]
    tables = {"scores": [], "curves": [], "words": [], "randomised": []}
    maps: dict[str, dict[str, Maps]] = {}  # by sample, then by method
    for method in methods:  # once unmeasured: compiling is no sample's cost
        attribute(method, subject, drawn[0], depth, seed)

    for place, sample in enumerate(tqdm(drawn, desc="explaining")):
        maps[sample.id] = {
            method: attribute(method, subject, sample, depth, seed) for method in methods
        }
        effects = {m: float(maps[sample.id][EXACT][m].sum()) for m in settings.MODALITIES}
        planted = truth.get(sample.id)
        removed = measures.removals(subject, sample, seed) if place < perturbed else None
        for method, found in maps[sample.id].items():
            named = {"id": sample.id, "method": method}
            rows = _score_map(sample, found)
            if planted:
                words = measures.word_values(sample, found, planted)
                tables["words"] += [named | word for word in words]
                rows += _score_truth(sample, found, planted, words, depth)
            if removed:
                change = measures.sensitivity(subject, method, sample, found, depth, seed)
                rows.append({"part": "joint", "measure": "sensitivity", "value": change})
                rows += _score_removals(sample, found, *removed)
                heights = measures.curves(subject, sample, found, seed)
                rows += _score_curves(heights)
                tables["curves"] += [named | point for point in _list_points(heights)]
            tables["scores"] += [_complete(named | row, effects) for row in rows]
        if planted:
            named = {"id": sample.id, "method": CEILING}
            for row in _score_ceiling(sample, planted, depth):
                tables["scores"].append(_complete(named | row, effects))

    blocks = randomise_weights(subject.model, seed)
    for block in tqdm(blocks, desc="random weights", total=len(BLOCKS)):
        for sample in drawn[:randomised]:
            for method in methods:
                now = attribute(method, subject, sample, depth, seed)
                left = measures.agreement(sample, maps[sample.id][method], now)
                named = {"id": sample.id, "method": method}
                tables["randomised"].append(named | {"block": block, "value": left})
                if block == BLOCKS[-1]:
                    row = {"part": "joint", "measure": "random weights", "value": left}
                    tables["scores"].append(_complete(named | row))
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def _complete(row: dict[str, Any], effects: dict[str, float] | None = None) -> dict[str, Any]:
    """Return a row of scores in the order of the columns, with what its part is worth."""
    effect = (effects or {}).get(row["part"], 0.0)  # of both together none is told
    columns = ("id", "method", "part", "measure", "value")
    complete = {name: row[name] for name in columns}
    return complete | {"chance": row.get("chance", np.nan), "effect": effect}


def _score_map(sample: Sample, maps: Maps) -> list[dict[str, Any]]:
    """Score what a map costs, and how concentrated it is."""
    rows = [
        {"part": "joint", "measure": "seconds", "value": maps.seconds},
        {"part": "joint", "measure": "evaluations", "value": maps.evaluations},
    ]
    for m in settings.MODALITIES:
        concentration = measures.gini(sample.sums(m, maps[m]))
        rows.append({"part": m, "measure": "gini", "value": concentration})
    return rows


def _score_truth(
    sample: Sample, maps: Maps, planted: dict[str, Any], words: list[dict[str, Any]], depth: int
) -> list[dict[str, Any]]:
    """Score whether a map finds what was planted, as it is and in the regions of DnCShap."""
    rows = measures.localise(sample, maps, planted)
    for row in measures.localise(sample, measures.coarsen(maps, depth), planted):
        rows.append(row | {"measure": row["measure"] + SAME_REGIONS})
    first = measures.emotion_word_first(words)
    if first is not None:
        row = {"part": "speech", "measure": "emotion word first", "value": first, "chance": 0.5}
        rows.append(row)
    return rows


def _score_ceiling(sample: Sample, planted: dict[str, Any], depth: int) -> list[dict[str, Any]]:
    """Score the planted truth itself as if it were a map of DnCShap's regions."""
    marked = measures.mark_planted(sample, planted)
    speech, image = (marked.get(m, sample.units[m] >= 0).astype(float) for m in settings.MODALITIES)
    rows = measures.localise(sample, measures.coarsen(Maps(speech, image), depth), planted)
    return [row | {"measure": row["measure"] + SAME_REGIONS} for row in rows]


def _score_removals(sample: Sample, maps: Maps, gone: Array, fell: Array) -> list[dict[str, Any]]:
    """Score what a map says of random removals."""
    found = measures.fidelity(gone, fell, measures.sum_over_units(sample, maps))
    return [
        {"part": "joint", "measure": measure, "value": value} for measure, value in found.items()
    ]


def _score_curves(heights: dict[str, dict[str, Array]]) -> list[dict[str, Any]]:
    """Score the areas under the curves of deletion and insertion."""
    return [
        {"part": part, "measure": kind, "value": float(np.trapezoid(scores, FRACTIONS))}
        for part in PARTS
        for kind, scores in heights[part].items()
    ]


def _list_points(heights: dict[str, dict[str, Array]]) -> list[dict[str, Any]]:
    """Return a row for each point of the curves of deletion and insertion."""
    return [
        {"part": part, "kind": kind, "fraction": fraction, "score": score}
        for part in PARTS
        for kind, scores in heights[part].items()
        for fraction, score in zip(FRACTIONS, scores, strict=True)
    ]


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
    trials = [("owen", budget) for budget in (budgets[0] // 4, budgets[0] // 2, *budgets)]
    trials += [("sampled", budget) for budget in budgets]
    rows = []
    for sample in drawn:
        exact = _finest_values(_explain(subject, sample, "owen", depth, None, seed))
        for method, budget in trials:
            found = _explain(subject, sample, method, depth, budget, seed)
            error = np.abs(_finest_values(found) - exact)
            rows.append(
                {
                    "id": sample.id,
                    "method": method,
                    "budget": budget,
                    "evaluations": found.n_evals,
                    "largest": error.max(),
                    "mean": error.mean(),
                    "standard error": _mean_standard_error(found),
                    "undivided": _mean_undivided(found),
                }
            )
    return pd.DataFrame(rows)


def _explain(
    subject: Subject, sample: Sample, method: str, depth: int, most: int | None, seed: int
) -> Explanation:
    return explain(
        subject.model,
        sample.speech,
        sample.image,
        target=sample.target,
        depth=depth,
        method=method,
        max_evals=most,
        seed=seed,
    )


def _finest_values(found: Explanation) -> Array:
    """Return the values of the finest regions of both modalities."""
    return np.array([region.value for region in found.levels[-1]])


def _mean_standard_error(found: Explanation) -> float:
    errors = [region.stderr for region in found.levels[-1] if region.stderr is not None]
    return float(np.mean(errors)) if errors else np.nan


def _mean_undivided(found: Explanation) -> float:
    """Return the differences of score that were spread instead of refined, per finest region."""
    if not found.unrefined:
        return np.nan
    spread = sum(found.unrefined[m].sum() for m in settings.MODALITIES)
    return spread / len(found.levels[-1])
