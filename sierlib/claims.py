"""The claims ledger: what the paper says, what came out here, and whether the one bears out the other.

Only the published side is typed, each with its section; every value of ours is read from result files as `sierlib.runs`
writes them. Nothing here loads TensorFlow, so that the page builds without it.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sierlib import settings

#: Verdicts, in the order in which they are counted.
VERDICTS = REPRODUCED, NOT_REPRODUCED, NOT_TESTABLE, NOT_COMPUTED = (
    "reproduced", "not reproduced", "not testable here", "not computed yet",
)  # fmt: skip

#: What stands where there is no value.
DASH = "–"

#: Headings of the ledger, in the order of the paper.
GROUPS: dict[str, str] = {
    "Abstract": "Abstract",
    "3.1": "Section 3.1: the data set",
    "3.2": "Section 3.2: the two fusions",
    "3.3": "Section 3.3: the explanations",
    "4.2": "Section 4.2: training",
    "4.3.1": "Section 4.3.1: one modality alone",
    "Table 1": "Section 4.3.2 and Table 1: the configurations",
    "5.1": "Sections 5.1 and 5.2: Fig. 3 and Fig. 4",
    "Table 2": "Section 5.3 and Table 2: sentiment",
    "5.4": "Section 5.4: discussion",
}

#: Epochs in which the models converged (Section 4.2), and other authors' accuracies (Table 2).
PAPER_EPOCHS = (18, 23)
PAPER_OTHERS = {"Vadicamo et al.": 0.5130, "Gaspar et al.": 0.6042}

#: Gap that still counts as rounding where values have to add up: scores are float32.
ROUNDING = 1e-5
#: What "low" is taken to mean of kappa: fair agreement at most, in the words of Landis and Koch (1977).
LOW_KAPPA = 0.4
#: Trainings of each network below which epochs are not compared: were 3 all earlier than 3 others, p would be 1/20.
FEWEST = 3

#: Networks by the names of their specifications, and as notebook 04 calls two of them.
NAMES = {
    "fused": "ParallelNet", "ser": "SER only", "ier": "IER only", "baseline1": "Baseline 1", "baseline2": "Baseline 2",
    "baseline3": "Baseline 3", "addition": "weighted addition", "n2-vgg16": "VGG16 twice", "n2-vgg19": "VGG19 twice",
    "n2-resnet34": "ResNet-34", "n2-resnet50": "ResNet-50", "n2-resnet101": "ResNet-101",
    "n2-inception3a": "Inception 3a", "n2-inception4a": "Inception 4a", "n2-mobilenet": "MobileNet",
    "n2-densenet": "DenseNet",
}  # fmt: skip
_IN_04 = {"fused": "fused", "ser": "speech", "ier": "image"}
_RESNETS = ("n2-resnet34", "n2-resnet50", "n2-resnet101")
_INCEPTIONS = ("n2-inception3a", "n2-inception4a")

#: Results by notebook; a notebook that has not run is absent.
Results = Mapping[str, Any]


class Missing(LookupError):
    """A result that is not there yet."""


class Untestable(LookupError):
    """A claim that the data of a run cannot settle; the argument is the reason."""


@dataclass(frozen=True)
class Finding:
    """What result files say to a claim: our value in words, a verdict, its reason, and the run behind the value."""

    ours: str
    verdict: str
    reason: str
    made: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Parameters
    ----------
    group
        A key of `GROUPS`.
    where, text, published
        The place in the paper, the claim, and the published value or words.
    judge
        From results by notebook to a `Finding`; raises `Missing` or `Untestable`.
    notebook, heading
        The page that computes our value, and words from the heading above the cell.
    trained
        Whether it matters how well networks learned, which profile smoke cannot say.
    """

    group: str
    where: str
    text: str
    published: str
    judge: Callable[[Results], Finding]
    notebook: str
    heading: str
    trained: bool = True


