"""Judges of claims about a single value: a published number, a rule, weights, gaps, epochs, one
network's scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sierbook import statistics
from sierbook.claims import reading
from sierbook.claims.findings import (
    DASH,
    NEEDS_DATA,
    NEEDS_FULL,
    NOT_COMPUTED,
    NOT_IN_PROFILE,
    OTHER_SYSTEM,
    TOO_LITTLE,
    Finding,
    decide,
    epochs,
    share,
    untestable,
)
from sierbook.claims.reading import Results
from sierbook.numbers import Key, key_of_path, name_mean, name_run, write, write_estimate
from sierlib import settings

#: Epochs in which the models converged (Section 4.2).
PAPER_EPOCHS = (18, 23)

#: Gap that still counts as rounding where values have to add up: scores are float32.
ROUNDING = 1e-5
#: What "low" is taken to mean of kappa: fair agreement at most, in the words of Landis and Koch
#: (1977).
LOW_KAPPA = 0.4


# --------------------------------------------------------------------------- published accuracies
def judge_accuracy(
    name: str, value: float, results: Results, part: str = "validation", data: str = "pairs"
) -> Finding:
    """Hold a published accuracy against ours: on validation, as in Table 1, with test beside it;
    Table 2 on test."""
    entry, made = reading.need_network(results, name)
    found = {}
    for each in ("validation", "test"):
        if each == part or reading.find(entry, each):
            found[each] = reading.need_estimate(entry, each, "accuracy")
    reference = "labels" if data == "pairs" else "sentiments"
    key = Key("accuracy", name, part, reference, name_run(made))
    text = "; ".join(
        f"{each} {share(accuracy, key._replace(part=each))}" for each, accuracy in found.items()
    )
    trainings, reached = reading.find(entry, "repeats", part) or [], found[part]
    if len(trainings) > 1:
        reached, count = statistics.estimate_few(trainings), len(trainings)
        mean = share(reached, key._replace(quantity=name_mean(count)))
        text = f"mean of {count} trainings, {part} {mean}; the first of them, {text}"
    deviation = abs(reached["value"] - value)
    if made["profile"] != "paper" or not reading.is_published_data(results, made["data"], data):
        needed = "the authors' data" if data == "pairs" else "B-T4SA"
        reason = f"needs {needed} and profile paper; ours is for orientation"
        return replace(untestable(text, NEEDS_FULL, reason, made), deviation=deviation)
    holds = reached["low"] <= value <= reached["high"]
    yes = f"the published value lies within our interval on {part}"
    no = f"the published value lies outside our interval on {part}"
    return replace(decide(text, holds, yes, no, made), deviation=deviation)


def show_classes(results: Results) -> Finding:
    """Show the accuracy of each class."""
    table = reading.need(results, "04-results", "scores", "labels", "fused", "confusion")
    listed, made = [], reading.find_run(results, "04-results")
    for code, (name, row) in enumerate(zip(settings.CLASSES, table, strict=False)):
        recall = DASH
        if sum(row):
            key = Key("recall", "fused", f"test, {name}", "labels", name_run(made))
            recall = share(statistics.estimate_count(row[code], sum(row)), key)
        listed.append(f"{name} {recall}")
    reason = "the published values are only in the picture, and of the authors' data"
    return untestable(f"test, {'; '.join(listed)}", TOO_LITTLE, reason, made)


def show_image_only(results: Results) -> Finding:
    """Show what our image half makes of the sentiments, beside a system that saw the image only."""
    reason = "another system, which saw the image only"
    try:
        entry, made = reading.need_network(results, "sentiment-ier")
        accuracy = reading.need_estimate(entry, "test", "accuracy")
    except reading.Missing:
        return untestable(DASH, OTHER_SYSTEM, reason)
    key = Key("accuracy", "sentiment-ier", "test", "sentiments", name_run(made))
    return untestable(f"ours, image only: test {share(accuracy, key)}", OTHER_SYSTEM, reason, made)


# --------------------------------------------------------------------------- the data set
def judge_count(name: str, results: Results) -> Finding:
    """Hold a count of Section 3.1 against ours: of a class, or of "all"."""
    made, summary = _read_summary(results)
    usable = reading.need(summary, "usable")
    if name == "all":
        count, theirs = usable, sum(settings.PAPER_COUNTS.values())
        text = f"{_quote(made, summary, 'usable')} of {_quote(made, summary, 'rows')} rows"
    else:
        count, theirs = reading.need(summary, "per_class", name), settings.PAPER_COUNTS[name]
        key = Key("share of the labels", "label", f"usable, {name}", "", name_run(made))
        part = share(statistics.estimate_count(count, max(1, usable)), key)
        text = f"{_quote(made, summary, 'per_class', name)}: {part}"
    if reading.is_published_data(results, made["data"]):
        no = "another count of the same data"
        return decide(text, count == theirs, "the same count", no, made)
    reason = "a count of the authors' data"
    if made["data"] == "synthetic":
        reason = (
            "the embedded corpus is generated with shares near these: agreement would show nothing"
        )
    return untestable(text, NEEDS_DATA, reason, made)


def show_cleaning(results: Results) -> Finding:
    """Show how many rows were set aside; the authors did it by hand, and give no number."""
    made, summary = _read_summary(results)
    rows, aside = (_quote(made, summary, name) for name in ("rows", "quarantined"))
    text = f"{aside} of {rows} rows set aside"
    reasons = reading.find(summary, "quarantined_by_reason") or {}
    if reasons:
        listed = []
        for name, count in sorted(reasons.items(), key=lambda item: -item[1]):
            key = Key("pairs", "", f"quarantined, {name}", "", name_run(made))
            listed.append(f"{name} {write(count, ',', *key)}")
        text += f": {', '.join(listed)}"
    reason = "done by hand there, by rule here; no number is published"
    return untestable(text, TOO_LITTLE, reason, made)


def judge_rule_example(results: Results) -> Finding:
    """Judge the example that Section 3.1 gives of the rule of the higher maximum."""
    example = reading.need(results, "01-dataset", "rule_example")
    label, winner = reading.need(example, "label"), reading.need(example, "winner")
    text = f"class {label + 1}, by the {settings.ROLES.get(winner, winner)} teacher"
    holds = (label, winner) == (1, "ier")
    made = reading.find_run(results, "01-dataset")
    return decide(text, holds, "the rule gives what the paper says", "another class", made)


def judge_moved_labels(results: Results) -> Finding:
    """Judge whether two emotions count as the classes to which Section 3.1 moves them."""
    made, _ = _read_summary(results)
    found = {name: settings.relabel(name) for name in ("excitement", "disgust")}
    text = ", ".join(f"{name} counts as {label}" for name, label in found.items())
    holds = found == {"excitement": "happy", "disgust": "hate"}
    return decide(text, holds, "the same classes", "other classes", made)


def judge_threshold(results: Results) -> Finding:
    """Judge whether those pairs are used that reach the threshold."""
    reading.require_teachers(results)
    made, summary = _read_summary(results)
    rows, usable, discarded = (
        _quote(made, summary, name) for name in ("rows", "usable", "discarded")
    )
    kept = reading.need(reading.need_rule(results, "maximum"), "pairs kept")
    reach = write(kept, ",", *key_of_rule("pairs kept", "maximum", name_run(made)))
    text = f"{discarded} of {rows} discarded; {reach} reach it, and {usable} are used"
    holds = kept == reading.need(summary, "usable")
    yes = "used are those that reach it; how many the authors discarded is not published"
    return decide(text, holds, yes, "others are used than reach it", made)


def key_of_rule(quantity: str, rule: str, run: str) -> Key:
    """Return the key of what a rule of labelling comes to at the paper's threshold."""
    return Key(quantity, "label", f"threshold, {settings.LABEL_THRESHOLD}, {rule}", "", run)


