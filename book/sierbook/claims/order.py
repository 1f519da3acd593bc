"""Judges of claims about an order: one network, rule or value ahead of another, by more than chance
explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from sierbook import comparisons, statistics
from sierbook.claims import reading
from sierbook.claims.findings import (
    NOT_IN_PROFILE,
    Difference,
    Finding,
    decide,
    decide_direction,
    epochs,
    title_of,
    untestable,
)
from sierbook.claims.reading import Results
from sierbook.claims.values import key_of_rule
from sierbook.numbers import Key, name_run, write, write_trainings
from sierbook.tables.studies import RESNETS
from sierlib import settings

#: Trainings of each network below which epochs are not compared: were 3 all earlier than 3 others,
#: p would be 1/20.
FEWEST = 3


# --------------------------------------------------------------------------- rules of labelling
def judge_labels(results: Results) -> Finding:
    """Judge whether labels are right more often under the maximum rule than under the agreement
    rule.

    The pairs on which teachers agree are a part of all that are kept, so the difference is that
    between the others and them, times the share of the others; these two groups have no pair in
    common.
    """
    reading.require_truth(results)
    kept, right = {}, {}
    for rule in ("maximum", "agreement"):
        row = reading.need_rule(results, rule)
        kept[rule] = reading.need(row, "pairs kept")
        right[rule] = reading.need(row, "label is the planted emotion")
    agreed, others = kept["agreement"], kept["maximum"] - kept["agreement"]
    if others <= 0 or agreed <= 0:
        raise reading.Missing
    right_in_agreed = round(agreed * right["agreement"])
    right_in_all = round(kept["maximum"] * right["maximum"])
    right_in_others = min(others, max(0, right_in_all - right_in_agreed))
    found = statistics.subtract_shares(
        statistics.estimate_count(right_in_others, others),
        statistics.estimate_count(right_in_agreed, agreed),
    )
    scaled = {key: found[key] * others / kept["maximum"] for key in ("value", "low", "high")}
    made = reading.find_run(results, "03-ablation")
    run = name_run(made)
    key = Key(
        "lead", "label, maximum - agreement", f"threshold, {settings.LABEL_THRESHOLD}", "truth", run
    )
    difference, said = Difference(scaled, made, key=key), []
    for rule in ("maximum", "agreement"):
        share = write(
            right[rule], "percent", *key_of_rule("label is the planted emotion", rule, run)
        )
        pairs = write(kept[rule], ",", *key_of_rule("pairs kept", rule, run))
        said.append((share, pairs))
    (most, of_all), (agreeing, of_agreed) = said
    text = f"maximum {most} of {of_all} right, agreement {agreeing} of {of_agreed}"
    text = f"{text}; {difference.text()}"
    return decide_direction([difference], text)


def judge_rules(results: Results) -> Finding:
    """Judge by what networks that learn from either rule's labels make of the planted truth."""
    entry = _find_comparison(results, "max-agreement")
    if entry is None:
        reading.require_truth(results)
        raise reading.Missing
    found = _read_comparison(results, entry)
    text = f"a network's accuracy on the planted truth: {found.text()}"
    return decide_direction([found], text)


def judge_favour(results: Results) -> Finding:
    """Judge whether the teachers, and a network taught by them, score better on their labels than
    on the truth."""
    reading.require_truth(results)
    reading.require_teachers(results)
    titles = {f"{role} teacher": f"{modality} teacher" for role, modality in settings.ROLES.items()}
    titles["fused"] = title_of("fused")
    made, scores = reading.find_run(results, "04-results"), reading.need(results, "04-results")
    found = []
    for name, title in titles.items():
        labels = reading.need_estimate(scores, "scores", "labels", name, "accuracy")
        truth = reading.need_estimate(scores, "scores", "truth", name, "accuracy")
        key = Key("lead", name, "test", "labels - truth", name_run(made))
        found.append(Difference(statistics.subtract_shares(labels, truth), made, title, key=key))
    listed = "; ".join(f"{each.title} {each.text()}" for each in found)
    return decide_direction(found, f"on the labels less on the planted truth: {listed}", 3)


