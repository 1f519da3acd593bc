"""Numbers of pages with their keys: what was measured of which network, on which rows, against
what, in which run.

A page shows the number alone; its key is in the page for whoever asks, and a test finds one value
for each key in the whole book.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sierlib.experiment.models import HALVES
from sierlib.experiment.scores import Estimate

#: The run of what this build computed.
THIS_RUN = "this run"
#: The run of what the authors published.
PAPER = "paper"
#: What the accuracy of the first of several trainings is called besides.
FIRST = ", first training"
#: What titles and result files call a quantity that keys name otherwise.
QUANTITIES = {
    **dict.fromkeys(
        (
            *(f"accuracy, {part}{of}" for part in ("validation", "test") for of in ("", FIRST)),
            "validation accuracy",
            "held-out accuracy",
            "share of labels that are the planted emotion",
        ),
        "accuracy",
    ),
    **dict.fromkeys(("majority", "always the largest class"), "largest class"),
    **dict.fromkeys(("macro_f1", "validation macro F1"), "macro F1"),
    "validation kappa": "kappa",
    "weights": "parameters",
    "time": "seconds",
    "trained on": "rows learned from",
}
#: How a number and its key stand in a page.
MARK = re.compile(r'<data value="([^"]*)" data-key="([^"]*)">(.*?)</data>')

_POINTS, _PERCENT = "\u00a0points", "\u00a0%"
#: Quantities that are about a training, and so about no part of the rows.
_OF_TRAINING = ("parameters", "seconds", "epochs", "best epoch", "rows learned from")


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
    text, named = show_minus(text), html.escape(str(key))
    return f'<data value="{value:.12g}" data-key="{named}">{text}</data>'


def show_minus(text: str) -> str:
    """Return what a number is written as with the sign that it is read as, where no line breaks."""
    return text.replace("-", "−")


def write(value: float, spec: str, *key: str) -> str:
    """Return a number written by a format, with its key: the fields of `Key` in their order."""
    return mark(write_plain(value, spec), value, Key(*key))


def write_plain(value: float, spec: str) -> str:
    """Return a number written by a format, of `format` or of `str.format`; or by "points" for a
    difference of two shares, "percent" for a share, "millions"."""
    if spec == "points":
        return f"{100 * value:+z.1f}{_POINTS}"
    if spec == "percent":
        return f"{100 * value:.1f}{_PERCENT}"
    if spec == "millions":
        return f"{value / 1e6:.1f}\u00a0M"
    return spec.format(value) if "{" in spec else format(value, spec)


def write_estimate(found: Estimate, spec: str, key: Key) -> str:
    """Return a value with its interval in brackets, each number with its key.

    A unit stands once, behind the value.
    """
    return f"{write(found['value'], spec, *key)} {write_interval(found, spec, key)}"


def write_interval(found: Estimate, spec: str, key: Key) -> str:
    """Write the interval of a value alone."""
    ends = []
    for end in ("low", "high"):
        text = write_plain(found[end], spec).removesuffix(_POINTS).removesuffix(_PERCENT)
        ends.append(mark(text, found[end], key_of_end(key, end)))
    return f"[{','.join(ends)}]".replace(",<", ",\u00a0<")


def write_trainings(values: Sequence[float], spec: str, key: Key) -> str:
    """Write what several trainings came to one by one, each with its key."""
    keys = [key] * len(values)
    if len(values) > 1:
        keys = [key_of_end(key, f"training {at}") for at in range(1, len(values) + 1)]
    return ", ".join(write(value, spec, *of) for value, of in zip(values, keys, strict=True))


def key_of_end(key: Key, end: str) -> Key:
    """Return the key of what belongs to a value: an end of its interval, its p."""
    return key._replace(quantity=f"{key.quantity}, {end}")


def plain(text: str) -> str:
    """Return text without the keys of its numbers, in which lines may break anywhere.

    Examples
    --------
    >>> plain("right in " + mark("80%", 0.8, Key("accuracy", "fused", "test", "labels")))
    'right in 80%'
    """
    return MARK.sub(r"\3", text).replace("\u00a0", " ")


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


#: What lies along which keys of a notebook's results: a pattern for them, and the key in which the
#: names of its groups stand for what they found.
_PATHS = (
    ("01-dataset", r"label_truth\.all", Key("accuracy", "label", "all", "truth")),
    ("01-dataset", r"summary\.per_class\.(?P<row>\w+)", Key("pairs", "", "usable, {row}, All", "")),
    ("01-dataset", r"summary\.(?P<row>\w+)", Key("pairs", "", "{row}", "")),
    (
        "01-dataset",
        r"teachers\.(?P<network>\w+)\.accuracy\.value",
        Key("accuracy", "{network} teacher", "held out", "its corpus"),
    ),
    (
        "02-training",
        r"models\.(?P<network>\w+)\.validation\.(?P<quantity>\w+)(\.value)?",
        Key("{quantity}", "{network}", "validation", "labels"),
    ),
    (
        "02-training",
        r"models\.(?P<network>\w+)\.(?P<quantity>parameters|seconds)",
        Key("{quantity}", "{network}", "", ""),
    ),
    (
        "02-training",
        r"models\.(?P<network>\w+)\.rows\.train",
        Key("rows learned from", "{network}", "", ""),
    ),
    (
        "04-results",
        r"scores\.(?P<reference>\w+)\.(?P<network>[^.]+)\.per_class\.(?P<row>\w+)",
        Key("recall", "{network}", "test, {row}", "{reference}"),
    ),
    (
        "04-results",
        r"scores\.(?P<reference>\w+)\.(?P<network>[^.]+)\.(?P<quantity>\w+)(\.value)?",
        Key("{quantity}", "{network}", "test", "{reference}"),
    ),
)


def key_of_path(notebook: str, path: str, run: str) -> Key:
    """Return the key of what lies along keys joined by dots in a notebook's results.

    Examples
    --------
    >>> str(key_of_path("04-results", "scores.truth.image.macro_f1", "this run"))
    'macro F1; ier; test; truth; this run'
    >>> str(key_of_path("01-dataset", "summary.rows", "this run"))
    'pairs; ; rows; ; this run'
    """
    for name, pattern, key in _PATHS:
        if notebook == name and (found := re.fullmatch(pattern, path)):
            groups = found.groupdict()
            if "network" in groups:
                groups["network"] = HALVES.get(groups["network"], groups["network"])
            if "quantity" in groups:
                groups["quantity"] = QUANTITIES.get(groups["quantity"], groups["quantity"])
            quantity, network, part, reference = (field.format(**groups) for field in key[:-1])
            return Key(quantity, network, part, reference, run)
    return Key(f"{notebook} {path}", "", "", "", run)


def key_of_column(key: Key, title: str) -> Key:
    """Return the key of what a column of this title holds where the key names the rest.

    Where the key has a quantity, the columns "difference", "low", "high" and those of p are about
    it.
    """
    if key.quantity and title in ("value", "difference", "ahead"):
        return key
    if key.quantity and title in ("low", "high", "p", "p (Holm)"):
        return key_of_end(key, title)
    quantity = QUANTITIES.get(title, title)
    if quantity in _OF_TRAINING:
        return Key(quantity, key.network, "", "", key.run)
    return key._replace(quantity=quantity)


def key_of_teacher(quantity: str, role: str, run: str = THIS_RUN) -> Key:
    """Return the key of what is said of a teacher, "ser" or "ier", on items of its own corpus."""
    return Key(quantity, f"{role} teacher", "held out", "its corpus", run)


def key_of_head(head: str, run: str = THIS_RUN) -> Key:
    """Return the key of the accuracy of an output of ParallelNet, or of it without an input
    (`tables.results.heads`)."""
    network = "fused" if head == "all three" else f"fused, {head}"
    return Key("accuracy", network, "validation", "labels", run)


def key_of_seeds(count: int, reference: str, run: str = THIS_RUN) -> Key:
    """Return the key of ParallelNet's mean lead over its better half, over recorded seeds."""
    return Key(name_lead(count), "fused - better half", "test", reference, run)


def name_mean(count: int) -> str:
    """Name the mean accuracy of a network over several trainings."""
    return f"mean accuracy of {count} trainings"


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