def _quote(made: Mapping[str, Any], summary: Any, *path: str) -> str:
    """Write a count of the data set's summary."""
    key = key_of_path("01-dataset", ".".join(("summary", *path)), name_run(made))
    return write(reading.need(summary, *path), ",", *key)


def _read_summary(results: Results) -> tuple[dict[str, object], object]:
    """Return the run behind the data set, and its summary."""
    summary = reading.need(results, "01-dataset", "summary")
    return reading.find_run(results, "01-dataset"), summary


def judge_teacher_alone(rule: str, results: Results) -> Finding:
    """Judge "a teacher alone gets 100 %" under one of the rules, "agreement" or "the more confident
    teacher"."""
    reading.require_teachers(results)
    found = reading.find(results, "01-dataset", "teachers_as_models", rule)
    shares = {name: reading.find(found, f"{name} teacher") for name in settings.MODALITIES}
    made, rows, part = reading.find_run(results, "01-dataset"), "all rows", f"all, {rule}"
    if None in shares.values():
        if rule == "agreement":
            raise reading.Missing
        # Notebook 04 knows it of the test rows, whose labels are those of the other rule.
        scores = reading.need(results, "04-results", "scores", "labels")
        made, rows, part = reading.find_run(results, "04-results"), "test", "test"
        for role, name in settings.ROLES.items():
            shares[name] = reading.need(scores, f"{role} teacher", "accuracy", "value")
    written = []
    for role, name in settings.ROLES.items():
        key = Key("accuracy", f"{role} teacher", part, "labels", name_run(made))
        written.append(f"{name} teacher {write(shares[name], 'percent', *key)}")
    listed = ", ".join(written)
    no = "a teacher alone fails wherever the other one was surer and said something else"
    return decide(f"{rows}: {listed}", min(shares.values()) == 1, "so by construction", no, made)


