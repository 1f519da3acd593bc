"""Judges of claims about a single value: a published number, a rule, weights, gaps, epochs, one
network's scores."""

from __future__ import annotations

from sierbook import statistics
from sierbook.claims import reading
from sierbook.claims.findings import (
    DASH,
    NOT_COMPUTED,
    NOT_TESTABLE,
    Finding,
    epochs,
    judged,
    percent,
    share,
)
from sierlib import settings

#: Epochs in which the models converged (Section 4.2).
PAPER_EPOCHS = (18, 23)

#: Gap that still counts as rounding where values have to add up: scores are float32.
ROUNDING = 1e-5
#: What "low" is taken to mean of kappa: fair agreement at most, in the words of Landis and Koch
#: (1977).
LOW_KAPPA = 0.4


def published(
    name: str, value: float, results: reading.Results, part: str = "validation", data: str = "pairs"
) -> Finding:
    """Hold a published accuracy against ours: on validation, as in Table 1, with test beside it;
    Table 2 on test."""
    entry, made = reading.entry_of(results, name)
    parts = [each for each in ("validation", "test") if each == part or reading.find(entry, each)]
    found = {each: reading.measured(reading.find(entry, each, "accuracy")) for each in parts}
    text = "; ".join(f"{each} {share(scores)}" for each, scores in found.items())
    several = reading.find(entry, "repeats", part) or []
    if len(several) > 1:
        mean = share(statistics.estimate_few(several))
        text += f"; mean of {len(several)} trainings, {part} {mean}"
    if made["profile"] != "paper" or not reading.is_published_data(results, made["data"], data):
        needed = "the authors' data" if data == "pairs" else "B-T4SA"
        return Finding(
            text, NOT_TESTABLE, f"needs {needed} and profile paper; ours is for orientation", made
        )
    said = f"the published value lies {{}} our interval on {part}"
    return judged(
        text,
        found[part]["low"] <= value <= found[part]["high"],
        said.format("within"),
        said.format("outside"),
        made,
    )


def counted(name: str, results: reading.Results) -> Finding:
    """Hold a count of Section 3.1 against ours: of a class, or of "all"."""
    made = reading.run_behind(results, "01-dataset")
    rows, usable = (
        reading.need(results, "01-dataset", "summary", key) for key in ("rows", "usable")
    )
    count, theirs, text = (
        usable,
        sum(settings.PAPER_COUNTS.values()),
        f"{usable:,} of {rows:,} rows",
    )
    if name != "all":
        count, theirs = (
            reading.need(results, "01-dataset", "summary", "per_class", name),
            settings.PAPER_COUNTS[name],
        )
        text = f"{count:,}: {share(statistics.estimate_count(count, max(1, usable)))}"
    if reading.is_published_data(results, made["data"]):
        return judged(
            text, count == theirs, "the same count", "another count of the same data", made
        )
    reason = "a count of the authors' data"
    if made["data"] == "synthetic":
        reason = (
            "the embedded corpus is generated with shares near these: agreement would show nothing"
        )
    return Finding(text, NOT_TESTABLE, reason, made)


def rule_example(results: reading.Results) -> Finding:
    """Judge the example that Section 3.1 gives of the rule of the higher maximum."""
    label, winner = (
        reading.need(results, "01-dataset", "rule_example", key) for key in ("label", "winner")
    )
    text = f"class {label + 1}, by the {'image' if winner == 'ier' else 'speech'} teacher"
    holds = label == 1 and winner == "ier"
    return judged(
        text,
        holds,
        "the rule gives what the paper says",
        "another class",
        reading.run_behind(results, "01-dataset"),
    )


def cleaned(results: reading.Results) -> Finding:
    """Show how many rows were set aside; the authors did it by hand, and give no number."""
    summary = reading.need(results, "01-dataset", "summary")
    rows, aside = reading.need(summary, "rows"), reading.need(summary, "quarantined")
    reasons = reading.find(summary, "quarantined_by_reason") or {}
    told = ", ".join(
        f"{name} {count:,}" for name, count in sorted(reasons.items(), key=lambda item: -item[1])
    )
    text = f"{aside:,} of {rows:,} rows set aside" + (f": {told}" if told else "")
    made = reading.run_behind(results, "01-dataset")
    return Finding(
        text, NOT_TESTABLE, "done by hand there, by rule here; no number is published", made
    )


