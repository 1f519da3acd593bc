"""What a notebook taught, in a few sentences made of its results: the end of its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sierbook import numbers, result_sentences, sentences, trust_sentences
from sierbook.numbers import key_of_head, key_of_path, key_of_teacher, write
from sierlib.experiment.models import HALVES
from sierlib.run import Run

Results = Mapping[str, Any]


def learned(run: Run, name: str) -> str:
    """Return as Markdown what the results of a notebook, just recorded, come down to.

    Parameters
    ----------
    name
        Of the notebook: a key of `LESSONS`.
    """
    return sentences.bullets(LESSONS[name](run.results(name)))


def run_of(found: Results) -> str:
    """Name the run of a notebook's results, as keys do."""
    return numbers.name_run(found.get("provenance", {}))


def of_dataset(found: Results) -> list[str]:
    """Say how many labels there are, and how right they and their teachers are."""
    summary, truth = found["summary"], found["label_truth"]
    largest = max(summary["per_class"], key=summary["per_class"].get)
    run = run_of(found)
    share = summary["per_class"][largest] / summary["usable"]
    usable, rows = (
        write(summary[name], ",", *key_of_path("01-dataset", f"summary.{name}", run))
        for name in ("usable", "rows")
    )
    said = [
        f"{usable} of {rows} pairs have a label, and "
        f"{write(share, '.0%', 'largest class', 'label', 'all', '', run)} of the labels are "
        f"*{largest}*: always saying so is the accuracy to beat."
    ]
    for name, scores in found["teachers"].items():
        key = key_of_teacher("accuracy", HALVES[name], run)
        reached = write(scores["accuracy"]["value"], ".0%", *key)
        said.append(f"The {name} teacher is right on {reached} of the items kept from it.")
    if truth:
        right = write(truth["all"], ".0%", *key_of_path("01-dataset", "label_truth.all", run))
        said.append(f"The label is the planted emotion in {right} of the pairs.")
    return said


def of_training(found: Results) -> list[str]:
    """Say what each network came to on the validation rows, and whether it was still learning."""
    models, run = found["models"].values(), run_of(found)
    said = []
    for name, history in found["models"].items():
        scores = history["validation"]
        reached, largest = (
            write(value, ".0%", quantity, name, "validation", "labels", run)
            for quantity, value in (
                ("accuracy", scores["accuracy"]["value"]),
                ("largest class", scores["majority"]),
            )
        )
        said.append(
            f"{history['title']}: {reached} on the validation rows, where the largest class is "
            f"{largest}."
        )
    late = [history["best_epoch"] == len(history["epochs"]) for history in models]
    if any(late):
        were = "was" if sum(late) == 1 else "were"
        settled, trained = (
            write(value, "d", quantity, "", "notebook 2", "", run)
            for quantity, value in (("best in the last epoch", sum(late)), ("networks", len(late)))
        )
        said.append(
            f"{settled} of {trained} networks {were} best in the last epoch: more epochs might "
            "have taken it further."
        )
    return said


def of_ablation(found: Results) -> list[str]:
    """Say in what order the networks of this run come, and what the late fusion adds."""
    run, reached = run_of(found), {}
    for name, row in found["studies"].items():
        if row["origin"] == numbers.THIS_RUN and row["group"] == "Table 1":
            reached[name] = row["validation"]["accuracy"]["value"]
    order = []
    for name in sorted(reached, key=reached.__getitem__, reverse=True):
        value = write(reached[name], ".0%", "accuracy", name, "validation", "labels", run)
        order.append(f"{found['studies'][name]['title']} ({value})")
    heads = found["heads"]
    best = max(("O_sp", "O_img", "O_mul"), key=lambda name: heads[name])
    alone, together = (
        write(heads[head], ".0%", *key_of_head(head, run)) for head in (best, "all three")
    )
    return [
        f"On the validation rows the networks of this run come in this order: {', '.join(order)}.",
        f"The best single output of ParallelNet, `{best}`, reaches {alone}, all three together "
        f"{together}.",
    ]


def of_results(found: Results) -> list[str]:
    """Answer whether fusion helps, and name the classes that nobody is ever told."""
    said = [result_sentences.answer_fusion(dict(found))]
    names = {"fused": "ParallelNet", "speech": "the speech alone", "image": "the picture alone"}
    for half, name in names.items():
        if never := result_sentences.list_unnamed(found, half):
            said.append(f"For no test row does {name} say *{'* or *'.join(never)}*.")
    return said


