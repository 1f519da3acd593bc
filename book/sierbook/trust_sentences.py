"""Results of notebooks 07 and 08 in words: is the experiment sound, and are explanations true?"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from sierbook import numbers
from sierbook.audit.labels import HARDEST, LABEL, SOFTEST, WRONG
from sierbook.faithfulness.rivals import EXACT
from sierbook.faithfulness.scores import FEWEST, compare_methods
from sierbook.numbers import Key, key_of_teacher, write
from sierbook.records import as_nested, as_records
from sierbook.sentences import choose_words, count, write_signed
from sierlib import settings
from sierlib.experiment.models import HALVES, NETWORKS

NOT_ASKED = (
    "This corpus brought its labels and no teacher was asked: there are no opinions to question "
    "here."
)


# ------------------------------------------------------------------- 07: is the experiment sound?
def judge_teachers(found: Mapping[str, dict[str, Any]]) -> list[str]:
    """Say of each teacher how right and how sure it is (`score_teachers`)."""
    return [_judge_teacher(role, value) for role, value in found.items()] or [NOT_ASKED]


def _judge_teacher(role: str, found: dict[str, Any]) -> str:
    accuracy, pairs = found["accuracy"], found["pairs"]

    def quote(name: str, spec: str = ".3f") -> str:
        return write(found[name], spec, *key_of_teacher(name, role))

    verdict = "that error alone shows nothing"
    if found["ece"] > found["ece_by_chance"]:
        over = found["confidence"] > accuracy["value"]
        verdict = "it is over-confident" if over else "it is under-confident"
    text = (
        f"The **{settings.ROLES[role]} teacher** is right on "
        f"{write(accuracy['value'], '.1%', *key_of_teacher('accuracy', role))} of "
        f"{write(accuracy['n'], ',', *key_of_teacher('held out', role))} items and sure by "
        f"{quote('confidence', '.1%')} on average. Its calibration error is "
        f"{quote('ece')}; chance alone gives a calibrated one up to {quote('ece_by_chance')}, so "
        f"{verdict}. A temperature of {quote('temperature', '.2f')}, fitted on one half, takes the "
        f"error on the other half from {quote('ece_half')} to {quote('ece_after')}"
    )
    if not 1.02 * HARDEST < found["temperature"] < 0.98 * SOFTEST:
        text += " (the end of the range that is tried: these few items do not tell)"
    if pairs:
        before, after, rows = (
            write(pairs[name], spec, name, f"{role} teacher", "pairs", "truth")
            for name, spec in (("ece", ".3f"), ("ece_after", ".3f"), ("n", ","))
        )
        text += f"; the same temperature takes that on {rows} pairs from {before} to {after}"
    return text + "."


def judge_relabelling(found: Mapping[str, Any]) -> str:
    """Say what temperature scaling would change in the labels (`relabel_tempered`)."""
    if not found:
        return NOT_ASKED

    def quote(name: str) -> str:
        return write(found[name], ".1%", *key_of_relabelled(name))

    def tell(name: str, noun: str, more: str = "") -> str:
        return count(found[name], noun, more, key_of_relabelled(name))

    winners = write(found["winners"], ",", *key_of_relabelled("winners"))
    text = (
        f"With both temperatures put right, the winner changes in {winners} of "
        f"{tell('kept', 'pair')} kept either way, and with it "
        f"**{tell('changed', 'label')} ({quote('share')})**; "
        f"{tell('dropped', 'pair falls', 'pairs fall')} below the threshold and "
        f"{tell('rescued', 'pair rises', 'pairs rise')} above it. The speech teacher wins "
        f"{quote('speech_wins')} of all pairs before and {quote('speech_wins_after')} after. "
    )
    if "difference" not in found:
        return text + (
            "Which of the two labels is the better one cannot be known here: nothing was planted."
        )
    gain = found["difference"]
    verdict = choose_words(gain, "better labels", "worse labels", "no difference can be claimed")
    return text + (
        f"The planted emotion is the label in {quote('right')} of the pairs kept either way "
        f"before and {quote('right_after')} after "
        f"({write_signed(gain, key_of_relabelled('difference'))}): {verdict}."
    )


def key_of_relabelled(name: str, run: str = numbers.THIS_RUN) -> Key:
    """Return the key of what temperature scaling does to labels (`relabel_tempered`)."""
    return Key(name, "tempered label", "kept either way", "truth", run)


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
        winner, loser, neither = (
            quote_recovery(row, column, name) for column in ("winner", "loser", "neither")
        )
        text = (
            f"Where the teachers **{name.replace(',', ' and the')}** "
            f"({_count_group(row, name)}), ParallelNet names the class of the winner in {winner}, "
            f"of the loser in {loser}, another in {neither}"
        )
        if row["truth"] is not None:
            text += (
                f"; the planted emotion in {quote_recovery(row, 'truth', name)}, and the label "
                f"itself in {quote_recovery(label[name], 'truth', name, 'label')}"
            )
        sentences.append(text + ".")
    if WRONG in fused:
        sentences.append(_judge_mistakes(fused[WRONG]))
    return sentences


def quote_recovery(row: Mapping[str, Any], column: str, group: str, who: str = "fused") -> str:
    """Write a share of `measure_recovery`: how often a network names the class of the "winner" (the
    label), of the "loser", "neither" of them, or the "truth", in a group of the test rows."""
    part = "test" if group == "all" else f"test, {group}"
    quantity = {"winner": "accuracy", "truth": "accuracy"}.get(column, column)
    reference = "truth" if column == "truth" else "labels"
    return write(row[column], ".1%", quantity, who, part, reference)


def _count_group(row: Mapping[str, Any], group: str) -> str:
    return count(row["n"], "pair", key=Key("n", "fused", f"test, {group}", "labels"))


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
        f"Where the **{WRONG}** ({_count_group(row, WRONG)}), it repeats the mistake in "
        f"{quote_recovery(row, 'winner', WRONG)} and names the planted emotion in "
        f"{quote_recovery(row, 'truth', WRONG)}: {verdict}."
    )


def judge_leak(found: Mapping[str, Any]) -> str:
    """Say whether the way of splitting matters on this corpus (`measure_split_leak`)."""
    if not found:
        return "These rows are recordings without a text, so there is no text to keep on one side."
    share = write(found["repeated"] / found["rows"], ".1%", "repeated sentences", "", "all", "")
    random, by_text = (
        write(found[name], ".1%", "accuracy", "stand-in", f"all, {name}", "labels")
        for name in ("random", "by_text")
    )
    rows, repeated = (
        write(found[name], ",", "pairs", "", part, "")
        for name, part in (("rows", "usable"), ("repeated", "usable, repeated"))
    )
    text = (
        f"Of {rows} rows, {repeated} ({share}) share their sentence with "
        f"another one. The stand-in is right on {random} after random splits and on {by_text} "
        "after splits by text. "
    )
    on_repeated = found["on_repeated"]
    if on_repeated is None:
        return text + (
            "Nothing can leak through the text here: what differs is the luck of the split."
        )
    gain = on_repeated["difference"]
    verdict = "no flattery by a random split can be shown."
    if gain["low"] > 0:
        verdict = "**a random split flatters.**"
    random, by_text = (
        write(on_repeated[name], ".1%", "accuracy", "stand-in", f"repeated, {name}", "labels")
        for name in ("random", "by_text")
    )
    key = Key("lead", "random split - split by text", "repeated", "labels")
    return text + (
        f"On the repeated sentences alone it is {random} against {by_text} "
        f"({write_signed(gain, key)}): {verdict}"
    )


def judge_blanked(table: pd.DataFrame) -> list[str]:
    """Say what each modality's absence costs, beside never having had it (`blank_modalities`)."""
    rows, sentences = as_nested(table, "input"), []
    for name, half in (("silence", "image"), ("grey image", "speech")):
        lost, alone = rows[name], rows[NETWORKS[HALVES[half]].title]
        change = {"value": lost["difference"], "low": lost["from"], "high": lost["to"]}
        verdict = choose_words(change, "a clear gain", "a clear loss", "no clear change")
        reached = write(lost["accuracy"], ".1%", "accuracy", f"fused, {name}", "test", "labels")
        never = write(alone["accuracy"], ".1%", "accuracy", HALVES[half], "test", "labels")
        sentences.append(
            f"**{name.capitalize()}**: {reached} ({write_signed(change, key_of_change(name))}, "
            f"{verdict}); the network that never had that modality reaches {never}."
        )
    name = "silence and grey"
    nothing = write(rows[name]["accuracy"], ".1%", "accuracy", f"fused, {name}", "test", "labels")
    sentences.append(
        f"With nothing at all to go by it can only say one and the same, and is right in {nothing}."
    )
    return sentences


