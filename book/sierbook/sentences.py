"""Sentences about results, chosen by their numbers; notebooks show them below their tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from sierbook import comparisons, statistics
from sierbook.audit.labels import (
    HARDEST,
    LABEL,
    SOFTEST,
    WRONG,
    as_nested,
    as_records,
)
from sierbook.claims import Claim, Finding
from sierbook.faithfulness.scores import FEWEST, compare_methods
from sierbook.tables import results, studies
from sierlib import settings
from sierlib.experiment.manifest import labelled_by_teachers, read_manifest, read_truth
from sierlib.experiment.models import HALVES, NETWORKS
from sierlib.experiment.scores import Estimate
from sierlib.run import Run

NOT_ASKED = (
    "This corpus brought its labels and no teacher was asked: there are no opinions to question "
    "here."
)


def bullets(sentences: Iterable[str]) -> str:
    """Return sentences as a list in Markdown."""
    return "\n".join(f"* {sentence}" for sentence in sentences)


def _signed(found: Estimate) -> str:
    """Write a difference with its interval."""
    return f"{found['value']:+.1%} [{found['low']:+.1%}, {found['high']:+.1%}]"


def _choose(found: Estimate, above: str, below: str, neither: str) -> str:
    """Choose words by the side of zero on which an interval lies."""
    if found["low"] > 0:
        return above
    return below if found["high"] < 0 else neither


# ------------------------------------------------------------------------- 01: teachers, classes
def remark_on_teachers(reports: Mapping[str, dict[str, Any]]) -> list[str]:
    """Say what a reader has to know of the teachers, by `teacher_reports`."""
    if not reports:
        return ["This corpus brings its labels: no teacher is trained or asked."]
    remarks = []
    for role, report in reports.items():
        remarks += _remark_on_teacher(settings.ROLES[role], report)
    return remarks


def _remark_on_teacher(name: str, report: dict[str, Any]) -> list[str]:
    held = report["held_out"]
    remarks = [f"{name} corpus: {note}" for note in report["notes"]]
    if report["quarantined"] or report["duplicates"]:
        remarks.append(
            f"{name} corpus: {report['quarantined']} unusable and {report['duplicates']} repeated "
            "items"
        )
    if not report.get("speakers_apart", True) and report["corpus"].startswith("iemocap:"):
        remarks.append(
            f"**{name} corpus: the same speakers are learned from and judged by.** Fewer than "
            "three sessions are there; IEMOCAP has five, two speakers in each."
        )
    if held["accuracy"]["low"] <= held["majority"]:
        remarks.append(
            f"**The {name} teacher is not clearly better than always naming the largest class** "
            f"({held['accuracy']['value']:.2f} against {held['majority']:.2f}); it had "
            f"{report['rows']['train']} items to learn from. Labels that it gives carry little "
            "information, and the rest of the book has to be read with that in mind."
        )
    return remarks


def name_lacking_classes(manifest: pd.DataFrame) -> list[str]:
    """Name the parts in which a class has no row, for each class that the data have."""
    parts = {"the test part": manifest["split"] == "test"}
    for fold in range(settings.FOLDS):
        parts[f"fold {fold}"] = manifest["fold"] == fold
    sentences = []
    for name in settings.CLASSES:
        labelled = manifest["label"] == name
        absent = [part for part, rows in parts.items() if not (labelled & rows).any()]
        if labelled.any() and absent:
            sentences.append(
                f"**Of {labelled.sum()} pairs labelled {name} none is in {', '.join(absent)}.** "
                "Scores there are over the other classes."
            )
    return sentences


# ----------------------------------------------------------------------- 02, 03: what was trained
def judge_learning(histories: Mapping[str, dict[str, Any]]) -> list[str]:
    """Say for each network, by title, whether it is above always naming the largest class."""
    sentences = []
    for title, history in histories.items():
        scores = history["validation"]
        verdict, end = "is clearly above", "."
        if scores["accuracy"]["low"] <= scores["majority"]:
            verdict = "is not clearly above"
            end = f", with {history['rows']['train']} rows to learn from."
        sentences.append(
            f"**{title}** {verdict} always naming the largest class "
            f"({scores['accuracy']['value']:.3f} against {scores['majority']:.3f}, kappa "
            f"{scores['kappa']:.2f}){end}"
        )
    return sentences


def describe_origins(
    entries: Mapping[str, studies.Entry], left_out: Mapping[str, str] | None = None
) -> str:
    """Say what of the tables was trained in this run, where the rest comes from, what is left out
    (`studies.omitted`)."""
    recorded = [entry for entry in entries.values() if entry["origin"] == "recorded"]
    absent = [f"`{name}`" for name in NETWORKS if name not in entries]
    trained = len(entries) - len(recorded)
    sentences = [f"**Of {len(NETWORKS)} networks, {trained} were trained in this run.**"]
    if recorded:
        runs = {f"profile `{e['profile']}`, {e['data']}, {e['date']}" for e in recorded}
        sentences.append(
            f"Of {len(recorded)} others the tables show recorded values "
            f"({'; '.join(sorted(runs))})."
        )
    if absent:
        sentences.append(f"{len(absent)} have not been trained anywhere yet: {', '.join(absent)}.")
    if left_out:
        sentences.append(f"Left out: {'; '.join(dict.fromkeys(left_out.values()))}.")
    return " ".join(sentences)


def judge_curve(gains: pd.DataFrame) -> list[str]:
    """Say from how many pairs on fusion is clearly ahead of the better half (`gains_by_pairs`)."""
    sentences = []
    for against, part in gains.groupby("against") if len(gains) else ():
        steps = []
        for row in as_records(part):
            steps.append(f"{row['pairs']:,} pairs {_signed(row)} over {row['half']}")
        ahead = part.loc[part["low"] > 0, "pairs"]
        verdict = "at none of these sizes is it clearly ahead"
        if len(ahead):
            verdict = f"clearly ahead first with {ahead.min():,} pairs"
        sentences.append(f"**On the {against}**: {'; '.join(steps)}: {verdict}.")
    return sentences


def describe_findings(found: Mapping[Claim, Finding]) -> list[str]:
    """Write claims of the ledger with what came out; what an earlier run recorded says so."""
    sentences = []
    for claim, finding in found.items():
        text = f"*{claim.text}* ({claim.where}): {finding.ours}"
        if finding.made.get("recorded"):
            text += f" ({studies.origin({'origin': 'recorded', **finding.made})})"
        sentences.append(f"{text}. **{finding.verdict.capitalize()}**: {finding.reason}.")
    return sentences


# --------------------------------------------------------------------------------- 04: test part
def judge_fusion(evaluation: dict[str, Any]) -> list[str]:
    """Say for each paired difference who is ahead, and whether the other network learned."""
    sentences = []
    for kind, differences in evaluation["differences"].items():
        for name, found in differences.items():
            title = results.difference_title(kind, name)
            verdict = _judge_difference(found, evaluation["scores"][kind][name])
            sentences.append(f"{title}: {_signed(found)}: {verdict}.")
    return sentences


def answer_fusion(evaluation: dict[str, Any]) -> str:
    """Answer the book's first question in one sentence, from notebook 04's results."""
    kind = results.best_known(evaluation)
    scores, differences = evaluation["scores"][kind], evaluation["differences"][kind]
    reached = {name: scores[name]["accuracy"]["value"] for name in HALVES}
    better = max(settings.MODALITIES, key=lambda name: reached[name])
    verdict = _choose(
        differences[better],
        "so together they say more than either alone",
        "so the pair says less than one of them alone",
        "a difference too small to be claimed",
    )
    named = {"labels": "give the label", "truth": "name the planted emotion"}[kind]
    return (
        f"On {scores['fused']['n']:,} pairs that were set aside, speech and picture together "
        f"{named} in {reached['fused']:.0%}, the picture alone in {reached['image']:.0%}, the "
        f"speech alone in {reached['speech']:.0%}, and always naming the largest class would in "
        f"{scores['fused']['majority']:.0%}; ParallelNet is ahead of its better half by "
        f"{_signed(differences[better])}, {verdict}."
    )


def _judge_difference(found: Estimate, other: dict[str, Any]) -> str:
    """Say who is ahead by a difference from `other`, the scores of a network."""
    verdict = _choose(
        found, "ParallelNet is ahead", "ParallelNet is behind", "no difference can be claimed"
    )
    if found["low"] > 0 and other["accuracy"]["low"] <= other["majority"]:
        verdict += (
            " of a network that did not get clearly beyond always naming the largest class "
            f"({other['accuracy']['value']:.1%} against {other['majority']:.1%}): this says "
            "little of fusion"
        )
    return verdict


def describe_ceilings(evaluation: dict[str, Any]) -> str:
    """Say how much better anybody could have done, as far as the corpus lets that be known."""
    labels, truth = evaluation["scores"]["labels"], evaluation["scores"].get("truth")
    teachers = _describe_teachers(labels)
    if truth is None:
        repeated = "the opinion of the teachers" if teachers else "the labels that it brought"
        return teachers + (
            "This corpus brings no ground truth, so label noise cannot be measured: the "
            f"accuracies above say how well {repeated} can be repeated, and no more."
        )
    alone = [
        f"{truth[f'{role} teacher']['accuracy']['value']:.1%} ({modality} teacher)"
        for role, modality in settings.ROLES.items()
        if f"{role} teacher" in truth
    ]
    return teachers + (
        f"The label agrees with the planted emotion in {truth['label']['accuracy']['value']:.1%} "
        f"of the test rows; the teachers alone reach {' and '.join(alone)}. ParallelNet reaches "
        f"{truth['fused']['accuracy']['value']:.1%} on the planted emotion and "
        f"{labels['fused']['accuracy']['value']:.1%} on the labels."
    )


def _describe_teachers(scores: dict[str, Any]) -> str:
    """Say how much of the labels each teacher alone repeats, and when that is nearly all."""
    shares = {}
    for role, modality in settings.ROLES.items():
        if f"{role} teacher" in scores:
            shares[modality] = scores[f"{role} teacher"]["accuracy"]["value"]
    if not shares:
        return ""
    parts = [f"the {name} teacher alone reproduces {share:.1%}" for name, share in shares.items()]
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
            reasons["multiply-addition"] = "nobody says which pairs of this corpus are in conflict"
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
        plan = comparisons.PRIMARY[entry["name"]]
        idle = name_unlearned(entries, (plan.one, plan.other))
        if idle:
            claim += (
                f", but {' and '.join(idle)} did not get clearly beyond the largest class, so it "
                "says little"
            )
    text = f"{entry['title']}: {_signed(entry)}"
    each = [f"{value:+.1%}" for value in entry.get("by_training", ())]
    if each:
        text += f" (training by training {', '.join(each)})"
    return f"{text}, p = {entry['p_holm']:.2g}: {claim}."


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
            sentences.append(f"{verdict} ({entry['repeats']} trainings, {studies.origin(entry)})")
    return sentences


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
    verdict = _choose(gain, "better labels", "worse labels", "no difference can be claimed")
    return text + (
        f"The planted emotion is the label in {found['right']:.1%} of them before and "
        f"{found['right_after']:.1%} after ({_signed(gain)}): {verdict}."
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
        f"{repeated['by_text']:.1%} ({_signed(gain)}): "
        f"{verdict}"
    )


def judge_blanked(table: pd.DataFrame) -> list[str]:
    """Say what each modality's absence costs, beside never having had it (`blank_modalities`)."""
    rows, sentences = as_nested(table, "input"), []
    for name, half in (("silence", "image"), ("grey image", "speech")):
        lost, alone = rows[name], rows[NETWORKS[HALVES[half]].title]
        change = {"value": lost["difference"], "low": lost["from"], "high": lost["to"]}
        verdict = _choose(change, "a clear gain", "a clear loss", "no clear change")
        sentences.append(
            f"**{name.capitalize()}**: {lost['accuracy']:.1%} ({_signed(change)}, {verdict}); the "
            f"network that never had that modality reaches {alone['accuracy']:.1%}."
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
            f"from {row['partner from']} {_signed(row | {'value': row['difference']})}"
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


# ------------------------------------------------------------------------------- 07: is it true?
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
        groups[_choose(ahead, *sides)].append(rival)
    return "; ".join(f"{side} {', '.join(names)}" for side, names in groups.items() if names)