def of_interpretability(found: Results) -> list[str]:
    """Say whether values add up, and how often the speech decides."""
    run = run_of(found)
    exact, literal = (
        write(max(found["gaps"][name]), spec, "largest gap", name, "explained", "score", run)
        for name, spec in (("owen", ".1g"), ("published", ".2g"))
    )
    decided = write(found["speech_decides"], ",", *key_of_decided(run))
    return [
        "Owen values of the parts add up to the value of the whole; the largest gap seen is "
        f"{exact}. Read literally, the paper's recursion misses by up to {literal}.",
        f"The rule of Fig. 4, that speech decides, holds in {decided} of the test rows that the "
        "network gets right.",
    ]


def key_of_decided(run: str = numbers.THIS_RUN) -> numbers.Key:
    """Return the key of how many test rows the speech decides."""
    return numbers.Key("rows that the speech decides", "fused", "test", "labels", run)


def key_of_right(run: str = numbers.THIS_RUN) -> numbers.Key:
    """Return the key of how many test rows ParallelNet predicts right."""
    return numbers.Key("rows predicted right", "fused", "test", "labels", run)


def of_experiment(found: Results) -> list[str]:
    """Say how far labels, split and network can be trusted."""
    said, run = [], run_of(found)
    noise = found["label_provenance"]["noise"]
    if noise:
        wrong = trust_sentences.write_wrong(noise, run)
        said.append(f"{wrong} of the labels are not what was planted.")
    else:
        said.append("How many labels are wrong is not known: nothing was planted, or nobody asked.")
    shortcuts = found["shortcuts"]
    said.append(trust_sentences.say_shared_pictures(shortcuts["same_picture"], run))
    for name, instead in (("silence", "silence"), ("grey image", "a grey image")):
        lost = shortcuts["blanked"][name]["difference"]
        signed = sentences.write_signed(lost, trust_sentences.key_of_change(name, run))
        said.append(f"With {instead}, ParallelNet's accuracy changes by {signed}.")
    return said


def of_explanations(found: Results) -> list[str]:
    """Say whether explanations find what was planted, and whether they need a trained network."""
    said = [trust_sentences.answer_explanations(dict(found))]
    left = trust_sentences.write_left(found["randomised"], run_of(found))
    if left:
        said.append(
            "When all blocks of the network have lost their weights, a map still has a rank "
            f"correlation of {left} with the old one; at 1 it would be of the input alone."
        )
    return said


def of_together(found: Results) -> list[str]:
    """Say how much of what the network does is interaction."""
    run, every = run_of(found), found["fused"]["shares"]["all"]
    share, odds = (
        write(every[name]["value"], ".0%", name, "fused", "test, all", "score", run)
        for name in ("share", "share of log-odds")
    )
    said = [
        f"Of what speech and picture do to ParallelNet's probability, {share} is interaction; of "
        f"what they do to its log-odds, {odds}."
    ]
    if pointing := found["fused"]["pointing"]:
        key = numbers.Key("", "fused", "explained", "truth", run)
        hit = numbers.write_estimate(pointing["hit"], ".0%", key._replace(quantity="hit"))
        chance = write(pointing["chance"], ".0%", *key._replace(quantity="chance"))
        verdict = "which chance may do too"
        if pointing["hit"]["low"] > pointing["chance"]:
            verdict = "more often than chance"
        said.append(
            f"In {hit} of the samples its strongest pair joins a planted word with a planted "
            f"region, {verdict} ({chance})."
        )
    if following := found["fused"].get("following"):
        by_pairs, by_values = (
            numbers.write_estimate(
                following[name]["deletion"],
                ".2f",
                numbers.Key("deletion", f"fused, by {name}", "explained", "score", run),
            )
            for name in ("pairs", "single values")
        )
        said.append(
            "The score that is left while the strongest are taken away, on average, is "
            f"{by_pairs} in the order of pairs and {by_values} in that of single values; less is "
            "better."
        )
    return said


def of_own_model(found: Results) -> list[str]:
    """Say that values add up for models of other kinds too, and what that took."""
    run = run_of(found)
    gap = write(found["gap"], ".1g", "largest gap", "", "own models", "score", run)
    said = [f"Values of three models of different kinds add up; the largest gap seen is {gap}."]
    for model, spent in found["costs"].items():
        part = f"own models, {model}"
        ours, theirs = (
            write(each["seconds"], ".2f", name, "", part, "this machine", run)
            for name, each in (("ours, seconds", spent), ("shap, seconds", spent["shap"]))
        )
        said.append(f"*{model}*: {ours} s, and {theirs} s by `shap` with some glue.")
    return said


#: What each notebook's results come down to.
LESSONS: dict[str, Callable[[Results], list[str]]] = {
    "01-dataset": of_dataset,
    "02-training": of_training,
    "03-ablation": of_ablation,
    "04-results": of_results,
    "05-interpretability": of_interpretability,
    "07-experiment": of_experiment,
    "08-explanations": of_explanations,
    "09-together": of_together,
    "10-own-model": of_own_model,
}
