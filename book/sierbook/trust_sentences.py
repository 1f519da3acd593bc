"""Results of notebooks 07 and 08 in words: is the experiment sound, and are explanations true?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from sierbook.audit.labels import HARDEST, LABEL, SOFTEST, WRONG
from sierbook.faithfulness.scores import FEWEST, compare_methods
from sierbook.records import as_nested, as_records
from sierbook.sentences import answer_explanations, choose_words, write_signed
from sierlib import settings
from sierlib.experiment.models import HALVES, NETWORKS

NOT_ASKED = (
    "This corpus brought its labels and no teacher was asked: there are no opinions to question "
    "here."
)


# ------------------------------------------------------------------- 07: is the experiment sound?
def judge_teachers(found: Mapping[str, dict[str, Any]]) -> list[str]:
    """Say of each teacher how right and how sure it is (`score_teachers`)."""
    sentences = [_judge_teacher(settings.ROLES[role], value) for role, value in found.items()]
    return sentences or [NOT_ASKED]


def _judge_teacher(name: str, found: dict[str, Any]) -> str:
    accuracy, pairs = found["accuracy"], found["pairs"]
    verdict = "that error alone shows nothing"
    if found["ece"] > found["ece_by_chance"]:
        over = found["confidence"] > accuracy["value"]
        verdict = "it is over-confident" if over else "it is under-confident"
    text = (
        f"The **{name} teacher** is right on {accuracy['value']:.1%} of {accuracy['n']} items and "
        f"sure by {found['confidence']:.1%} on average. Its calibration error is "
        f"{found['ece']:.3f}; chance alone gives a calibrated one up to "
        f"{found['ece_by_chance']:.3f}, so {verdict}. A temperature of "
        f"{found['temperature']:.2f}, fitted on one half, takes the error on the other half from "
        f"{found['ece_half']:.3f} to {found['ece_after']:.3f}"
    )
    if not 1.02 * HARDEST < found["temperature"] < 0.98 * SOFTEST:
        text += " (the end of the range that is tried: these few items do not tell)"
    if pairs:
        text += (
            f"; the same temperature takes that on {pairs['n']} pairs from {pairs['ece']:.3f} to "
            f"{pairs['ece_after']:.3f}"
        )
    return text + "."


def judge_relabelling(found: Mapping[str, Any]) -> str:
    """Say what temperature scaling would change in the labels (`relabel_tempered`)."""
    if not found:
        return NOT_ASKED
    text = (
        f"With both temperatures put right, the winner changes in {found['winners']} of the "
        f"{found['kept']} pairs kept either way, and with it **{found['changed']} labels "
        f"({found['share']:.1%})**; {found['dropped']} pairs fall below the threshold and "
        f"{found['rescued']} rise above it. The speech teacher wins {found['speech_wins']:.1%} of "
        f"all pairs before and {found['speech_wins_after']:.1%} after. "
    )
    if "difference" not in found:
        return text + (
            "Which of the two labels is the better one cannot be known here: nothing was planted."
        )
    gain = found["difference"]
    verdict = choose_words(gain, "better labels", "worse labels", "no difference can be claimed")
    return text + (
        f"The planted emotion is the label in {found['right']:.1%} of them before and "
        f"{found['right_after']:.1%} after ({write_signed(gain)}): {verdict}."
    )


def judge_recovery(table: pd.DataFrame) -> list[str]:
    """Say whose word ParallelNet repeats, and whether it corrects mistakes (`measure_recovery`)."""
    if table.empty:
        return [NOT_ASKED]
    fused = as_nested(table[table["who"] == NETWORKS["fused"].title], "rows")
    label = as_nested(table[table["who"] == LABEL], "rows")
    sentences = []
    for name, row in fused.items():
        if not name.startswith("differ"):
            continue
        text = (
            f"Where the teachers **{name.replace(',', ' and the')}** ({row['n']} pairs), "
            f"ParallelNet names the class of the winner in {row['winner']:.1%}, of the loser in "
            f"{row['loser']:.1%}, another in {row['neither']:.1%}"
        )
        if row["truth"] is not None:
            text += (
                f"; the planted emotion in {row['truth']:.1%}, and the label itself in "
                f"{label[name]['truth']:.1%}"
            )
        sentences.append(text + ".")
    if WRONG in fused:
        sentences.append(_judge_mistakes(fused[WRONG]))
    return sentences


def _judge_mistakes(row: dict[str, Any]) -> str:
    """Say whether ParallelNet repeats wrong labels or corrects them, by an exact sign test."""
    repeated, corrected = round(row["winner"] * row["n"]), round(row["truth"] * row["n"])
    decided = repeated + corrected
    verdict = "too close to call"
    if decided and stats.binomtest(repeated, decided).pvalue <= 0.05:
        verdict = (
            "it has learned more than the labels say; the teacher who was overruled may have said "
            "it"
        )
        if repeated > corrected:
            verdict = (
                "it follows the label into the mistake more often than it finds what was planted"
            )
    return (
        f"Where the **{WRONG}** ({row['n']} pairs), it repeats the mistake in "
        f"{row['winner']:.1%} and names the planted emotion in {row['truth']:.1%}: {verdict}."
    )


def judge_leak(found: Mapping[str, Any]) -> str:
    """Say whether the way of splitting matters on this corpus (`measure_split_leak`)."""
    if not found:
        return "These rows are recordings without a text, so there is no text to keep on one side."
    text = (
        f"Of {found['rows']} rows, {found['repeated']} ({found['repeated'] / found['rows']:.1%}) "
        "share their sentence with another one. The stand-in is right on "
        f"{found['random']:.1%} after random splits and on {found['by_text']:.1%} after splits by "
        "text. "
    )
    repeated = found["on_repeated"]
    if repeated is None:
        return text + (
            "Nothing can leak through the text here: what differs is the luck of the split."
        )
    gain = repeated["difference"]
    verdict = "no flattery by a random split can be shown."
    if gain["low"] > 0:
        verdict = "**a random split flatters.**"
    return text + (
        f"On the repeated sentences alone it is {repeated['random']:.1%} against "
        f"{repeated['by_text']:.1%} ({write_signed(gain)}): "
        f"{verdict}"
    )


def judge_blanked(table: pd.DataFrame) -> list[str]:
    """Say what each modality's absence costs, beside never having had it (`blank_modalities`)."""
    rows, sentences = as_nested(table, "input"), []
    for name, half in (("silence", "image"), ("grey image", "speech")):
        lost, alone = rows[name], rows[NETWORKS[HALVES[half]].title]
        change = {"value": lost["difference"], "low": lost["from"], "high": lost["to"]}
        verdict = choose_words(change, "a clear gain", "a clear loss", "no clear change")
        sentences.append(
            f"**{name.capitalize()}**: {lost['accuracy']:.1%} ({write_signed(change)}, {verdict}); "
            f"the network that never had that modality reaches {alone['accuracy']:.1%}."
        )
    nothing = rows["silence and grey"]["accuracy"]
    sentences.append(
        "With nothing at all to go by it can only say one and the same, and is right in "
        f"{nothing:.1%}."
    )
    return sentences


