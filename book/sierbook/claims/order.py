"""Judges of claims about an order: one network, rule or value ahead of another, by more than chance
explains."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from sierbook import statistics
from sierbook.claims import reading
from sierbook.claims.findings import (
    NAMES,
    NOT_TESTABLE,
    Difference,
    Finding,
    directed,
    epochs,
    judged,
    percent,
    points,
)

#: Trainings of each network below which epochs are not compared: were 3 all earlier than 3 others,
#: p would be 1/20.
FEWEST = 3


def more_accurate(results: reading.Results) -> Finding:
    """Judge whether labels are right more often under the maximum rule than under the agreement
    rule.

    The pairs on which teachers agree are a part of all that are kept, so the difference is that
    between the others and them, times the share of the others; these two groups have no pair in
    common.
    """
    reading.ask_truth(results)
    shares = []
    for rule in ("maximum", "agreement"):
        row = reading.at_threshold(results, rule)
        shares.append(
            (reading.need(row, "pairs kept"), reading.need(row, "label is the planted emotion"))
        )
    (every, right), (agreed, agreed_right) = shares
    others = every - agreed
    if others <= 0 or agreed <= 0:
        raise reading.Missing
    right_in_agreed = round(agreed * agreed_right)
    in_others = min(others, max(0, round(every * right) - right_in_agreed))
    found = statistics.subtract_shares(
        statistics.estimate_count(in_others, others),
        statistics.estimate_count(right_in_agreed, agreed),
    )
    scaled = {key: found[key] * others / every for key in ("value", "low", "high")}
    difference = Difference(scaled, reading.run_behind(results, "03-ablation"))
    text = f"maximum {percent(right)} of {every:,} right, agreement {percent(agreed_right)} of {agreed:,}"
    return directed([difference], f"{text}; {difference.text()}")


def out_of_line(results: reading.Results) -> Finding:
    """Judge whether accuracy leaves macro F1 further behind in image only than in speech only."""
    tables = [
        reading.need(results, "02-training", "models", name, "validation", "confusion")
        for name in ("ier", "ser")
    ]
    found = statistics.bootstrap_confusions(
        tables,
        lambda image, speech: (
            statistics.confusion_surplus(image) - statistics.confusion_surplus(speech)
        ),
    )
    image, speech = (
        points(float(statistics.confusion_surplus(np.asarray(table)))) for table in tables
    )
    made = reading.run_behind(results, "02-training")
    difference = Difference(found, made, idle=reading.idle(results, made, "ier", "ser"))
    text = f"accuracy less macro F1: IER {image}, SER {speech}; difference {difference.text()}"
    return directed([difference], text)


def _compared(results: reading.Results, entry: Any, title: str = "") -> Difference:
    """Read one of the paired comparisons of notebook 04."""
    rows, seeds = (
        reading.find(entry, "n"),
        reading.find(entry, "trainings") or [reading.find(entry, "repeats") or 1] * 2,
    )
    note = f", {rows:,} test rows" if rows else ""
    if seeds[0] == seeds[1]:
        note += f", mean of {seeds[0]} trainings" if seeds[0] > 1 else ", one training each"
    else:
        note += f", {seeds[0]} trainings against {seeds[1]}"
    found, made = (
        reading.measured(entry),
        reading.run_behind(results, "04-results", entry),
    )
    return Difference(found, made, title, reading.find(entry, "p_holm"), note)


def _comparison(results: reading.Results, name: str) -> Any:
    """Return the comparison of that name, or None."""
    listed = reading.find(results, "04-results", "comparisons") or []
    return next(
        (
            entry
            for entry in listed
            if reading.find(entry, "name") == name and reading.find(entry, "low") is not None
        ),
        None,
    )


def _difference(results: reading.Results, one: str, other: str) -> Difference:
    """Return how far a network is ahead of another: paired where notebook 04 did so, else from two
    accuracies."""
    entry = _comparison(results, f"{one}-{other}")
    if entry is None and one == "fused":
        entry = reading.find(
            results, "04-results", "differences", "labels", reading.IN_04.get(other)
        )
    if entry is not None:
        paired = _compared(results, entry, NAMES[other])
        return replace(paired, idle=reading.idle(results, paired.made, one, other))
    (a, b), made = reading.entries_of(results, one, other)
    part = "test" if reading.find(a, "test") and reading.find(b, "test") else "validation"
    found = statistics.subtract_shares(
        reading.measured(reading.find(a, part, "accuracy")),
        reading.measured(reading.find(b, part, "accuracy")),
    )
    idle = reading.idle(results, made, one, other)
    return Difference(found, made, NAMES[other], note=f" ({part}, not paired)", idle=idle)


def above(pairs: Sequence[tuple[str, str]], results: reading.Results) -> Finding:
    """Judge whether the first network is ahead of the second in every pair."""
    found: list[tuple[str, Difference]] = []
    for one, other in pairs:
        with suppress(reading.Missing):
            found.append((one, _difference(results, one, other)))
    if not found:
        raise reading.Missing
    found = [
        pair for pair in found if reading.run_of(pair[1].made) == reading.run_of(found[0][1].made)
    ]
    shown = found if len(found) < 4 else [min(found, key=lambda pair: pair[1].estimate["value"])]
    text = "; ".join(f"{NAMES[one]} − {each.title}: {each.text()}" for one, each in shown)
    if len(shown) < len(found):
        text = f"smallest of {len(found)} differences: {text}"
    return directed([each for _, each in found], text, len(pairs))


def dilutes(results: reading.Results) -> Finding:
    """Judge by how sure the networks are of pairs in conflict, compared with pairs in agreement."""
    reading.ask_teachers(results)
    entry, named = (_comparison(results, f"multiply-addition{end}") for end in ("-dilution", ""))
    if entry is None:
        raise reading.Missing
    found = _compared(results, entry)
    text = f"how sure in conflict rather than agreement: {found.text()}"
    if named is not None and reading.run_of(
        reading.run_behind(results, "04-results", named)
    ) == reading.run_of(found.made):
        text += f"; accuracy in conflict: {_compared(results, named).text()}"
    if (reading.find(entry, "repeats") or 1) < FEWEST:
        return Finding(
            text, NOT_TESTABLE, f"fewer than {FEWEST} trainings of a network", found.made
        )
    turned = {"value": "value", "low": "high", "high": "low"}
    less = replace(found, estimate={key: -found.estimate[end] for key, end in turned.items()})
    return directed([less], text)


def supports(results: reading.Results) -> Finding:
    """Judge whether ParallelNet is right more often than either half where both modalities show the
    same emotion.

    On the planted truth, since labels depend on the modalities; the shares are taken to be
    independent.
    """
    reading.ask_truth(results)
    rows = reading.need(results, "04-results", "relations", "agree")
    n, made = reading.need(rows, "n"), reading.run_behind(results, "04-results")
    found = []
    for name in ("ser", "ier"):
        one, other = (
            statistics.estimate_count(round(n * reading.need(rows, reading.IN_04[who])), n)
            for who in ("fused", name)
        )
        found.append(
            Difference(
                statistics.subtract_shares(one, other),
                made,
                NAMES[name],
                idle=reading.idle(results, made, name),
            )
        )
    told = "; ".join(f"ParallelNet − {each.title}: {each.text()}" for each in found)
    return directed(found, f"{n:,} test rows in agreement, on the planted truth: {told}", 2)


def more_effective(results: reading.Results) -> Finding:
    """Judge by what networks that learn from either rule's labels make of the planted truth."""
    entry = _comparison(results, "max-agreement")
    if entry is None:
        reading.ask_truth(results)
        raise reading.Missing
    found = _compared(results, entry)
    return directed([found], f"a network's accuracy on the planted truth: {found.text()}")


