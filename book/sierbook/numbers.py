"""Numbers of pages with their keys: what was measured of which network, on which rows, against
what, in which run.

A page shows the number alone; its key is in the page for whoever asks, and a test finds one value
for each key in the whole book.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from sierlib.experiment.models import HALVES

#: The run of what this build computed.
THIS_RUN = "this run"
#: How a number and its key stand in a page.
MARK = re.compile(r'<data value="([^"]*)" data-key="([^"]*)">(.*?)</data>')


class Key(NamedTuple):
    """What a number is: quantity, network, part of the rows, what it is measured on, and the run.

    `run` is "this run", or where and when it was recorded.
    """

    quantity: str
    network: str
    part: str
    reference: str
    run: str = THIS_RUN

    def __str__(self) -> str:
        return "; ".join(self)


def mark(text: str, value: float, key: Key) -> str:
    """Return a number as pages show it, with its value to the last digit and its key, as HTML."""
    text = show_minus(text)
    return f'<data value="{value:.12g}" data-key="{key}">{text}</data>'


def show_minus(text: str) -> str:
    """Return what a number is written as with the sign that it is read as, where no line breaks."""
    return text.replace("-", "−")


def write(value: float, spec: str, *key: str) -> str:
    """Return a number written by a format, with its key: the fields of `Key` in their order."""
    return mark(format(value, spec), value, Key(*key))


def plain(text: str) -> str:
    """Return text without the keys of its numbers.

    Examples
    --------
    >>> plain("right in " + mark("80%", 0.8, Key("accuracy", "fused", "test", "labels")))
    'right in 80%'
    """
    return MARK.sub(r"\3", text)


def origin(entry: Mapping[str, Any]) -> str:
    """Say where an entry comes from: this run, or a recorded one, and which."""
    if entry["origin"] == THIS_RUN:
        return THIS_RUN
    return f"recorded: {entry['profile']}, {entry['data']}, {entry['date']}"


def name_run(made: Mapping[str, Any]) -> str:
    """Say the same of a result file by its provenance, or by a ledger's."""
    if not made.get("recorded"):
        return THIS_RUN
    return origin({"origin": "recorded", **made})


def key_of_path(notebook: str, path: str, run: str) -> Key:
    """Return the key of what lies along keys joined by dots in a notebook's results.

    Examples
    --------
    >>> str(key_of_path("04-results", "scores.truth.image.accuracy.value", "this run"))
    'accuracy; ier; test; truth; this run'
    >>> key_of_path("01-dataset", "summary.rows", "this run").quantity
    '01-dataset summary.rows'
    """
    scored = re.fullmatch(r"scores\.(\w+)\.([^.]+)\.(\w+)(\.value)?", path)
    if notebook == "04-results" and scored:
        against, network, quantity, _ = scored.groups()
        return Key(quantity, HALVES.get(network, network), "test", against, run)
    learned = re.fullmatch(r"models\.(\w+)\.validation\.(\w+)\.value", path)
    if notebook == "02-training" and learned:
        return Key(learned[2], learned[1], "validation", "labels", run)
    asked = re.fullmatch(r"teachers\.(\w+)\.accuracy\.value", path)
    if notebook == "01-dataset" and asked:
        return key_of_teacher("accuracy", HALVES[asked[1]], run)
    if (notebook, path) == ("01-dataset", "label_truth.all"):
        return Key("accuracy", "label", "all", "truth", run)
    return Key(f"{notebook} {path}", "", "", "", run)


def key_of_teacher(quantity: str, role: str, run: str = THIS_RUN) -> Key:
    """Return the key of what is said of a teacher, "ser" or "ier", on items of its own corpus."""
    return Key(quantity, f"{role} teacher", "held out", "its corpus", run)


def key_of_seeds(count: int, reference: str, run: str = THIS_RUN) -> Key:
    """Return the key of ParallelNet's mean lead over its better half, over recorded seeds."""
    return Key(name_lead(count), "fused - better half", "test", reference, run)


def name_lead(*trainings: int) -> str:
    """Name the difference of two networks' accuracies: of one training each, or means of several.

    Parameters
    ----------
    trainings
        How many of either, or of the one and of the other.
    """
    if max(trainings, default=1) == 1:
        return "lead"
    return f"mean lead of {' and '.join(map(str, trainings))} trainings"