def moved_labels(results: reading.Results) -> Finding:
    """Judge whether two emotions count as the classes to which Section 3.1 moves them."""
    reading.need(results, "01-dataset", "summary")
    found = {name: settings.relabel(name) for name in ("excitement", "disgust")}
    text = ", ".join(f"{name} counts as {label}" for name, label in found.items())
    holds = found == {"excitement": "happy", "disgust": "hate"}
    return judged(
        text, holds, "the same classes", "other classes", reading.run_behind(results, "01-dataset")
    )


def threshold(results: reading.Results) -> Finding:
    """Judge whether those pairs are used that reach the threshold."""
    reading.ask_teachers(results)
    rows, usable, discarded = (
        reading.need(results, "01-dataset", "summary", key)
        for key in ("rows", "usable", "discarded")
    )
    kept = reading.need(reading.at_threshold(results, "maximum"), "pairs kept")
    text = f"{discarded:,} of {rows:,} discarded; {kept:,} reach it, and {usable:,} are used"
    yes = "used are those that reach it; how many the authors discarded is not published"
    return judged(
        text,
        kept == usable,
        yes,
        "others are used than reach it",
        reading.run_behind(results, "01-dataset"),
    )


def weights(results: reading.Results) -> Finding:
    """Judge whether the weights of the late fusion are what a softmax gives."""
    names = reading.need(results, "02-training", "late_fusion")
    found = {name: reading.need(names, name) for name in names}
    text = ", ".join(f"{name.partition(' ')[0]} {value:.3f}" for name, value in found.items())
    holds = len(found) == 3 and min(found.values()) >= 0 and abs(sum(found.values()) - 1) < 1e-3
    yes = "three weights, none negative, that add up to 1; how far one training moved them is on the page"
    return judged(
        text, holds, yes, "not what a softmax gives", reading.run_behind(results, "02-training")
    )


def additive(method: str, results: reading.Results) -> Finding:
    """Judge whether the parts add up to their whole on every level."""
    gaps = reading.need(results, "05-interpretability", "gaps", method)
    no = "the parts do not add up to their whole; the page of decisions says why"
    text = f"largest gap on {len(gaps)} levels: {max(gaps):.2g}"
    return judged(
        text,
        max(gaps) < ROUNDING,
        "the gap is rounding",
        no,
        reading.run_behind(results, "05-interpretability"),
    )


def converged(results: reading.Results) -> Finding:
    """Judge "18 to 23 epochs", which only a constant rate and more epochs than that leave to the
    networks."""
    names = ("fused", "baseline1", "baseline2", "baseline3")
    entries = {name: reading.find(results, "03-ablation", "studies", name) for name in names}
    best = {
        name: reading.need(entry, "best_epoch")
        for name, entry in entries.items()
        if reading.find(entry, "best_epoch")
    }
    made = [reading.run_behind(results, "03-ablation", entries[name]) for name in best]
    if not best:
        best["fused"] = [reading.need(results, "02-training", "models", "fused", "best_epoch")]
        made = [reading.run_behind(results, "02-training")]
    profile = settings.PROFILES.get(made[0]["profile"])
    if profile is None or profile.warmup or profile.epochs <= PAPER_EPOCHS[1]:
        stop = (
            f"profile {profile.name} stops at {profile.epochs} epochs"
            if profile
            else "the profile is not known"
        )
        reason = f"{stop}, and its falling learning rate decides when networks settle"
        return Finding(epochs(best), NOT_TESTABLE, reason, made[0])
    if len(best) < len(names) or len(set(map(reading.run_of, made))) > 1:
        return Finding(epochs(best), NOT_COMPUTED, "run notebook 03 for the baselines too", made[0])
    first, last = PAPER_EPOCHS
    holds = all(first <= epoch <= last for found in best.values() for epoch in found)
    yes, no = (
        "every training was best in these epochs",
        "not every training was best in these epochs",
    )
    return judged(epochs(best), holds, yes, no, made[0])