# --------------------------------------------------------------------------- accuracies
def judge_ahead(pairs: Sequence[tuple[str, str]], results: Results) -> Finding:
    """Judge whether the first network is ahead of the second in every pair."""
    found: list[tuple[str, Difference]] = []
    deviations = []
    for one, other in pairs:
        with suppress(reading.Missing):
            difference = _subtract_accuracies(results, one, other)
            if not found or reading.is_same_run(difference.made, found[0][1].made):
                found.append((f"{title_of(one)} − {title_of(other)}", difference))
                if {one, other} <= settings.PAPER_TABLE_1.keys():
                    theirs = settings.PAPER_TABLE_1[one] - settings.PAPER_TABLE_1[other]
                    deviations.append(abs(difference.estimate["value"] - theirs))
    if not found:
        raise reading.Missing
    shown = found
    if len(found) > 3:
        shown = [min(found, key=lambda pair: pair[1].estimate["value"])]
    text = "; ".join(f"{title}: {difference.text()}" for title, difference in shown)
    if len(shown) < len(found):
        text = f"smallest of {len(found)} differences: {text}"
    finding = decide_direction([difference for _, difference in found], text, len(pairs))
    whole = len(deviations) == len(pairs)  # else the paper has no number for some
    return replace(finding, deviation=max(deviations) if whole else None)


def _subtract_accuracies(results: Results, one: str, other: str) -> Difference:
    """Return how far a network is ahead of another: paired where notebook 04 did so, else from two
    accuracies."""
    entry = _find_comparison(results, f"{one}-{other}")
    if entry is None and one == "fused":
        # Results from before there were comparisons.
        half = reading.KEYS_IN_04.get(other)
        entry = reading.find(results, "04-results", "differences", "labels", half)
    if entry is not None:
        found = _read_comparison(results, entry)
    else:
        (a, b), made = reading.need_networks(results, one, other)
        tested = reading.find(a, "test") and reading.find(b, "test")
        part = "test" if tested else "validation"
        estimate = statistics.subtract_shares(
            reading.need_estimate(a, part, "accuracy"),
            reading.need_estimate(b, part, "accuracy"),
        )
        key = Key("lead, not paired", f"{one} - {other}", part, "labels", name_run(made))
        found = Difference(estimate, made, note=f" ({part}, not paired)", key=key)
    idle = reading.name_unlearned(results, found.made, one, other)
    return replace(found, title=title_of(other), idle=idle)


def _find_comparison(results: Results, name: str) -> Any:
    """Return the comparison of that name in notebook 04, or None."""
    for entry in reading.find(results, "04-results", "comparisons") or []:
        if reading.find(entry, "name") == name and reading.find(entry, "low") is not None:
            return entry
    return None


def _read_comparison(results: Results, entry: Any) -> Difference:
    """Read one of the paired comparisons of notebook 04."""
    made = reading.find_run(results, "04-results", entry)
    key = Key("lead", "fused - half", "test", "labels", name_run(made))
    with suppress(KeyError):  # of differences from before there were comparisons
        key = comparisons.key_of(entry)._replace(run=name_run(made))
    note = ""
    rows = reading.find(entry, "n")
    if rows:
        note += f", {write(rows, ',', *key._replace(quantity='n'))} test rows"
    repeats = reading.find(entry, "repeats") or 1
    one, other = reading.find(entry, "trainings") or (repeats, repeats)
    if one != other:
        note += f", {one} trainings against {other}"
    elif one > 1:
        note += f", mean of {one} trainings"
    else:
        note += ", one training each"
    return Difference(
        reading.need_estimate(entry),
        made,
        corrected=reading.find(entry, "p_holm"),
        note=note,
        trainings=min(one, other),
        key=key,
    )