# --------------------------------------------------------------------------- training
def judge_weights(results: Results) -> Finding:
    """Judge whether the weights of the late fusion are what a softmax gives."""
    table = reading.need(results, "02-training", "late_fusion")
    found = {name: reading.need(table, name) for name in table}
    made = reading.find_run(results, "02-training")
    written = []
    for name, value in found.items():
        key = Key("share", "fused", f"late fusion, {name}, after training", "", name_run(made))
        written.append(f"{name.partition(' ')[0]} {write(value, '.3f', *key)}")
    text = ", ".join(written)
    values = list(found.values())
    holds = len(values) == 3 and min(values) >= 0 and abs(sum(values) - 1) < 1e-3
    yes = (
        "three weights, none negative, that add up to 1; how far one training moved them is on "
        "the page"
    )
    return decide(text, holds, yes, "not what a softmax gives", made)


def judge_epochs(results: Results) -> Finding:
    """Judge "18 to 23 epochs", which only a constant rate and more epochs than that leave to the
    networks."""
    names = ("fused", "baseline1", "baseline2", "baseline3")
    best, runs = {}, []
    for name in names:
        entry = reading.find(results, "03-ablation", "studies", name)
        if reading.find(entry, "best_epoch"):
            best[name] = reading.need(entry, "best_epoch")
            runs.append(reading.find_run(results, "03-ablation", entry))
    if not best:
        best["fused"] = [reading.need(results, "02-training", "models", "fused", "best_epoch")]
        runs.append(reading.find_run(results, "02-training"))
    made = runs[0]
    same = [reading.is_same_run(run, made) for run in runs]
    best = {name: best[name] for name, here in zip(list(best), same, strict=True) if here}
    text = f"best epoch: {epochs(best, 'best epoch', name_run(made))}"

    first, last = PAPER_EPOCHS
    profile = settings.PROFILES.get(made["profile"])
    if profile is None or profile.warmup or profile.epochs <= last:
        stop = "the profile is not known"
        if profile:
            ran = "1 epoch" if profile.epochs == 1 else f"{profile.epochs} epochs"
            stop = f"profile {profile.name} stops at {ran}"
        reason = f"{stop}, and its falling learning rate decides when networks settle"
        return untestable(text, NOT_IN_PROFILE, reason, made)
    if len(best) < len(names):
        return Finding(text, NOT_COMPUTED, "run notebook 03 for the baselines too", made)
    holds = all(first <= epoch <= last for found in best.values() for epoch in found)
    yes = "every training was best in these epochs"
    no = "not every training was best in these epochs"
    return decide(text, holds, yes, no, made)