def judge_exchange(table: pd.DataFrame) -> list[str]:
    """Say whether ParallelNet needs the true partner, or one that says the same
    (`exchange_partners`)."""
    sentences = []
    for moved, rows in table.groupby("moved", sort=False):
        differences = [
            f"from {row['partner from']} {write_signed(row | {'value': row['difference']})}"
            for row in as_records(rows)
        ]
        # The last kind of partner is the one that is most alike.
        loose, closest = rows["high"].iloc[0], rows["high"].iloc[-1]
        verdict = f"It cannot be shown that the {moved} is used at all."
        if loose < 0:
            verdict = (
                f"What the {moved} says is used; that it has to be this very row's cannot be shown."
            )
            if closest < 0:
                verdict = (
                    f"Even {moved} chosen to say the same does worse: more of it is used than its "
                    "class."
                )
        sentences.append(f"**The {moved} of another row**: {'; '.join(differences)}. {verdict}")
    loose = table[table["partner from"] == "any row"]
    if loose["by the rule"].notna().all():
        known = float((loose["accuracy"] - loose["difference"]).iloc[0])
        sentences.append(
            "Pairs put together at random get new labels by the teachers' own rule. On those "
            f"ParallelNet is right in {loose['by the rule'].mean():.1%}, on the true pairs and "
            f"theirs in {known:.1%}."
        )
    return sentences