# --------------------------------------------------------------------------- the two modalities
def judge_dilution(results: Results) -> Finding:
    """Judge by how sure the networks are of pairs in conflict, compared with pairs in agreement."""
    reading.require_teachers(results)
    entry = _find_comparison(results, "multiply-addition-dilution")
    if entry is None:
        raise reading.Missing
    found = _read_comparison(results, entry)
    text = f"how sure in conflict rather than agreement: {found.text()}"
    accuracy = _find_comparison(results, "multiply-addition")
    if accuracy is not None:
        right = _read_comparison(results, accuracy)
        if reading.is_same_run(right.made, found.made):
            text += f"; accuracy in conflict: {right.text()}"
    if (reading.find(entry, "repeats") or 1) < FEWEST:
        reason = f"fewer than {FEWEST} trainings of a network"
        few = untestable(text, NOT_IN_PROFILE, reason, found.made)
        return replace(few, trainings=found.trainings)
    # Claimed is that multiplication is less sure.
    sure = found.estimate
    less = {"value": -sure["value"], "low": -sure["high"], "high": -sure["low"], "n": sure["n"]}
    return decide_direction([replace(found, estimate=less)], text)


def judge_support(results: Results) -> Finding:
    """Judge whether ParallelNet is right more often than either half where both modalities show the
    same emotion.

    On the planted truth, since labels depend on the modalities; the shares are taken to be
    independent.
    """
    reading.require_truth(results)
    agreeing = reading.need(results, "04-results", "relations", "agree")
    n, made = reading.need(agreeing, "n"), reading.find_run(results, "04-results")
    right = {
        name: statistics.estimate_count(round(n * reading.need(agreeing, key)), n)
        for name, key in reading.KEYS_IN_04.items()
    }
    found = []
    for name in settings.ROLES:
        estimate = statistics.subtract_shares(right["fused"], right[name])
        idle = reading.name_unlearned(results, made, name)
        key = Key("lead", f"fused - {name}", "test, agree", "truth", name_run(made))
        found.append(Difference(estimate, made, title_of(name), idle=idle, key=key))
    listed = "; ".join(f"{title_of('fused')} − {each.title}: {each.text()}" for each in found)
    rows = write(n, ",", "n", "fused", "test, agree", "truth", name_run(made))
    text = f"{rows} test rows in agreement, on the planted truth: {listed}"
    return decide_direction(found, text, 2)


# --------------------------------------------------------------------------- how networks learn
def judge_halves_in_line(results: Results) -> Finding:
    """Judge whether accuracy leaves macro F1 further behind with the image only than with the
    speech only."""
    models = reading.need(results, "02-training", "models")
    image, speech = (
        reading.need(models, name, "validation", "confusion") for name in ("ier", "ser")
    )
    made = reading.find_run(results, "02-training")
    idle = reading.name_unlearned(results, made, "ier", "ser")
    key = _key_of_surplus("ier - ser", made)
    difference = Difference(_subtract_surpluses(image, speech), made, idle=idle, key=key)
    surpluses = ", ".join(
        f"{title_of(name)} {_surplus(table, name, made)}"
        for name, table in (("ier", image), ("ser", speech))
    )
    text = f"accuracy less macro F1: {surpluses}; difference {difference.text()}"
    return decide_direction([difference], text)


def judge_third_in_line(results: Results) -> Finding:
    """Judge whether accuracy leaves macro F1 less behind in configuration 3 than in the two
    others."""
    names = ("baseline1", "baseline2", "baseline3")
    entries, made = reading.need_networks(results, *names)
    tables = dict(zip(names, entries, strict=True))
    tables = {name: reading.need(tables[name], "validation", "confusion") for name in names}
    third, found = tables["baseline3"], []
    for name in ("baseline1", "baseline2"):
        estimate = _subtract_surpluses(tables[name], third)
        idle = reading.name_unlearned(results, made, name, "baseline3")
        key = _key_of_surplus(f"{name} - baseline3", made)
        found.append(Difference(estimate, made, title_of(name), idle=idle, key=key))
    surpluses = ", ".join(_surplus(table, name, made) for name, table in tables.items())
    gaps = [f"{each.title} less {title_of('baseline3')} {each.text()}" for each in found]
    text = f"accuracy less macro F1 in configurations 1, 2 and 3: {surpluses}; {'; '.join(gaps)}"
    return decide_direction(found, text, 2)