def judge_overfitting(results: Results) -> Finding:
    """Judge whether the image half learns more of its training part than of validation."""
    model = reading.need(results, "02-training", "models", "ier")
    best = reading.need(model, "best_epoch") - 1
    training = reading.need(model, "epochs", best, "accuracy")
    validation = reading.need_estimate(model, "validation", "accuracy")
    made = reading.find_run(results, "02-training")
    key = Key("accuracy", "ier", "validation", "labels", name_run(made))
    learned = key._replace(quantity="training accuracy, best epoch")
    text = f"training {write(training, 'percent', *learned)}, validation {share(validation, key)}"
    yes = "training accuracy of the best epoch lies above the interval of validation accuracy"
    no = "training accuracy of the best epoch lies not above the interval of validation accuracy"
    return decide(text, training > validation["high"], yes, no, made)


def judge_kappa(results: Results) -> Finding:
    """Judge whether kappa of the image half is at most `LOW_KAPPA`."""
    confusion = reading.need(results, "02-training", "models", "ier", "validation", "confusion")
    kappa = statistics.bootstrap_confusions([confusion], statistics.confusion_kappa)
    made = reading.find_run(results, "02-training")
    key = Key("kappa", "ier", "validation", "labels", name_run(made))
    text = f"kappa {write_estimate(kappa, '.2f', key)}"
    side = "above" if kappa["low"] > LOW_KAPPA else "on both sides of"
    limit = f"{LOW_KAPPA:g}, up to which we call kappa low"
    yes, no = f"the interval lies below {limit}", f"the interval lies {side} {limit}"
    return decide(text, kappa["high"] <= LOW_KAPPA, yes, no, made)


# --------------------------------------------------------------------------- explanations
def judge_additivity(method: str, results: Results) -> Finding:
    """Judge whether the parts add up to their whole on every level."""
    gaps = reading.need(results, "05-interpretability", "gaps", method)
    made = reading.find_run(results, "05-interpretability")
    key = Key("largest gap", method, "explained", "score", name_run(made))
    text = f"largest gap on {len(gaps)} levels: {write(max(gaps), '.2g', *key)}"
    no = "the parts do not add up to their whole; the page of decisions says why"
    return decide(text, max(gaps) < ROUNDING, "the gap is rounding", no, made)


def show_locations(results: Results) -> Finding:
    """Show how much positive value lies where the emotion was planted; Fig. 4's samples cannot be
    had."""
    reason = "four samples that cannot be had; ours are in notebook 05, to be looked at"
    found, made = {}, reading.find_run(results, "08-explanations")
    for row in reading.find(results, "08-explanations", "scores") or ():
        if (row["measure"], row["method"]) == ("share", "owen"):
            where = f"explained, {row['part']}"
            mean, chance = (
                write(value, "percent", "share", who, where, "truth", name_run(made))
                for who, value in (
                    ("owen", reading.need(row, "mean", "value")),
                    ("chance", reading.need(row, "chance")),
                )
            )
            found[row["part"]] = f"{row['part']} {mean} (chance {chance})"
    listed = [found[part] for part in ("image", "speech") if part in found]
    if not listed:
        return untestable(DASH, NEEDS_DATA, reason)
    text = f"positive value where the emotion was planted: {'; '.join(listed)}"
    return untestable(text, NEEDS_DATA, reason, made)