def judge_respoken(table: pd.DataFrame) -> list[str]:
    """Say which networks another take, or another speed, makes clearly worse (`speak_again`)."""
    if table.empty:
        return ["These rows are recordings: the voice cannot speak them again at another speed."]
    sentences = []
    for take, rows in table.groupby("take", sort=False):
        worse = rows.loc[rows["high"] < 0, "network"]
        verdict = "no clear loss"
        if len(worse):
            verdict = f"{' and '.join(worse)} clearly the worse for it"
        speed, count = rows["speed"].iloc[0], rows["n"].iloc[0]
        sentences.append(
            f"**{str(take).capitalize()}, speed {speed:g}** ({count} rows): {verdict}."
        )
    return sentences


def judge_noise(table: pd.DataFrame) -> list[str]:
    """Say how much noise costs ParallelNet, and whether it falls below the half without it.

    Both are judged by their own intervals; on the same rows that takes a larger difference than
    need be (`add_noise`)."""
    return [
        _judge_noise(str(modality), rows)
        for modality, rows in table.groupby("modality", sort=False)
    ]


def _judge_noise(modality: str, rows: pd.DataFrame) -> str:
    names = ("fused", HALVES[modality], HALVES[settings.OTHER[modality]])
    fused, noisy, clean = (NETWORKS[name].title for name in names)
    first, last = rows["level"].min(), rows["level"].max()
    start, end = (rows[rows["level"] == level].set_index("network") for level in (first, last))
    verdict = "the two cannot be told apart there"
    if end.loc[fused, "high"] < end.loc[clean, "low"]:
        verdict = f"better without the {modality} than with this one"
    elif end.loc[fused, "low"] > end.loc[clean, "high"]:
        verdict = "ParallelNet stays ahead of it"
    note = ""
    if rows.loc[rows["network"] == noisy, "accuracy"].nunique() == 1:
        note = " (the same throughout: it hardly perceives anything)"
    return (
        f"**Noise in the {modality}**: from level {first:g} to {last:g}, ParallelNet goes from "
        f"{start.loc[fused, 'accuracy']:.1%} to {end.loc[fused, 'accuracy']:.1%}, {noisy} from "
        f"{start.loc[noisy, 'accuracy']:.1%} to {end.loc[noisy, 'accuracy']:.1%}{note}. {clean}, "
        f"which does not perceive the noise, is at {end.loc[clean, 'accuracy']:.1%}: {verdict}."
    )


# ------------------------------------------------------------------------------- 08: is it true?
def judge_rivals(
    scores: pd.DataFrame,
    rivals: Sequence[str],
    measures: Sequence[str] = ("share", "pointing"),
    methods: Sequence[str] = ("owen", "sampled"),
) -> list[str]:
    """Say which rivals each method is clearly ahead of on the same samples (`evaluate_methods`)."""
    known = set(scores["method"])
    rivals = [rival for rival in rivals if rival in known]
    sentences = []
    for measure, part, method in itertools.product(measures, settings.MODALITIES, methods):
        key = {"measure": measure, "part": part, "method": method}
        rows = scores[(scores[list(key)] == pd.Series(key)).all(axis=1)]
        if rows.empty:  # nothing was planted, or nothing of the explained class
            continue
        verdict = "too few to compare"
        if len(rows) >= FEWEST:
            verdict = _compare_with_rivals(scores, rivals, measure, part, method)
        sentences.append(
            f"**{method}, {part}, {measure}**: {rows['value'].mean():.2f} on {len(rows)} samples, "
            f"where chance is {rows['chance'].mean():.2f}; {verdict}."
        )
    return sentences