def _surplus(confusion: Any, name: str, made: Mapping[str, Any]) -> str:
    """Write by how many points a network's accuracy exceeds its macro F1."""
    value = 100 * float(statistics.confusion_surplus(np.asarray(confusion)))
    return write(value, "+.1f", *_key_of_surplus(name, made))


def _key_of_surplus(network: str, made: Mapping[str, Any]) -> Key:
    return Key("accuracy less macro F1", network, "validation", "labels", name_run(made))


def _subtract_surpluses(one: Any, other: Any) -> dict[str, Any]:
    """Return by how much more accuracy exceeds macro F1 in one confusion matrix than in another."""
    return statistics.bootstrap_confusions(
        [one, other],
        lambda a, b: statistics.confusion_surplus(a) - statistics.confusion_surplus(b),
    )


def judge_speed(rivals: Sequence[str], results: Results) -> Finding:
    """Judge whether networks get near their own best earlier than ParallelNet, in every training of
    either."""
    names = ("fused", *rivals)
    entries, made = reading.need_networks(results, *names)
    best, near = {}, {}
    for name, entry in zip(names, entries, strict=True):
        best[name] = reading.need(entry, "best_epoch")
    if min(map(len, best.values())) < FEWEST:
        reason = f"fewer than {FEWEST} trainings of a network: speeds cannot be told apart"
        text = f"best epoch: {epochs(best, 'best epoch', name_run(made))}"
        return untestable(text, NOT_IN_PROFILE, reason, made)
    for name, entry in zip(names, entries, strict=True):
        near[name] = reading.need(entry, "near_best")
    text = (
        f"first epoch at {100 * statistics.NEAR:.0f} % of its own best validation accuracy: "
        f"{epochs(near, 'first epoch near the best', name_run(made))}"
    )
    latest = max(max(near[name]) for name in rivals)
    yes = f"every training was there before any of {title_of('fused')}'s"
    no = "the trainings overlap: no difference can be claimed"
    return decide(text, latest < min(near["fused"]), yes, no, made)


def judge_resnets(results: Results) -> Finding:
    """Judge "slow at a low rate, fluctuating at a high one", in every training of each rate.

    Slow is less validation accuracy on average over the epochs, fluctuating more detours, than at
    the profile's rate.
    """
    entries, made = reading.need_networks(results, *RESNETS)
    means = [reading.need(entry, "mean_accuracy") for entry in entries]
    detours = [reading.need(entry, "detours") for entry in entries]
    text = (
        "ResNet34 at a tenth of the rate; at it; at four times it: mean validation accuracy over "
        f"the epochs {_by_rate(means, 'mean accuracy over epochs', made)} %; "
        f"detours from epoch to epoch {_by_rate(detours, 'detours', made)} points"
    )
    if min(map(len, detours)) < FEWEST:
        reason = f"fewer than {FEWEST} trainings of a network: an observation, no test"
        return untestable(text, NOT_IN_PROFILE, reason, made)
    failed = []
    if max(means[0]) >= min(means[1]):
        failed.append("slow")
    if min(detours[2]) <= max(detours[1]):
        failed.append("fluctuating")
    no = f"not in every training: {', '.join(failed)}"
    return decide(text, not failed, "both in every training", no, made)


def _by_rate(values: Sequence[Sequence[float]], quantity: str, made: Mapping[str, Any]) -> str:
    """Write shares in per cent, training by training, a group for each learning rate."""
    groups = []
    for name, trainings in zip(RESNETS, values, strict=True):
        key = Key(quantity, name, "validation", "labels", name_run(made))
        groups.append(write_trainings([100 * value for value in trainings], ".1f", key))
    return "; ".join(groups)
