"""What a notebook taught, in a few sentences made of its results: the end of its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sierbook import sentences
from sierlib import settings
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


def of_dataset(found: Results) -> list[str]:
    """Say how many labels there are, and how right they and their teachers are."""
    summary, truth = found["summary"], found["label_truth"]
    largest = max(summary["per_class"], key=summary["per_class"].get)
    share = summary["per_class"][largest] / summary["usable"]
    said = [
        f"{summary['usable']:,} of {summary['rows']:,} pairs have a label, and {share:.0%} of the "
        f"labels are *{largest}*: always saying so is the accuracy to beat."
    ]
    for name, scores in found["teachers"].items():
        reached = scores["accuracy"]["value"]
        said.append(f"The {name} teacher is right on {reached:.0%} of the items kept from it.")
    if truth:
        said.append(f"The label is the planted emotion in {truth['all']:.0%} of the pairs.")
    return said


def of_training(found: Results) -> list[str]:
    """Say what each network came to on the validation rows, and whether it was still learning."""
    models = found["models"].values()
    said = []
    for history in models:
        scores = history["validation"]
        said.append(
            f"{history['title']}: {scores['accuracy']['value']:.0%} on the validation rows, where "
            f"the largest class is {scores['majority']:.0%}."
        )
    late = [history["best_epoch"] == len(history["epochs"]) for history in models]
    if any(late):
        said.append(
            f"{sum(late)} of {len(late)} networks were best in their last epoch: more epochs might "
            "have taken them further."
        )
    return said


def of_ablation(found: Results) -> list[str]:
    """Say in what order the networks of this run come, and what the late fusion adds."""
    rows = [row for row in found["studies"].values() if row["origin"] == "this run"]
    rows = [row for row in rows if row["group"] == "Table 1"]
    rows.sort(key=lambda row: row["validation"]["accuracy"]["value"], reverse=True)
    order = [f"{row['title']} ({row['validation']['accuracy']['value']:.0%})" for row in rows]
    heads = found["heads"]
    best = max(("O_sp", "O_img", "O_mul"), key=lambda name: heads[name])
    return [
        f"On the validation rows the networks of this run come in this order: {', '.join(order)}.",
        f"The best single output of ParallelNet, `{best}`, reaches {heads[best]:.0%}, all three "
        f"together {heads['all three']:.0%}.",
    ]


def of_results(found: Results) -> list[str]:
    """Answer whether fusion helps, and name the classes that nobody is ever told."""
    said = [sentences.answer_fusion(dict(found))]
    names = {"fused": "ParallelNet", "speech": "the speech alone", "image": "the picture alone"}
    for half, name in names.items():
        confusion = found["scores"]["labels"][half]["confusion"]
        told = [sum(column) for column in zip(*confusion, strict=True)]
        never = [kind for kind, count in zip(settings.CLASSES, told, strict=True) if not count]
        if never:
            said.append(f"For no test row does {name} say *{'* or *'.join(never)}*.")
    return said


def of_interpretability(found: Results) -> list[str]:
    """Say whether values add up, and how often the speech decides."""
    largest = {name: max(gaps) for name, gaps in found["gaps"].items()}
    return [
        "Owen values of the parts add up to the value of the whole; the largest gap seen is "
        f"{largest['owen']:.1g}. Read literally, the paper's recursion misses by up to "
        f"{largest['published']:.2f}.",
        f"By the rule of Fig. 4 the speech decides {found['speech_decides']:,} of the test rows.",
    ]


def of_experiment(found: Results) -> list[str]:
    """Say how far labels, split and network can be trusted."""
    said = []
    noise = found["label_provenance"]["noise"]
    if noise:
        wrong = 1 - noise["all"]["accuracy"]["value"]
        said.append(f"{wrong:.0%} of the labels are not what was planted.")
    shortcuts = found["shortcuts"]
    said.append(f"{shortcuts['same_picture']} test rows show a picture that was trained on.")
    for name in ("silence", "grey image"):
        lost = shortcuts["blanked"][name]["difference"]
        said.append(
            f"With {name}, ParallelNet's accuracy changes by {sentences.write_signed(lost)}."
        )
    return said


def of_explanations(found: Results) -> list[str]:
    """Say whether explanations find what was planted, and whether they need a trained network."""
    said = [sentences.answer_explanations(dict(found))]
    left = [row["value"] for row in found["randomised"] if row["method"] == "owen"]
    if left:
        said.append(
            "When all blocks of the network have lost their weights, a map still has a rank "
            f"correlation of {left[-1]:+.2f} with the old one; at 1 it would be of the input alone."
        )
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
}