def faster(rivals: Sequence[str], results: reading.Results) -> Finding:
    """Judge whether networks get near their own best earlier than ParallelNet, in every training of
    either."""
    entries, made = reading.entries_of(results, "fused", *rivals)
    names = ("fused", *rivals)
    if min(len(reading.need(entry, "best_epoch")) for entry in entries) < FEWEST:
        text = epochs(
            {
                name: reading.need(entry, "best_epoch")
                for name, entry in zip(names, entries, strict=True)
            }
        )
        reason = f"fewer than {FEWEST} trainings of a network: speeds cannot be told apart"
        return Finding(text, NOT_TESTABLE, reason, made)
    near = {
        name: reading.need(entry, "near_best") for name, entry in zip(names, entries, strict=True)
    }
    told = "; ".join(f"{NAMES[name]} {', '.join(map(str, found))}" for name, found in near.items())
    text = (
        f"first epoch at {statistics.NEAR:.0%} of its own best validation accuracy: {told}".replace(
            "%", " %"
        )
    )
    holds = max(epoch for name in rivals for epoch in near[name]) < min(near["fused"])
    yes = "every training was there before any of ParallelNet's"
    return judged(text, holds, yes, "the trainings overlap: no difference can be claimed", made)


def resnets(results: reading.Results) -> Finding:
    """Judge "slow at a low rate, fluctuating at a high one", in every training of each rate.

    Slow is less validation accuracy on average over the epochs, fluctuating more detours, than at
    the profile's rate.
    """
    (slow, usual, fast), made = reading.entries_of(
        results, "resnet34-slow", "n2-resnet34", "resnet34-fast"
    )
    means, moves = (
        [reading.need(entry, key) for entry in (slow, usual, fast)]
        for key in ("mean_accuracy", "detours")
    )
    shown = [
        "; ".join(", ".join(f"{100 * value:.1f}" for value in each) for each in found)
        for found in (means, moves)
    ]
    text = (
        "ResNet-34 at a tenth of the rate; at it; at four times it: mean validation accuracy over "
        "the epochs "
        f"{shown[0]} %; detours from epoch to epoch {shown[1]} points"
    )
    if min(map(len, moves)) < FEWEST:
        return Finding(
            text,
            NOT_TESTABLE,
            f"fewer than {FEWEST} trainings of a network: an observation, no test",
            made,
        )
    holds = {"slow": max(means[0]) < min(means[1]), "fluctuating": min(moves[2]) > max(moves[1])}
    failed = [word for word, held in holds.items() if not held]
    return judged(
        text,
        not failed,
        "both in every training",
        f"not in every training: {', '.join(failed)}",
        made,
    )


