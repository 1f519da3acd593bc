"""Sentences about the test part (notebook 04): what fusion brings, its ceilings, comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sierbook import comparisons, numbers, statistics
from sierbook.sentences import choose_words, count, write_signed
from sierbook.tables import results, studies
from sierlib import settings
from sierlib.experiment.manifest import labelled_by_teachers, read_manifest, read_truth
from sierlib.experiment.models import HALVES
from sierlib.experiment.scores import Estimate
from sierlib.run import Run


def write_accuracy(evaluation: dict[str, Any], kind: str, name: str, spec: str) -> str:
    """Write the accuracy of a model of notebook 04 on "labels" or "truth", with its key."""
    value = evaluation["scores"][kind][name]["accuracy"]["value"]
    key = results.key_of("accuracy", kind, name, evaluation)
    return numbers.mark(format(value, spec), value, key)


def judge_fusion(evaluation: dict[str, Any]) -> list[str]:
    """Say for each paired difference who is ahead, and whether the other network learned.

    Where several trainings are recorded they come first, and the single one is named as such.
    """
    sentences, singles = [], []
    for kind, differences in evaluation["differences"].items():
        several = _describe_several(evaluation, kind)
        if several:
            sentences.append(f"**On the {results.AGAINST[kind]}, {several}.**")
        for name, found in differences.items():
            title = results.difference_title(kind, name)
            verdict = _judge_difference(found, evaluation, kind, name)
            signed = write_signed(found, results.key_of_lead(kind, name, evaluation))
            singles.append(f"{title}: {signed}: {verdict}.")
    if sentences:
        singles = [f"A single training, {single}" for single in singles]
    return sentences + singles


def _describe_several(evaluation: dict[str, Any], kind: str) -> str:
    """Say what several trainings make of the lead over the better half; "" without any.

    Recorded seeds draw all anew; else it is the trainings of this run that its comparisons count.
    """
    found = evaluation.get("seeds", {}).get(kind)
    if found:
        who, network = f"over {found['n']} recorded seeds", "fused - better half"
    else:
        entries = []
        for entry in evaluation.get("comparisons", ()):
            own = entry["origin"] == numbers.THIS_RUN and entry["repeats"] > 1
            if own and entry["against"] == kind and entry["name"] in _LEADS:
                entries.append(entry)
        if len(entries) < len(_LEADS):
            return ""
        found = min(entries, key=lambda entry: entry["value"])
        who, network = (
            f"over {found['repeats']} trainings of each",
            found["name"].replace("-", " - "),
        )
    count = found.get("repeats", found["n"])
    run = numbers.name_run(evaluation.get("provenance", {}))
    key = numbers.Key(numbers.name_lead(count), network, "test", kind, run)
    verdict = choose_words(
        found, "it is ahead", "it is behind", "a difference that cannot be claimed"
    )
    return f"{who} ParallelNet's lead over its better half is {write_signed(found, key)}: {verdict}"


def answer_fusion(evaluation: dict[str, Any]) -> str:
    """Answer the book's first question in one sentence, from notebook 04's results."""
    kind = results.best_known(evaluation)
    scores, differences = evaluation["scores"][kind], evaluation["differences"][kind]
    better = max(settings.MODALITIES, key=lambda name: scores[name]["accuracy"]["value"])
    reached = {name: write_accuracy(evaluation, kind, name, ".0%") for name in HALVES}
    lead = write_signed(differences[better], results.key_of_lead(kind, better, evaluation))
    verdict = choose_words(
        differences[better],
        "so together they say more than either alone",
        "so the pair says less than one of them alone",
        "a difference too small to be claimed",
    )
    named = {"labels": "give the label", "truth": "name the planted emotion"}[kind]
    largest = numbers.mark(
        f"{scores['fused']['majority']:.0%}",
        scores["fused"]["majority"],
        results.key_of("largest class", kind, "fused", evaluation),
    )
    pairs = results.key_of("n", kind, "fused", evaluation)
    said = (
        f"On {count(scores['fused']['n'], 'pair that was', 'pairs that were', pairs)} set aside, "
        "speech and picture together "
        f"{named} in {reached['fused']}, the picture alone in {reached['image']}, the "
        f"speech alone in {reached['speech']}, and always naming the largest class would in "
        f"{largest}."
    )
    several = _describe_several(evaluation, kind)
    if several:
        single = f"In this single training it is {lead}."
        return f"{said} {several[0].upper()}{several[1:]}. {single}"
    return f"{said} ParallelNet's lead over its better half is {lead}, {verdict}."


#: The comparisons of ParallelNet with its halves.
_LEADS = ("fused-ser", "fused-ier")


def _judge_difference(found: Estimate, evaluation: dict[str, Any], kind: str, name: str) -> str:
    """Say who is ahead by a difference from a half, and whether that one learned."""
    other = evaluation["scores"][kind][name]
    verdict = choose_words(
        found, "ParallelNet is ahead", "ParallelNet is behind", "no difference can be claimed"
    )
    if found["low"] > 0 and other["accuracy"]["low"] <= other["majority"]:
        reached = write_accuracy(evaluation, kind, name, ".1%")
        key = results.key_of("largest class", kind, name, evaluation)
        largest = numbers.write(other["majority"], ".1%", *key)
        verdict += (
            " of a network that did not get clearly beyond always naming the largest class "
            f"({reached} against {largest}): this says little of fusion"
        )
    return verdict


def describe_ceilings(evaluation: dict[str, Any]) -> str:
    """Say how much better anybody could have done, as far as the corpus lets that be known."""
    truth = evaluation["scores"].get("truth")
    teachers = _describe_teachers(evaluation)
    if truth is None:
        repeated = "the opinion of the teachers" if teachers else "the labels that it brought"
        return teachers + (
            "This corpus brings no ground truth, so label noise cannot be measured: the "
            f"accuracies above say how well {repeated} can be repeated, and no more."
        )
    alone = []
    for role, modality in settings.ROLES.items():
        if f"{role} teacher" in truth:
            reached = write_accuracy(evaluation, "truth", f"{role} teacher", ".1%")
            alone.append(f"{reached} ({modality} teacher)")
    right = write_accuracy(evaluation, "truth", "label", ".1%")
    said = f"The label agrees with the planted emotion in {right} of the test rows"
    if alone:
        said += f"; the teachers alone reach {' and '.join(alone)}"
    planted, labelled = (
        write_accuracy(evaluation, kind, "fused", ".1%") for kind in ("truth", "labels")
    )
    reached = f"{planted} on the planted emotion and {labelled} on the labels"
    return f"{teachers}{said}. ParallelNet reaches {reached}."


def name_unnamed(evaluation: dict[str, Any]) -> list[str]:
    """Name for each network the classes of the test part that it says of no row."""
    said = []
    for half in HALVES:
        if never := list_unnamed(evaluation, half):
            classes = "* or *".join(never)
            said.append(
                f"**{results.TITLES[half]}** says *{classes}* of no test row: it is right on none "
                "of those that are labelled so."
            )
    return said or ["Each network says each class of the test part of some row."]


def list_unnamed(evaluation: Mapping[str, Any], half: str) -> list[str]:
    """Return the classes of the test part's labels that a network says of no row."""
    confusion = evaluation["scores"]["labels"][half]["confusion"]
    columns = zip(*confusion, strict=True)
    never = []
    for name, row, column in zip(settings.CLASSES, confusion, columns, strict=True):
        if sum(row) and not sum(column):
            never.append(name)
    return never