def overfits(results: reading.Results) -> Finding:
    """Judge whether image only learns more of its training part than of validation."""
    model = reading.need(results, "02-training", "models", "ier")
    training = reading.need(model, "epochs", reading.need(model, "best_epoch") - 1, "accuracy")
    validation = reading.measured(reading.find(model, "validation", "accuracy"))
    said = "training accuracy of the best epoch lies {} the interval of validation accuracy"
    text = f"training {percent(training)}, validation {share(validation)}"
    holds = training > validation["high"]
    return judged(
        text,
        holds,
        said.format("above"),
        said.format("not above"),
        reading.run_behind(results, "02-training"),
    )


def kappa_is_low(results: reading.Results) -> Finding:
    """Judge whether kappa of image only is at most `LOW_KAPPA`."""
    confusion = reading.need(results, "02-training", "models", "ier", "validation", "confusion")
    kappa = statistics.bootstrap_confusions([confusion], statistics.confusion_kappa)
    value, low, high = (kappa[key] for key in ("value", "low", "high"))
    said = f"the interval lies {{}} {LOW_KAPPA:g}, up to which we call kappa low"
    no = said.format("above" if low > LOW_KAPPA else "on both sides of")
    text = f"kappa {value:.2f} [{low:.2f}, {high:.2f}]"
    return judged(
        text,
        high <= LOW_KAPPA,
        said.format("below"),
        no,
        reading.run_behind(results, "02-training"),
    )


def classes(results: reading.Results) -> Finding:
    """Show the accuracy of each class."""
    table, told = reading.need(results, "04-results", "scores", "labels", "fused", "confusion"), []
    for i, (name, row) in enumerate(zip(settings.CLASSES, table, strict=False)):
        told.append(
            f"{name} {share(statistics.estimate_count(row[i], sum(row))) if sum(row) else DASH}"
        )
    reason = "the published values are only in the picture, and of the authors' data"
    return Finding(
        f"test, {'; '.join(told)}", NOT_TESTABLE, reason, reading.run_behind(results, "04-results")
    )


def located(results: reading.Results) -> Finding:
    """Show how much positive value lies where the emotion was planted; Fig. 4's samples cannot be
    had."""
    reason = "four samples that cannot be had; ours are in notebook 05, to be looked at"
    told = [
        f"{part} {percent(reading.need(row, 'mean', 'value'))} (chance {percent(reading.need(row, 'chance'))})"
        for part in ("image", "speech")
        for row in reading.find(results, "07-trust", "scores") or ()
        if (row["measure"], row["part"], row["method"]) == ("share", part, "owen")
    ]
    if not told:
        return Finding(DASH, NOT_TESTABLE, reason)
    text = f"positive value where the emotion was planted: {'; '.join(told)}"
    return Finding(text, NOT_TESTABLE, reason, reading.run_behind(results, "07-trust"))


def image_only(results: reading.Results) -> Finding:
    """Show what our image half makes of the sentiments, beside a system that saw the image only."""
    reason = "another system, which saw the image only"
    try:
        entry, made = reading.entry_of(results, "sentiment-ier")
        return Finding(
            f"ours, image only: test {share(reading.measured(reading.find(entry, 'test', 'accuracy')))}",
            NOT_TESTABLE,
            reason,
            made,
        )
    except reading.Missing:
        return Finding(DASH, NOT_TESTABLE, reason)


def teacher_alone(rule: str, results: reading.Results) -> Finding:
    """Judge "a teacher alone gets 100 %" under one of the rules, "agreement" or "the more confident
    teacher"."""
    reading.ask_teachers(results)
    found = reading.find(results, "01-dataset", "teachers_as_models", rule)
    values = {who: reading.find(found, f"{who} teacher") for who in ("speech", "image")}
    made, text = reading.run_behind(results, "01-dataset"), "all rows"
    if None in values.values():
        if rule == "agreement":
            raise reading.Missing
        scores, made, text = (
            reading.need(results, "04-results", "scores", "labels"),
            reading.run_behind(results, "04-results"),
            "test",
        )
        values = {
            "speech": reading.need(scores, "ser teacher", "accuracy", "value"),
            "image": reading.need(scores, "ier teacher", "accuracy", "value"),
        }
    text += ": " + ", ".join(f"{who} teacher {percent(value)}" for who, value in values.items())
    no = "a teacher alone fails wherever the other one was surer and said something else"
    return judged(text, min(values.values()) == 1, "so by construction", no, made)