def in_line(results: reading.Results) -> Finding:
    """Judge whether accuracy leaves macro F1 less behind in configuration 3 than in the two
    others."""
    entries, made = reading.entries_of(results, "baseline3", "baseline1", "baseline2")
    third, *others = [reading.need(entry, "validation", "confusion") for entry in entries]
    found = []
    for name, table in zip(("baseline1", "baseline2"), others, strict=True):
        gap = statistics.bootstrap_confusions(
            [table, third],
            lambda other, ours: (
                statistics.confusion_surplus(other) - statistics.confusion_surplus(ours)
            ),
        )
        found.append(
            Difference(gap, made, NAMES[name], idle=reading.idle(results, made, name, "baseline3"))
        )
    told = ", ".join(
        points(float(statistics.confusion_surplus(np.asarray(table)))) for table in (*others, third)
    )
    text = f"accuracy less macro F1 in configurations 1, 2 and 3: {told}; " + "; ".join(
        f"{each.title} less Baseline 3 {each.text()}" for each in found
    )
    return directed(found, text, 2)


def favoured(results: reading.Results) -> Finding:
    """Judge whether the teachers, and a network taught by them, score better on their labels than
    on the truth."""
    reading.ask_truth(results)
    reading.ask_teachers(results)
    made, found = reading.run_behind(results, "04-results"), []
    for name, title in (
        ("ser teacher", "speech teacher"),
        ("ier teacher", "image teacher"),
        ("fused", "ParallelNet"),
    ):
        labels, truth = (
            reading.measured(reading.find(results, "04-results", "scores", kind, name, "accuracy"))
            for kind in ("labels", "truth")
        )
        found.append(Difference(statistics.subtract_shares(labels, truth), made, title))
    text = "on the labels less on the planted truth: " + "; ".join(
        f"{each.title} {each.text()}" for each in found
    )
    return directed(found, text, 3)