def _describe_teachers(evaluation: dict[str, Any]) -> str:
    """Say how much of the labels each teacher alone repeats, and when that is nearly all."""
    scores, shares, parts = evaluation["scores"]["labels"], {}, []
    for role, modality in settings.ROLES.items():
        if f"{role} teacher" in scores:
            shares[modality] = scores[f"{role} teacher"]["accuracy"]["value"]
            share = write_accuracy(evaluation, "labels", f"{role} teacher", ".1%")
            parts.append(f"the {modality} teacher alone reproduces {share}")
    if not shares:
        return ""
    text = f"Of the test rows' labels, {' and '.join(parts)}. "
    strongest = max(shares, key=shares.__getitem__)
    if shares[strongest] > 0.95:
        text += (
            f"These labels are in effect the {strongest} teacher's: the other modality has hardly "
            "a say in them, and a network that uses it cannot gain by it. "
        )
    return text


def name_unlearned(entries: Mapping[str, studies.Entry], names: Sequence[str]) -> list[str]:
    """Return the titles of those networks that did not learn (`statistics.has_learned`) in every
    training."""
    known = [entries[name] for name in names if name in entries]
    return [
        entry["title"]
        for entry in known
        if not statistics.has_learned(entry["test"], entry["repeats"]["test"])
    ]