# ---------------------------------------------------------------------------------------- statistics
def wilson(count: int, n: int) -> tuple[float, float, float]:
    """Return a share and its 95 % interval (Wilson, 1927).

    Examples
    --------
    >>> [round(value, 3) for value in wilson(432, 553)]
    [0.781, 0.745, 0.814]
    """
    z, share = 1.959964, count / n
    middle, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return share, (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def newcombe(one: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Return the difference of two shares, each given with its Wilson interval, and the difference's (Newcombe, 1998).

    The shares are taken to be independent. Two networks on the same rows are not: where they tend to err together, this
    interval is wider than a paired one.
    """
    (p, low_p, high_p), (q, low_q, high_q) = one, other
    return p - q, p - q - math.hypot(p - low_p, high_q - q), p - q + math.hypot(high_p - p, q - low_q)


def kappa(confusion: Sequence[Sequence[int]]) -> float:
    """Return Cohen's kappa of a confusion matrix; 0 where only one class occurs."""
    n, columns = sum(map(sum, confusion)), [sum(column) for column in zip(*confusion, strict=True)]
    agreed = sum(row[i] for i, row in enumerate(confusion)) / n
    chance = sum(sum(row) * column for row, column in zip(confusion, columns, strict=True)) / n**2
    return (agreed - chance) / (1 - chance) if chance < 1 else 0.0


def surplus(confusion: Sequence[Sequence[int]]) -> float:
    """Return by how much accuracy exceeds macro F1, over the classes that occur."""
    columns = [sum(column) for column in zip(*confusion, strict=True)]
    sums = [sum(row) + column for row, column in zip(confusion, columns, strict=True)]
    scores = [2 * row[i] / sums[i] for i, row in enumerate(confusion) if sums[i]]
    return sum(row[i] for i, row in enumerate(confusion)) / sum(columns) - sum(scores) / len(scores)


def bootstrap(
    tables: Sequence[Sequence[Sequence[int]]], statistic: Callable[..., float], resamples: int = 500, seed: int = 0
) -> tuple[float, float, float]:
    """Return a statistic of confusion matrices, and its 95 % percentile interval; each matrix is drawn by itself."""
    draw, found = random.Random(seed), []
    for _ in range(resamples):
        drawn = []
        for table in tables:
            size, cells = len(table), [cell for row in table for cell in row]
            counts = Counter(draw.choices(range(len(cells)), cells, k=sum(cells)))
            drawn.append([[counts[i * size + j] for j in range(size)] for i in range(size)])
        found.append(statistic(*drawn))
    found.sort()
    cut = resamples // 40
    return statistic(*tables), found[cut], found[-1 - cut]


# ------------------------------------------------------------------------------- reading and wording
def _find(tree: Any, *keys: Any) -> Any:
    """Return what lies along the keys, or None."""
    for key in keys:
        if isinstance(tree, Mapping):
            tree = tree.get(key)
        elif isinstance(tree, list) and isinstance(key, int) and 0 <= key < len(tree):
            tree = tree[key]
        else:
            return None
    return None if isinstance(tree, float) and math.isnan(tree) else tree


def _need(tree: Any, *keys: Any) -> Any:
    """Return what lies along the keys, or raise `Missing`; an empty list is nothing, and so is one with gaps."""
    found = _find(tree, *keys)
    if found is None or (isinstance(found, list) and (not found or None in found)):
        raise Missing
    return found


def _made(results: Results, notebook: str, entry: Any = None) -> dict[str, Any]:
    """Return profile, data and date of a value, and whether an earlier run recorded it."""
    told = _find(results, notebook, "provenance") or {}
    elsewhere = _find(entry, "origin") == "recorded"
    fields = {key: _find(entry, key) or (None if elsewhere else told.get(key)) for key in ("profile", "data", "date")}
    return fields | {"recorded": bool(elsewhere or told.get("recorded"))}


def _run_of(made: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what values must have in common to be compared."""
    return made["profile"], made["data"]


def _entry(results: Results, name: str, pool: str = "studies") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a network's scores and curves, and the run they come from; `pool` is a key of notebook 03's results."""
    found = _find(results, "03-ablation", pool, name)
    if found:
        return found, _made(results, "03-ablation", found)
    validation = _find(results, "02-training", "models", name, "validation")
    if pool != "studies" or name not in _IN_04 or not validation:
        raise Missing
    test = _find(results, "04-results", "scores", "labels", _IN_04[name])
    return {"validation": validation, "test": test}, _made(results, "02-training")


def _together(results: Results, *names: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what `_entry` does of several networks, all of one run; others have other rows and other labels."""
    for pool in ("studies", "stand_in"):
        try:
            entries, made = zip(*(_entry(results, name, pool) for name in names), strict=True)
        except Missing:
            continue
        if len(set(map(_run_of, made))) == 1:
            return list(entries), made[-1]
    raise Missing


def _accuracy(scores: Any) -> tuple[float, float, float]:
    low, high = (_need(scores, "accuracy_interval", i) for i in (0, 1))
    return _need(scores, "accuracy"), low, high


def _is_published_data(results: Results, data: Any, kind: str = "pairs") -> bool:
    """Tell whether data can be those of the paper: B-T4SA by name, the authors' own by being exactly as many pairs."""
    rows = _find(results, "01-dataset", "summary", "rows")
    return str(data).startswith(f"{kind}:") and (kind != "pairs" or rows == sum(settings.PAPER_COUNTS.values()))


def _ask_teachers(results: Results) -> None:
    """Stop where no teacher labelled the data."""
    if _find(results, "01-dataset", "summary", "labelled_by") not in (None, "teachers"):
        raise Untestable("the data brought their labels: no teacher was asked")


def _ask_truth(results: Results) -> None:
    """Stop where nothing was planted in the data."""
    if _find(results, "01-dataset", "provenance", "data") not in (None, "synthetic"):
        raise Untestable("only the embedded corpus knows which labels are right")


def corpus(data: Any) -> str:
    """Name a data spec, without the path in it.

    Examples
    --------
    >>> corpus("synthetic"), corpus("bt4sa:some/folder")
    ('embedded corpus', 'B-T4SA')
    """
    kind = str(data or DASH).partition(":")[0]
    return {"synthetic": "embedded corpus", "bt4sa": "B-T4SA", "pairs": "pairs from a file"}.get(kind, kind)


def _percent(value: float) -> str:
    return f"{value:.1%}".replace("%", " %")


def _share(value: float, low: float, high: float) -> str:
    return f"{_percent(value)} [{low * 100:.1f}, {high * 100:.1f}]"


def _points(*values: float) -> str:
    return "{:+.1f} points [{:+.1f}, {:+.1f}]".format(*(value * 100 for value in values)).replace("-", "−")


def _epochs_of(best: Mapping[str, Sequence[int]]) -> str:
    return "best epoch: " + "; ".join(f"{NAMES[name]} {', '.join(map(str, found))}" for name, found in best.items())


def _judged(ours: str, holds: bool, yes: str, no: str, made: Mapping[str, Any]) -> Finding:
    return Finding(ours, REPRODUCED if holds else NOT_REPRODUCED, yes if holds else no, made)


# ------------------------------------------------------------------------------------- single values
def _published(name: str, value: float, results: Results, part: str = "validation", data: str = "pairs") -> Finding:
    """Hold a published accuracy against ours: on validation, as in Table 1, with test beside it; Table 2 on test."""
    entry, made = _entry(results, name)
    parts = [each for each in ("validation", "test") if each == part or _find(entry, each)]
    found = {each: _accuracy(_find(entry, each)) for each in parts}
    text = "; ".join(f"{each} {_share(*scores)}" for each, scores in found.items())
    several = _find(entry, "repeats", part) or []
    if len(several) > 1:
        text += f"; mean of {len(several)} trainings, {part} {_percent(sum(several) / len(several))}"
    if made["profile"] != "paper" or not _is_published_data(results, made["data"], data):
        needed = "the authors' data" if data == "pairs" else "B-T4SA"
        return Finding(text, NOT_TESTABLE, f"needs {needed} and profile paper; ours is for orientation", made)
    said = f"the published value lies {{}} our interval on {part}"
    return _judged(text, found[part][1] <= value <= found[part][2], said.format("within"), said.format("outside"), made)


def _counted(name: str, results: Results) -> Finding:
    """Hold a count of Section 3.1 against ours: of a class, or of "all"."""
    made = _made(results, "01-dataset")
    rows, usable = (_need(results, "01-dataset", "summary", key) for key in ("rows", "usable"))
    count, published, text = usable, sum(settings.PAPER_COUNTS.values()), f"{usable:,} of {rows:,} rows"
    if name != "all":
        count, published = _need(results, "01-dataset", "summary", "per_class", name), settings.PAPER_COUNTS[name]
        text = f"{count:,}: {_share(*wilson(count, max(1, usable)))}"
    if _is_published_data(results, made["data"]):
        return _judged(text, count == published, "the same count", "another count of the same data", made)
    reason = "a count of the authors' data"
    if made["data"] == "synthetic":
        reason = "the embedded corpus is generated with shares near these: agreement would show nothing"
    return Finding(text, NOT_TESTABLE, reason, made)


def _rule_example(results: Results) -> Finding:
    label, winner = (_need(results, "01-dataset", "rule_example", key) for key in ("label", "winner"))
    text = f"class {label + 1}, by the {'image' if winner == 'ier' else 'speech'} teacher"
    holds = label == 1 and winner == "ier"
    return _judged(text, holds, "the rule gives what the paper says", "another class", _made(results, "01-dataset"))


def _at_threshold(results: Results, rule: str) -> Any:
    """Return what notebook 03 counted under a rule, "maximum" or "agreement", at the paper's threshold."""
    for row in _need(results, "03-ablation", "thresholds"):
        if (_find(row, "threshold"), _find(row, "rule")) == (settings.LABEL_THRESHOLD, rule):
            return row
    raise Missing


def _threshold(results: Results) -> Finding:
    _ask_teachers(results)
    rows, usable, discarded = (_need(results, "01-dataset", "summary", key) for key in ("rows", "usable", "discarded"))
    kept = _need(_at_threshold(results, "maximum"), "pairs kept")
    text = f"{discarded:,} of {rows:,} discarded; {kept:,} reach it, and {usable:,} are used"
    yes = "used are those that reach it; how many the authors discarded is not published"
    return _judged(text, kept == usable, yes, "others are used than reach it", _made(results, "01-dataset"))


def _more_accurate(results: Results) -> Finding:
    """Judge whether labels are right more often under the maximum rule than under the agreement rule.

    The pairs on which teachers agree are a part of all that are kept, so the difference is that between the others and
    them, times the share of the others; these two groups have no pair in common.
    """
    _ask_truth(results)
    shares = []
    for rule in ("maximum", "agreement"):
        row = _at_threshold(results, rule)
        shares.append((_need(row, "pairs kept"), _need(row, "label is the planted emotion")))
    (every, right), (agreed, agreed_right) = shares
    others = every - agreed
    if others <= 0 or agreed <= 0:
        raise Missing
    in_others = min(others, max(0, round(every * right) - round(agreed * agreed_right)))
    found = newcombe(wilson(in_others, others), wilson(round(agreed * agreed_right), agreed))
    value, low, high = (each * others / every for each in found)
    difference = Difference("", value, low, high, _made(results, "03-ablation"))
    text = f"maximum {_percent(right)} of {every:,} right, agreement {_percent(agreed_right)} of {agreed:,}"
    return _directed([difference], 1, f"{text}; {difference.text()}")


def _weights(results: Results) -> Finding:
    names = _need(results, "02-training", "late_fusion")
    found = {name: _need(names, name) for name in names}
    text = ", ".join(f"{name.partition(' ')[0]} {value:.3f}" for name, value in found.items())
    holds = len(found) == 3 and min(found.values()) >= 0 and abs(sum(found.values()) - 1) < 1e-3
    yes = "three weights, none negative, that add up to 1; of one training, so without an interval"
    return _judged(text, holds, yes, "not what a softmax gives", _made(results, "02-training"))


def _additive(method: str, results: Results) -> Finding:
    gaps = _need(results, "05-interpretability", "gaps", method)
    no = "the parts do not add up to their whole; the page of decisions says why"
    text = f"largest gap on {len(gaps)} levels: {max(gaps):.2g}"
    return _judged(text, max(gaps) < ROUNDING, "the gap is rounding", no, _made(results, "05-interpretability"))


def _converged(results: Results) -> Finding:
    """Judge "18 to 23 epochs", which only a constant rate and more epochs than that leave to the networks."""
    names = ("fused", "baseline1", "baseline2", "baseline3")
    entries = {name: _find(results, "03-ablation", "studies", name) for name in names}
    best = {name: _need(entry, "best_epoch") for name, entry in entries.items() if _find(entry, "best_epoch")}
    made = [_made(results, "03-ablation", entries[name]) for name in best]
    if not best:
        best["fused"] = [_need(results, "02-training", "models", "fused", "best_epoch")]
        made = [_made(results, "02-training")]
    profile = settings.PROFILES.get(made[0]["profile"])
    if profile is None or profile.warmup or profile.epochs <= PAPER_EPOCHS[1]:
        stop = f"profile {profile.name} stops at {profile.epochs} epochs" if profile else "the profile is not known"
        reason = f"{stop}, and its falling learning rate decides when networks settle"
        return Finding(_epochs_of(best), NOT_TESTABLE, reason, made[0])
    if len(best) < len(names) or len(set(map(_run_of, made))) > 1:
        return Finding(_epochs_of(best), NOT_COMPUTED, "run notebook 03 for the baselines too", made[0])
    first, last = PAPER_EPOCHS
    holds = all(first <= epoch <= last for found in best.values() for epoch in found)
    yes, no = "every training was best in these epochs", "not every training was best in these epochs"
    return _judged(_epochs_of(best), holds, yes, no, made[0])


def _overfits(results: Results) -> Finding:
    model = _need(results, "02-training", "models", "ier")
    training = _need(model, "epochs", _need(model, "best_epoch") - 1, "accuracy")
    _, _, high = validation = _accuracy(_find(model, "validation"))
    said = "training accuracy of the best epoch lies {} the interval of validation accuracy"
    text = f"training {_percent(training)}, validation {_share(*validation)}"
    holds = training > high
    return _judged(text, holds, said.format("above"), said.format("not above"), _made(results, "02-training"))


def _kappa_is_low(results: Results) -> Finding:
    confusion = _need(results, "02-training", "models", "ier", "validation", "confusion")
    value, low, high = bootstrap([confusion], kappa)
    said = f"the interval lies {{}} {LOW_KAPPA:g}, up to which we call kappa low"
    no = said.format("above" if low > LOW_KAPPA else "on both sides of")
    text = f"kappa {value:.2f} [{low:.2f}, {high:.2f}]"
    return _judged(text, high <= LOW_KAPPA, said.format("below"), no, _made(results, "02-training"))


def _out_of_line(results: Results) -> Finding:
    """Judge whether accuracy leaves macro F1 further behind in IER only than in SER only."""
    tables = [_need(results, "02-training", "models", name, "validation", "confusion") for name in ("ier", "ser")]
    found = bootstrap(tables, lambda image, speech: surplus(image) - surplus(speech))
    image, speech = (f"{surplus(table) * 100:+.1f}".replace("-", "−") for table in tables)
    difference = Difference("", *found, _made(results, "02-training"))
    text = f"accuracy less macro F1: IER {image}, SER {speech}; difference {difference.text()}"
    return _directed([difference], 1, text)


def _classes(results: Results) -> Finding:
    table, told = _need(results, "04-results", "scores", "labels", "fused", "confusion"), []
    for i, (name, row) in enumerate(zip(settings.CLASSES, table, strict=False)):
        told.append(f"{name} {_share(*wilson(row[i], sum(row))) if sum(row) else DASH}")
    reason = "the published values are only in the picture, and of the authors' data"
    return Finding(f"test, {'; '.join(told)}", NOT_TESTABLE, reason, _made(results, "04-results"))


def _located(results: Results) -> Finding:
    """Show how much positive value lies where the emotion was planted; Fig. 4's samples cannot be had."""
    reason, made, told = "four samples that cannot be had; ours are there to be looked at", {}, []
    for part in ("image", "speech"):
        for row in _find(results, "07-trust", "scores") or ():
            if (row["measure"], row["part"], row["method"]) == ("share", part, "owen"):
                told.append(f"{part} {_percent(row['mean'])} (chance {_percent(row['chance'])})")
                made = _made(results, "07-trust")
    text = f"positive value where the emotion was planted: {'; '.join(told)}" if told else DASH
    return Finding(text, NOT_TESTABLE, reason, made)


def _image_only(results: Results) -> Finding:
    """Show what our image half makes of the sentiments, beside a system that saw the image only."""
    reason = "another system, which saw the image only"
    try:
        entry, made = _entry(results, "sentiment-ier")
        return Finding(f"ours, image only: test {_share(*_accuracy(_find(entry, 'test')))}", NOT_TESTABLE, reason, made)
    except Missing:
        return Finding(DASH, NOT_TESTABLE, reason)


def _teacher_alone(rule: str, results: Results) -> Finding:
    """Judge "a teacher alone gets 100 %" under one of the rules, "agreement" or "the more confident teacher"."""
    _ask_teachers(results)
    found = _find(results, "01-dataset", "teachers_as_models", rule)
    keys, made = {"speech": "speech teacher", "image": "image teacher"}, _made(results, "01-dataset")
    values = {who: _find(found, key) for who, key in keys.items()}
    text = "all rows"
    if None in values.values():
        if rule == "agreement":
            raise Missing
        scores, made, text = _need(results, "04-results", "scores", "labels"), _made(results, "04-results"), "test"
        values = {"speech": _need(scores, "ser teacher", "accuracy"), "image": _need(scores, "ier teacher", "accuracy")}
    text += ": " + ", ".join(f"{who} teacher {_percent(value)}" for who, value in values.items())
    no = "a teacher alone fails wherever the other one was surer and said something else"
    return _judged(text, min(values.values()) == 1, "so by construction", no, made)


# -------------------------------------------------------------------------------------------- order
@dataclass(frozen=True)
class Difference:
    """By how much one network is ahead of another: value and 95 % interval, p after Holm's correction where made."""

    title: str
    value: float
    low: float
    high: float
    made: Mapping[str, Any]
    corrected: float | None = None
    note: str = ""

    def side(self) -> int:
        """Return 1 where the first is ahead, -1 where it is behind, 0 where neither can be claimed."""
        claimed = self.corrected is None or self.corrected < 0.05
        return claimed * ((self.low > 0) - (self.high < 0))

    def text(self) -> str:
        """Return the value in points, with its interval."""
        return _points(self.value, self.low, self.high) + self.note


def _compared(results: Results, entry: Any, title: str = "") -> Difference:
    """Read one of the paired comparisons of notebook 04."""
    value, low, high = _need(entry, "difference"), *(_need(entry, "interval", i) for i in (0, 1))
    rows, seeds = _find(entry, "n"), _find(entry, "repeats") or 1
    note = f", {rows:,} test rows" if rows else ""
    note += f", mean of {seeds} trainings" if seeds > 1 else ""
    return Difference(title, value, low, high, _made(results, "04-results", entry), _find(entry, "p_holm"), note)


def _comparison(results: Results, name: str) -> Any:
    listed = _find(results, "04-results", "comparisons") or []
    return next((entry for entry in listed if _find(entry, "name") == name and _find(entry, "interval")), None)


def _difference(results: Results, one: str, other: str) -> Difference:
    """Return how far a network is ahead of another: paired where notebook 04 did so, else from two accuracies."""
    entry = _comparison(results, f"{one}-{other}")
    if entry is None and one == "fused":
        entry = _find(results, "04-results", "differences", "labels", _IN_04.get(other))
    if entry is not None:
        return _compared(results, entry, NAMES[other])
    (a, b), made = _together(results, one, other)
    part = "test" if _find(a, "test") and _find(b, "test") else "validation"
    found = newcombe(_accuracy(_find(a, part)), _accuracy(_find(b, part)))
    return Difference(NAMES[other], *found, made, note=f" ({part}, not paired)")


def _above(pairs: Sequence[tuple[str, str]], results: Results) -> Finding:
    """Judge whether the first network is ahead of the second in every pair."""
    found: list[tuple[str, Difference]] = []
    for one, other in pairs:
        try:
            found.append((one, _difference(results, one, other)))
        except Missing:
            continue
    if not found:
        raise Missing
    found = [pair for pair in found if _run_of(pair[1].made) == _run_of(found[0][1].made)]
    shown = found if len(found) < 4 else [min(found, key=lambda pair: pair[1].value)]
    text = "; ".join(f"{NAMES[one]} − {each.title}: {each.text()}" for one, each in shown)
    if len(shown) < len(found):
        text = f"smallest of {len(found)} differences: {text}"
    return _directed([each for _, each in found], len(pairs), text)


def _directed(found: Sequence[Difference], wanted: int, text: str) -> Finding:
    """Make a verdict of differences, all of which have to lie in the claimed direction."""
    failed = [each for each in found if each.side() < 1]
    turned = [each for each in failed if each.side() < 0]
    made = found[0].made
    if failed:
        reason = "it is the other way round" if turned else "no difference can be claimed"
        names = ", ".join(each.title for each in turned or failed) if wanted > 1 else ""
        return Finding(text, NOT_REPRODUCED, f"{reason}: {names}" if names else reason, made)
    if len(found) < wanted:
        reason = f"{len(found)} of {wanted} differences, none against the claim; run notebook 03 for the others"
        return Finding(text, NOT_COMPUTED, reason, made)
    return Finding(text, REPRODUCED, f"{'the' if wanted == 1 else 'every'} interval lies on the claimed side", made)


def _dilutes(results: Results) -> Finding:
    """Judge by how sure the networks are of pairs in conflict, where that was compared, else by their accuracy."""
    entry = _comparison(results, "multiply-addition-confidence")
    if entry is None:
        found = _compared(results, _comparison(results, "multiply-addition"))
        judged = _directed([found], 1, f"accuracy on pairs in conflict: {found.text()}")
        return Finding(judged.ours, judged.verdict, f"{judged.reason}, judged by accuracy", judged.made)
    found = _compared(results, entry)
    less = Difference("", -found.value, -found.high, -found.low, found.made, found.corrected)
    return _directed([less], 1, f"confidence on pairs in conflict: {found.text()}")


def _more_effective(results: Results) -> Finding:
    """Judge by what networks that learn from either rule's labels make of the planted truth."""
    entry = _comparison(results, "max-agreement")
    if entry is None:
        _ask_truth(results)
        raise Missing
    found = _compared(results, entry)
    return _directed([found], 1, f"a network's accuracy on the planted truth: {found.text()}")


def _faster(rivals: Sequence[str], results: Results) -> Finding:
    """Judge whether networks are at their best earlier than ParallelNet, in every training of either."""
    entries, made = _together(results, "fused", *rivals)
    best = {name: _need(entry, "best_epoch") for name, entry in zip(("fused", *rivals), entries, strict=True)}
    text, fewest = _epochs_of(best), min(map(len, best.values()))
    if fewest < FEWEST:
        reason = f"fewer than {FEWEST} trainings of a network: epochs cannot be told apart"
        return Finding(text, NOT_TESTABLE, reason, made)
    holds = max(epoch for name in rivals for epoch in best[name]) < min(best["fused"])
    yes = "every training was at its best before any of ParallelNet's"
    return _judged(text, holds, yes, "the trainings overlap: no difference can be claimed", made)


def _resnets(results: Results) -> Finding:
    """Show how validation accuracy moves from epoch to epoch; one learning rate leaves nothing to compare."""
    (entries, made), told = _together(results, "fused", *_RESNETS), []
    for name, entry in zip(("fused", *_RESNETS), entries, strict=True):
        curve = _need(entry, "curves", "val_accuracy")
        moves = [abs(after - before) for before, after in zip(curve, curve[1:], strict=False)]
        told.append(f"{NAMES[name]} {100 * sum(moves) / max(1, len(moves)):.1f}")
    reason = "a profile has one learning rate; the claim compares two"
    return Finding(f"points between epochs, validation accuracy: {', '.join(told)}", NOT_TESTABLE, reason, made)


# -------------------------------------------------------------------------------------------- claims
def _table_1() -> list[Claim]:
    names = ("ser", "ier", "baseline1", "baseline2", "baseline3", "fused")
    return [
        Claim("Table 1", "Table 1", f"{title}: accuracy on validation", f"{value * 100:.2f} %",
              partial(_published, name, value), "03-ablation", "Table 1")
        for name, (title, value) in zip(names, settings.PAPER_TABLE_1.items(), strict=True)
    ]  # fmt: skip


def _section_3_1() -> list[Claim]:
    total = sum(settings.PAPER_COUNTS.values())
    classes = [
        Claim("3.1", "3.1", f"samples labelled {name}", f"{count:,} ({_percent(count / total)})",
              partial(_counted, name), "01-dataset", "Classes", trained=False)
        for name, count in sorted(settings.PAPER_COUNTS.items(), key=lambda item: -item[1])
    ]  # fmt: skip
    every = partial(_counted, "all")
    return [Claim("3.1", "3.1", "samples", f"{total:,}", every, "01-dataset", "The pairs", trained=False), *classes]


def _table_2(title: str, value: float, judge: Callable[[Results], Finding]) -> Claim:
    return Claim("Table 2", "Table 2", title, f"{value * 100:.2f} %", judge, "04-results", "Table 2")


def _ahead(
    group: str, where: str, text: str, published: str, *pairs: tuple[str, str], page: str = "03-ablation", at: str
) -> Claim:
    return Claim(group, where, text, published, partial(_above, pairs), page, at)


def _against(*rivals: str) -> list[tuple[str, str]]:
    return [("fused", rival) for rival in rivals]


_BEST, _SENTIMENT = settings.PAPER_TABLE_1["ParallelNet"], settings.PAPER_TABLE_2["ParallelNet"]
_NO_NUMBER = "no number"
_BACKBONES = (*_RESNETS, *_INCEPTIONS, "baseline3", "n2-mobilenet", "n2-densenet")

#: The claims, by group in the order of `GROUPS`.
CLAIMS: tuple[Claim, ...] = (
    Claim("Abstract", "abstract, 1, 5.1", "accuracy of ParallelNet; Table 1 has the same number as validation accuracy",
          f"{_BEST * 100:.2f} %", partial(_published, "fused", _BEST), "04-results", "Accuracy"),
    *_section_3_1(),
    Claim("3.1", "3.1", "the higher maximum gives the label: speech 0.1, 0.1, 0.7, 0.1, image 0.1, 0.8, 0.05, 0.05",
          "the second class", _rule_example, "01-dataset", "The pairs", trained=False),
    Claim("3.1", "3.1", "samples whose higher maximum is below the threshold are discarded", "threshold 0.5",
          _threshold, "03-ablation", "other choices", trained=False),
    Claim("3.2", "3.2.1", "multiplication dilutes the assertion of the surer modality where the two conflict",
          "an argument", _dilutes, "04-results", "Five comparisons"),
    _ahead("3.2", "3.2.1", "multiplication was chosen over weighted addition by experiment", _NO_NUMBER,
           ("fused", "addition"), at="other choices"),
    Claim("3.2", "3.2.2", "w1, w2 and w3 are learned, and a softmax keeps them from being negative", "no values",
          _weights, "02-training", "late fusion", trained=False),
    Claim("3.3", "3.3, Eq. 5", "parts add up to the whole less nothing, each part being valued in both contexts",
          "holds", partial(_additive, "owen"), "05-interpretability", "Dividing and conquering", trained=False),
    Claim("3.3", "3.3, Eq. 5", "the same, dividing as the text literally says, with all else at zero",
          "holds", partial(_additive, "published"), "05-interpretability", "Dividing and conquering", trained=False),
    Claim("3.3", "3.3", "Shapley values applied to the spectrogram directly do not give meaningful speech", "no number",
          lambda _: Finding(DASH, NOT_TESTABLE, "no matter of numbers; speech rebuilt from a spectrogram can be heard"),
          "05-interpretability", "From values to sound"),
    Claim("4.2", "4.2", "baselines and proposed models converge in validation loss", "18–23 epochs",
          _converged, "03-ablation", "Table 1"),
    Claim("4.3.1", "4.3.1", "IER only: high training accuracy, low validation accuracy", _NO_NUMBER,
          _overfits, "02-training", "Training"),
    Claim("4.3.1", "4.3.1", "IER only: kappa is low, as it over-fits for a class", _NO_NUMBER,
          _kappa_is_low, "02-training", "Training"),
    Claim("4.3.1", "4.3.1", "accuracy and F1 are in line for SER only, and not for IER only", _NO_NUMBER,
          _out_of_line, "02-training", "Training"),
    _ahead("4.3.1", "4.3.1", "SER only: the accuracy is less", "60.17 against 66.93 %", ("ier", "ser"), at="Table 1"),
    *_table_1(),
    _ahead("Table 1", "Table 1, 6", "ParallelNet is better than SER only", "83.29 against 60.17 %",
           ("fused", "ser"), page="04-results", at="What fusion brings"),
    _ahead("Table 1", "Table 1, 6", "ParallelNet is better than IER only", "83.29 against 66.93 %",
           ("fused", "ier"), page="04-results", at="What fusion brings"),
    _ahead("Table 1", "Table 1, 6", "ParallelNet is better than Baseline 1", "83.29 against 63.93 %",
           ("fused", "baseline1"), page="04-results", at="Table 1"),
    _ahead("Table 1", "Table 1, 6", "ParallelNet is better than Baseline 2", "83.29 against 61.81 %",
           ("fused", "baseline2"), page="04-results", at="Table 1"),
    _ahead("Table 1", "Table 1, 6", "ParallelNet is better than Baseline 3", "83.29 against 67.70 %",
           ("fused", "baseline3"), page="04-results", at="Five comparisons"),
    _ahead("Table 1", "4.3.2", "configuration 3 is the best of the three", "67.70 against 63.93 and 61.81 %",
           ("baseline3", "baseline1"), ("baseline3", "baseline2"), page="04-results", at="Table 1"),
    _ahead("Table 1", "Table 1", "Baselines 1 and 2, with both modalities, stay below IER only",
           "63.93 and 61.81 against 66.93 %",
           ("ier", "baseline1"), ("ier", "baseline2"), page="04-results", at="Table 1"),
    _ahead("Table 1", "4.3.2", "VGG16 for speech with VGG19 for the image is the best N2", "no numbers of the others",
           *_against("n2-vgg16", "n2-vgg19", *_BACKBONES), at="What N2 holds"),
    Claim("5.1", "5.1, Fig. 3", "class-wise accuracies of ParallelNet", "only in the picture",
          _classes, "04-results", "Confusion matrix"),
    Claim("5.1", "5.2, 5.4, Fig. 4", "both modalities tell sad; where images seem neutral, words tell hate and anger",
          "four pictures", _located, "05-interpretability", "Results as in Fig. 4"),
    _table_2("Vadicamo et al., cross-modal learning", PAPER_OTHERS["Vadicamo et al."], _image_only),
    _table_2("Gaspar et al., multimodal sentiment analysis", PAPER_OTHERS["Gaspar et al."],
             lambda _: Finding(DASH, NOT_TESTABLE, "another system, on other inputs")),
    _table_2("ParallelNet, three sentiments", _SENTIMENT,
             partial(_published, "sentiment-fused", _SENTIMENT, part="test", data="bt4sa")),
    Claim("5.4", "5.4", "a teacher alone gets 100 % under the rejected rule, by which both have to agree", "100 %",
          partial(_teacher_alone, "agreement"), "01-dataset", "Classes", trained=False),
    Claim("5.4", "5.4", "a teacher alone gets 100 % under the rule that was used, that of the higher maximum", "100 %",
          partial(_teacher_alone, "the more confident teacher"), "01-dataset", "Classes", trained=False),
    Claim("5.4", "5.4", "the rule that was used gives more accurate labels than the rejected one", _NO_NUMBER,
          _more_accurate, "03-ablation", "other choices"),
    Claim("5.4", "5.4", "that rule is more effective in capturing the emotion of both modalities together", _NO_NUMBER,
          _more_effective, "04-results", "Five comparisons"),
    _ahead("5.4", "5.4", "of VGG, ResNet, Inception, EfficientNet, MobileNet and DenseNet, VGG is best", _NO_NUMBER,
           *_against(*_BACKBONES), at="What N2 holds"),
    Claim("5.4", "5.4", "ResNet learns slowly at a low learning rate and fluctuates a lot at a high one", _NO_NUMBER,
          _resnets, "03-ablation", "What N2 holds"),
    Claim("5.4", "5.4", "Inception converges faster", _NO_NUMBER,
          partial(_faster, _INCEPTIONS), "03-ablation", "What N2 holds"),
    _ahead("5.4", "5.4", "Inception's accuracy is lower", _NO_NUMBER, *_against(*_INCEPTIONS), at="What N2 holds"),
    Claim("5.4", "5.4", "EfficientNet converges faster", _NO_NUMBER,
          partial(_faster, ("baseline3",)), "03-ablation", "What N2 holds"),
    _ahead("5.4", "5.4, Table 1", "EfficientNet's accuracy is lower", "67.70 against 83.29 %",
           ("fused", "baseline3"), page="04-results", at="Five comparisons"),
    _ahead("5.4", "5.4", "MobileNet and DenseNet perform low", _NO_NUMBER,
           *_against("n2-mobilenet", "n2-densenet"), at="What N2 holds"),
)  # fmt: skip


# -------------------------------------------------------------------------------------------- ledger
def _judge(claim: Claim, results: Results) -> Finding:
    """Judge a claim, or say which notebook has to run; profile smoke is never taken for evidence of learning."""
    try:
        found = claim.judge(results)
    except Untestable as error:
        return Finding(DASH, NOT_TESTABLE, str(error))
    except Missing:
        number = claim.notebook[:2]
        what = ", in a profile that trains the networks it needs" if number in ("03", "04") else ""
        return Finding(DASH, NOT_COMPUTED, f"run notebook {number}{what}")
    if claim.trained and found.made.get("profile") == "smoke" and found.verdict in VERDICTS[:2]:
        return Finding(found.ours, NOT_TESTABLE, "profile smoke shows that steps run, and no more", found.made)
    return found


def _of_paper(results: Results, recorded: Mapping[str, Results]) -> dict[str, Any]:
    """Return the result files of runs with profile paper, and no others."""
    both = {**recorded.get("paper", {}), **{name: file for name, file in results.items() if _profile(file) == "paper"}}
    return {name: file for name, file in both.items() if _profile(file) == "paper"}


def _profile(file: Any) -> Any:
    return _find(file, "provenance", "profile")


def ledger(results: Results, recorded: Mapping[str, Results]) -> list[dict[str, Any]]:
    """Return a row for each claim.

    What this build's results lack is taken from a recorded run, `full` before `quick`, and the row says so.

    Parameters
    ----------
    results
        This build's result files by notebook.
    recorded
        Recorded result files by profile, then by notebook.

    Returns
    -------
    list of dict
        ``group``, ``where``, ``claim``, ``published``; ``ours`` with its 95 % interval; ``verdict``, ``reason``;
        ``profile``, ``data``, ``date`` and ``recorded`` of the run behind the value, None where there is none;
        ``paper``, value and verdict of a run with profile paper, else ""; ``notebook``, ``heading``.
    """
    sources = [results, *(recorded[name] for name in ("full", "quick") if recorded.get(name))]
    of_paper, rows = _of_paper(results, recorded), []
    for claim in CLAIMS:
        found = [_judge(claim, source) for source in sources]
        computed = [each for each in found if each.verdict != NOT_COMPUTED]
        chosen = next((each for each in computed if each.ours != DASH), (computed or found)[0])
        theirs = _judge(claim, of_paper) if of_paper else Finding("", NOT_COMPUTED, "")
        filled = theirs.made.get("profile") == "paper" and theirs.verdict != NOT_COMPUTED
        rows.append(
            {"group": claim.group, "where": claim.where, "claim": claim.text, "published": claim.published}
            | {"ours": chosen.ours, "verdict": chosen.verdict, "reason": chosen.reason}
            | {key: chosen.made.get(key) for key in ("profile", "data", "date", "recorded")}
            | {"paper": f"{theirs.ours}: {theirs.verdict}" if filled else ""}
            | {"notebook": claim.notebook, "heading": claim.heading}
        )
    return rows


def origins(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say in one sentence with which profile, on which corpus and when the rows' values were made."""
    made = Counter(
        (row["profile"], corpus(row["data"]), row["recorded"], str(row["date"] or "no date"))
        for row in rows
        if row["profile"]
    )
    if not made:
        return "Nothing has been computed yet: no notebook has left results that this page could read."
    told = []
    for (profile, data, earlier, date), count in made.most_common():
        when = "recorded in an earlier run" if earlier else "results of this build"
        told.append(f"profile {profile}, {data}, {when} ({date}; {count} of {len(rows)} rows)")
    empty = sum(not row["profile"] for row in rows)
    sentence = "; ".join([*told, f"{empty} rows have no value"] if empty else told)
    return sentence[0].upper() + sentence[1:] + "."


def counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many rows have each verdict, in the order of `VERDICTS`."""
    found = Counter(row["verdict"] for row in rows)
    return {verdict: found[verdict] for verdict in VERDICTS}