def key_of_change(name: str, run: str = numbers.THIS_RUN) -> Key:
    """Return the key of how ParallelNet's accuracy changes with another input."""
    return Key("lead", f"fused, {name} - fused", "test", "labels", run)


def judge_exchange(table: pd.DataFrame) -> list[str]:
    """Say whether ParallelNet needs the true partner, or one that says the same
    (`exchange_partners`)."""
    sentences = []
    for moved, rows in table.groupby("moved", sort=False):
        differences = []
        for row in as_records(rows):
            key = key_of_change(f"{moved} from {row['partner from']}")
            change = write_signed(row | {"value": row["difference"]}, key)
            differences.append(f"from {row['partner from']} {change}")
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
        strangers = loose["by the rule"].mean()
        sentences.append(
            "Pairs put together at random get new labels by the teachers' own rule. On those "
            "ParallelNet is right in "
            f"{write(strangers, '.1%', 'accuracy', 'fused', 'strangers', 'labels')}, on the true "
            f"pairs and theirs in {write(known, '.1%', 'accuracy', 'fused', 'test', 'labels')}."
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
    verdict = f"by their own intervals it and {fused} cannot be told apart"
    if end.loc[fused, "high"] < end.loc[clean, "low"]:
        verdict = f"better without the {modality} than with this one"
    elif end.loc[fused, "low"] > end.loc[clean, "high"]:
        verdict = "ParallelNet stays ahead of it"
    places = {"from": first, "to": last}
    reached = {}
    for who in names[:2]:
        title = NETWORKS[who].title
        for end_name, frame in (("from", start), ("to", end)):
            part = f"perturbed rows, noise {places[end_name]:g} in the {modality}"
            reached[title, end_name] = write(
                frame.loc[title, "accuracy"], ".1%", "accuracy", who, part, "labels"
            )
    untouched = write(
        end.loc[clean, "accuracy"], ".1%", "accuracy", names[2], "perturbed rows", "labels"
    )
    note = ""
    if rows.loc[rows["network"] == noisy, "accuracy"].nunique() == 1:
        note = " (the same throughout: it hardly perceives anything)"
    return (
        f"**Noise in the {modality}**: from level {first:g} to {last:g}, ParallelNet goes from "
        f"{reached[fused, 'from']} to {reached[fused, 'to']}, {noisy} from "
        f"{reached[noisy, 'from']} to {reached[noisy, 'to']}{note}. "
        f"{clean[0].upper()}{clean[1:]}, which does not perceive the noise, is at {untouched}: "
        f"{verdict}."
    )


# ------------------------------------------------------------------------------- 08: is it true?
def judge_rivals(
    scores: pd.DataFrame,
    rivals: Sequence[str],
    measures: Sequence[str] = ("share", "pointing"),
    methods: Sequence[str] = ("owen", "sampled"),
    part_of: str = "explained",
) -> list[str]:
    """Say which rivals each method is clearly ahead of on the same samples (`evaluate_methods`).

    Parameters
    ----------
    part_of
        What part of the data the scores are of, for the keys of the numbers.
    """
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
        where = f"{part_of}, {part}"
        drawn = count(len(rows), "sample", key=Key("n", method, f"{where}, {measure}", "truth"))
        mean = write(rows["value"].mean(), ".2f", measure, method, where, "truth")
        chance = write(rows["chance"].mean(), ".2f", measure, "chance", where, "truth")
        sentences.append(
            f"**{method}, {part}, {measure}**: {mean} on {drawn}, where "
            f"chance is {chance}; {verdict}."
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


#: The measure of what lies on what was planted (`faithfulness.scores.compare_with_blind`).
_PLANTED = "share, same regions"

# Methods that know nothing of the network, in words.
_BLIND = {"random": "random noise", "edges, no model": "an edge filter, which asks no network"}


def answer_explanations(explanations: dict[str, Any]) -> str:
    """Answer whether explanations are right, from notebook 08's results."""
    return " ".join(answer_explanations_by_part(explanations).values())


def answer_explanations_by_part(explanations: Mapping[str, Any]) -> dict[str, str]:
    """Answer the same in one sentence for the speech, and one for the image."""
    run = numbers.name_run(explanations.get("provenance", {}))
    said = {}
    for part in settings.MODALITIES:
        found = [row for row in explanations.get("planted", ()) if row["part"] == part]
        if not found:
            said[part] = (
                f"Nobody knows of the {part}: of too few samples, or of none, is it known what was "
                "planted for the class that is explained."
            )
            continue
        verdicts = []
        for row in found:
            words = choose_words(
                row["ahead"], "clearly more than", "clearly less than", "not clearly more than"
            )
            verdicts.append(f"{words} {_BLIND[row['rival']]}")
        share, chance = (
            numbers.write(found[0][name], ".0%", _PLANTED, who, f"explained, {part}", "truth", run)
            for name, who in (("share", "owen"), ("chance", "chance"))
        )
        samples = Key("n", "owen", f"explained, {part}, {_PLANTED}", "truth", run)
        drawn = count(found[0]["ahead"]["n"], "sample", key=samples)
        said[part] = (
            f"Of what speaks for the class in the {part}, {share} lies on what was planted there, "
            f"where chance is {chance} ({drawn}): "
            f"{' and '.join(verdicts)}."
        )
    return said


def write_wrong(noise: Mapping[str, Any], run: str = numbers.THIS_RUN) -> str:
    """Write the share of labels that are not what was planted (`measure_label_noise`)."""
    wrong = 1 - noise["all"]["accuracy"]["value"]
    return write(wrong, ".0%", "error", "label", "all", "truth", run)


def say_shared_pictures(pictures: int, run: str = numbers.THIS_RUN) -> str:
    """Say how many test rows show a picture that was trained on."""
    key = Key("pairs", "", "test, with a picture trained on", "", run)
    said = count(pictures, "test row shows", "test rows show", key)
    return f"{said[0].upper()}{said[1:]} a picture that was trained on."


def write_left(
    randomised: Sequence[Mapping[str, Any]], run: str = numbers.THIS_RUN, method: str = EXACT
) -> str:
    """Write the rank correlation of a method's maps with the old ones once all blocks are random;
    "" where none was made so."""
    left = [row["value"] for row in randomised if row["method"] == method]
    if not left:
        return ""
    key = ("rank correlation, all blocks random", method, "explained, joint", "trained network")
    return write(left[-1], "+.2f", *key, run)