def judge_comparisons(
    run: Run, found: Sequence[dict[str, Any]], entries: Mapping[str, studies.Entry]
) -> list[str]:
    """Say what can be claimed of each primary comparison at 5 % after Holm's correction.

    Of those that were not made it is said why, and a network that did not learn is named.
    """
    made = {entry["name"]: entry for entry in found if entry["primary"]}
    reasons = {}
    if not read_truth(run):
        reasons["max-agreement"] = "nothing was planted in this corpus"
        if not labelled_by_teachers(read_manifest(run)):
            reasons["multiply-addition"] = (
                "nobody says of which pairs of this corpus speech and image are in conflict"
            )
    sentences = [_judge_comparison(entry, entries) for entry in made.values()]
    for name, plan in comparisons.PRIMARY.items():
        if name not in made:
            reason = reasons.get(name, "it needs networks that have not been trained yet")
            sentences.append(f"{plan.title}: not computed; {reason}.")
    return sentences


def _judge_comparison(entry: dict[str, Any], entries: Mapping[str, studies.Entry]) -> str:
    claim = "no difference can be claimed"
    if entry["p_holm"] < 0.05 and not entry["low"] <= 0 <= entry["high"]:
        claim = "the first is better" if entry["low"] > 0 else "the first is worse"
        if entry["repeats"] == 1:
            claim += " in this one training"
        plan = comparisons.PRIMARY[entry["name"]]
        idle = name_unlearned(entries, (plan.one, plan.other))
        if idle:
            claim += (
                f", but {' and '.join(idle)} did not get clearly beyond the largest class, so it "
                "says little"
            )
    key = comparisons.key_of(entry)
    text = f"{entry['title']}: {write_signed(entry, key)}"
    if each := entry.get("by_training"):
        scaled = [100 * value for value in each]
        of_each = key._replace(quantity=f"{key.quantity} in points")
        text += f" (training by training {numbers.write_trainings(scaled, '+.1f', of_each)})"
    p = numbers.write(entry["p_holm"], ".2g", *numbers.key_of_end(key, "p (Holm)"))
    return f"{text}, p = {p}: {claim}."


def judge_several_trainings(
    run: Run, found: Sequence[dict[str, Any]], stand_in: Mapping[str, studies.Entry]
) -> list[str]:
    """Say what recorded trainings, several of each network, make of what this run trained once."""
    once = {
        entry["name"] for entry in found if entry["origin"] == "this run" and entry["repeats"] == 1
    }
    sentences = []
    for entry in comparisons.read_stand_ins(run).values():
        if entry["primary"] and entry["name"] in once and entry["repeats"] > 1:
            verdict = _judge_comparison(entry, stand_in)
            where = studies.origin(entry)
            count = numbers.write(
                entry["repeats"], "d", "trainings", entry["name"], "test", "", where
            )
            sentences.append(f"{verdict} ({count} trainings, {where})")
    return sentences
