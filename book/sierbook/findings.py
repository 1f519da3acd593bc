"""What the pages of notebooks 07 and 08 open with: their results in a few sentences, by subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sierbook import numbers
from sierbook.faithfulness.rivals import EXACT
from sierbook.numbers import key_of_teacher, write
from sierbook.sentences import choose_words, count, write_signed
from sierbook.trust_sentences import (
    NOT_ASKED,
    answer_explanations_by_part,
    key_of_change,
    key_of_relabelled,
    say_shared_pictures,
    write_left,
    write_wrong,
)
from sierlib import settings


def find_experiment(found: Mapping[str, Any]) -> dict[str, str]:
    """Return five findings of notebook 07 from its results, by what they are about."""
    teachers, noise = found["teachers"], found["label_provenance"]["noise"]
    shortcuts, relabelled = found["shortcuts"], found["relabelled"]
    run = numbers.name_run(found.get("provenance", {}))
    right = []
    for role, value in teachers.items():
        key = key_of_teacher("accuracy", role, run)
        reached = write(value["accuracy"]["value"], ".0%", *key)
        right.append(f"the {settings.ROLES[role]} teacher is right on {reached}")
    labels = "How many of them are wrong cannot be known: nothing was planted in this corpus."
    if noise:
        labels = f"{write_wrong(noise, run)} are not the emotion that was planted."
    if relabelled:
        changed = write(relabelled["share"], ".1%", *key_of_relabelled("share", run))
        labels += f" With teachers as right as they are sure, {changed} of them would be others."
    leak = say_shared_pictures(shortcuts["same_picture"], run)
    if split := shortcuts["split"]:
        verdict = "nothing can leak through the text"
        if repeated := split["on_repeated"]:
            verdict = choose_words(
                repeated["difference"],
                "a split that ignores the text would flatter",
                "a split that ignores the text would not flatter",
                "that a split which ignores the text would flatter cannot be shown",
            )
        key = numbers.Key("pairs", "", "usable, repeated", "", run)
        alone = count(split["repeated"], "row shares its", "rows share their", key)
        leak += f" {alone[0].upper()}{alone[1:]} sentence with another one: {verdict}."
    lost = []
    for name, absent in (("speech", "silence"), ("image", "grey image")):
        change = shortcuts["blanked"][absent]["difference"]
        lost.append(f"{write_signed(change, key_of_change(absent, run))} without the {name}")
    # The last kind of partner is the one that is most alike.
    swapped, used = [], []
    for moved, partners in shortcuts["exchanged"].items():
        kind, partner = list(partners.items())[-1]
        change = partner["difference"]
        signed = write_signed(change, key_of_change(f"{moved} from {kind}", run))
        swapped.append(f"another {moved} changes it by {signed}")
        if change["high"] < 0:
            used.append(moved)
    verdict = "that it has to be this very pair cannot be shown"
    if used:
        verdict = f"of the {' and the '.join(used)} more is used than the class"
    return {
        "Teachers": f"Of items not seen before, {', '.join(right)}." if right else NOT_ASKED,
        "Labels": labels,
        "Leaks": leak,
        "Modalities": f"ParallelNet's accuracy changes by {', by '.join(lost)}.",
        "Pairing": f"Chosen to say the same, {' and '.join(swapped)}: {verdict}.",
    }


def find_explanations(found: Mapping[str, Any]) -> dict[str, str]:
    """Return five findings of notebook 08 from its results, by what they are about."""
    run = numbers.name_run(found.get("provenance", {}))
    planted = answer_explanations_by_part(found)
    areas = {
        row["method"]: row["mean"]["value"]
        for row in found["scores"]
        if (row["measure"], row["part"]) == ("deletion", "joint")
    }
    removed = "Nothing was removed."
    if {"owen", "random"} <= areas.keys():
        exact, random = (
            write(areas[name], ".2f", "deletion", name, "explained, joint", "score", run)
            for name in (EXACT, "random")
        )
        removed = (
            f"While the parts that matter most are removed first, the score is {exact} on average; "
            f"in the order of random noise, {random}."
        )
    left = write_left(found["randomised"], run)
    network = "No block lost its weights."
    if left:
        network = (
            f"A map of the network without what it has learned has a rank correlation of {left} "
            "with the map of the trained one; at 1 it would show the input alone."
        )
    share = write(found["speech_share"], ".0%", "speech's share", "fused", "test", "score", run)
    return {
        "Modalities": f"Speech has {share} of what both do to the score.",
        "Removal": removed,
        "Random weights": network,
        "Words": planted["speech"],
        "Regions": planted["image"],
    }


#: What the pages of notebooks open with.
FINDINGS: dict[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "07-experiment": find_experiment,
    "08-explanations": find_explanations,
}