def _compare_with_rivals(
    scores: pd.DataFrame, rivals: Sequence[str], measure: str, part: str, method: str
) -> str:
    sides = ("clearly above", "clearly **below**", "no clear difference to")
    groups: dict[str, list[str]] = {side: [] for side in sides}
    for rival in rivals:
        ahead = compare_methods(scores, measure, part, method, rival)
        groups[choose_words(ahead, *sides)].append(rival)
    return "; ".join(f"{side} {', '.join(names)}" for side, names in groups.items() if names)


# --------------------------------------------------------------------- what a page opens with
def find_experiment(found: Mapping[str, Any]) -> dict[str, str]:
    """Return five findings of notebook 07 from its results, by what they are about."""
    teachers, noise = found["teachers"], found["label_provenance"]["noise"]
    shortcuts, relabelled = found["shortcuts"], found["relabelled"]
    right = [
        f"the {settings.ROLES[role]} teacher is right on {value['accuracy']['value']:.0%}"
        for role, value in teachers.items()
    ]
    labels = "How many of them are wrong cannot be known: nothing was planted in this corpus."
    if noise:
        wrong = 1 - noise["all"]["accuracy"]["value"]
        labels = f"{wrong:.0%} are not the emotion that was planted."
    if relabelled:
        labels += (
            f" With teachers as right as they are sure, {relabelled['share']:.1%} of them would be "
            "others."
        )
    pictures = shortcuts["same_picture"]
    leak = f"{pictures:,} test rows show a picture that was trained on."
    if split := shortcuts["split"]:
        verdict = "nothing can leak through the text"
        if repeated := split["on_repeated"]:
            verdict = choose_words(
                repeated["difference"],
                "a split that ignores the text would flatter",
                "a split that ignores the text would not flatter",
                "that a split which ignores the text would flatter cannot be shown",
            )
        leak += f" Of the sentences, {split['repeated']:,} are not alone: {verdict}."
    lost = [
        f"{write_signed(shortcuts['blanked'][key]['difference'])} without the {name}"
        for name, key in (("speech", "silence"), ("image", "grey image"))
    ]
    # The last kind of partner is the one that is most alike.
    closest = {
        moved: list(partners.values())[-1]["difference"]
        for moved, partners in shortcuts["exchanged"].items()
    }
    swapped = [
        f"another {moved} changes it by {write_signed(change)}" for moved, change in closest.items()
    ]
    used = [moved for moved, change in closest.items() if change["high"] < 0]
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
    planted = {}
    for part in settings.MODALITIES:
        rows = [row for row in found.get("planted", ()) if row["part"] == part]
        planted[part] = answer_explanations({"planted": rows})
    areas = {
        row["method"]: row["mean"]["value"]
        for row in found["scores"]
        if (row["measure"], row["part"]) == ("deletion", "joint")
    }
    removed = "Nothing was removed."
    if {"owen", "random"} <= areas.keys():
        removed = (
            f"While the parts that matter most are removed first, the score is {areas['owen']:.2f} "
            f"on average; in the order of random noise, {areas['random']:.2f}."
        )
    left = [row["value"] for row in found["randomised"] if row["method"] == "owen"]
    network = "No block lost its weights."
    if left:
        network = (
            "A map of the network without what it has learned has a rank correlation of "
            f"{left[-1]:+.2f} with the map of the trained one; at 1 it would show the input alone."
        )
    return {
        "Modalities": f"Speech has {found['speech_share']:.0%} of what both do to the score.",
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
