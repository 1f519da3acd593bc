"""Sentences about results, written by their numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from sierbook import comparisons, statistics
from sierbook.audit.labels import HARDEST, LABEL, OWN, SOFTEST, WRONG, as_nested
from sierbook.faithfulness.scores import FEWEST, compare_methods
from sierbook.tables import results, studies
from sierlib import settings
from sierlib.experiment.manifest import read_manifest, read_truth
from sierlib.experiment.models import NETWORKS
from sierlib.run import Run


def describe_origins(
    entries: dict[str, studies.Entry], left_out: dict[str, str] | None = None
) -> str:
    """Say what of the tables was trained in this run, where the rest comes from, and what `omitted`
    says."""
    own = [name for name in NETWORKS if entries.get(name, {}).get("origin") == "this run"]
    recorded = [entry for entry in entries.values() if entry["origin"] == "recorded"]
    absent = [name for name in NETWORKS if name not in entries]
    said = f"**Of {len(NETWORKS)} networks, {len(own)} were trained in this run.** "
    if recorded:
        told = "; ".join(
            sorted({f"profile `{e['profile']}`, {e['data']}, {e['date']}" for e in recorded})
        )
        said += f"Of {len(recorded)} others the tables show recorded values ({told}). "
    if absent:
        said += f"{len(absent)} have not been trained anywhere yet: {', '.join(f'`{name}`' for name in absent)}. "
    if left_out:
        said += f"Left out: {'; '.join(dict.fromkeys(left_out.values()))}."
    return said.strip()


def remark_on_learning(
    entries: dict[str, studies.Entry], stand_in: dict[str, studies.Entry] | None = None
) -> list[str]:
    """Hold the paper's remarks on learning (Sections 4.2, 4.3.1 and 5.4) against the curves."""
    said = []

    def speak(name: str, text: Callable[[studies.Entry], str]) -> None:
        if name in entries:
            entry = entries[name]
            said.append(
                text(entry)
                + ("" if entry["origin"] == "this run" else f" ({studies.origin(entry)})")
            )

    def gap(entry: studies.Entry) -> float:
        best = entry["best_epoch"][0] - 1
        return entry["curves"]["accuracy"][best] - entry["curves"]["val_accuracy"][best]

    speak(
        "ier",
        lambda e: (
            "*IER only has high training and low validation accuracy, and a low kappa* (4.3.1): "
            "here the gap is "
            f"{gap(e):+.1%} at the best epoch, kappa {e['validation']['kappa']:.2f}"
            + (
                f", at most {max(e['curves']['val_kappa']):.2f} in any epoch"
                if "val_kappa" in e["curves"]
                else ""
            )
        ),
    )
    speak(
        "ser",
        lambda e: (
            "*Accuracy and F1 of SER only converge in line, though the accuracy is less* (4.3.1): "
            "here accuracy "
            f"{e['validation']['accuracy']['value']:.1%}, macro F1 {e['validation']['macro_f1']:.2f}, gap "
            f"{gap(e):+.1%}"
        ),
    )
    if all(name in entries for name in studies.RESNETS):
        rates = [entries[name] for name in studies.RESNETS]
        means, moves = (
            ", ".join("/".join(f"{value:.1%}" for value in entry[key]) for entry in rates)
            for key in ("mean_accuracy", "detours")
        )
        said.append(
            "*ResNet learns slowly at a low learning rate and fluctuates a lot at a high one* "
            "(5.4): from a tenth of "
            "the rate to four times it, ResNet34's mean validation accuracy over its epochs is "
            f"{means}, and beyond "
            f"its way from first to last it moves from epoch to epoch by {moves}"
            + (" (training by training)" if rates[0]["repeats"]["n"] > 1 else "")
            + ("" if rates[0]["origin"] == "this run" else f" ({studies.origin(rates[0])})")
        )
    # Networks of one run are held against ParallelNet of the same run.
    published = {"this run": entries.get("fused"), "recorded": (stand_in or {}).get("fused")}
    for name in ("n2-inception3a", "n2-inception4a", "baseline3"):
        speak(
            name,
            lambda e: (
                f"*Inception and EfficientNet converge faster, to less* (5.4): {e['title']} "
                f"{_describe_best(e)}"
                + (
                    f", ParallelNet {_describe_best(fused)}"
                    if (fused := published[e["origin"]])
                    else ""
                )
            ),
        )
    return said


def _describe_best(entry: studies.Entry) -> str:
    near, best, last = (
        "/".join(map(str, entry[key])) for key in ("near_best", "best_epoch", "n_epochs")
    )
    reached = "/".join(f"{value:.1%}" for value in entry["repeats"]["validation"])
    return f"was near its best ({statistics.NEAR:.0%}) at epoch {near}, and best at epoch {best} of {last} with {reached}"


def describe_unsettled(entries: dict[str, studies.Entry]) -> str:
    """Say how many of this run's trainings were still getting better when they ended."""
    own = [entry for entry in entries.values() if entry["origin"] == "this run"]
    ends = [
        best == last
        for entry in own
        for best, last in zip(entry["best_epoch"], entry["n_epochs"], strict=True)
    ]
    return (
        f"Of {len(ends)} trainings in this run, {sum(ends)} were at their best in the last epoch. "
        "They had not "
        "settled: with more epochs they might get better, some by more than others."
    )


def judge_rivals(
    scores: pd.DataFrame,
    rivals: Sequence[str],
    measures: Sequence[str] = ("share", "pointing"),
    methods: Sequence[str] = ("owen", "sampled"),
) -> list[str]:
    """Say for each measure, modality and method which rivals it is clearly ahead of, on the same
    samples."""
    said = []
    for measure, part, method in itertools.product(measures, settings.MODALITIES, methods):
        own = scores[(scores[["measure", "part", "method"]] == [measure, part, method]).all(axis=1)]
        if own.empty:  # nothing was planted, or nothing of the explained class
            continue
        told = "too few to compare"
        if len(own) >= FEWEST:
            groups: dict[str, list[str]] = {
                "clearly above": [],
                "clearly **below**": [],
                "no clear difference to": [],
            }
            for rival in rivals:
                ahead = compare_methods(scores, measure, part, method, rival)
                side = 0 if ahead["low"] > 0 else 1 if ahead["high"] < 0 else 2
                groups[list(groups)[side]].append(rival)
            told = "; ".join(
                f"{title} {', '.join(names)}" for title, names in groups.items() if names
            )
        said.append(
            f"**{method}, {part}, {measure}**: {own['value'].mean():.2f} on {len(own)} samples, "
            "where chance is "
            f"{own['chance'].mean():.2f}; {told}."
        )
    return said


def describe_base_values(scores: pd.DataFrame, base: pd.Series) -> str:
    """Say in how many of the localised maps the modality as a whole speaks against the class it is
    a map of.

    Parameters
    ----------
    scores
        As `evaluate_methods` gives them, with planted truth.
    base
        By class, what the network says to silence and black.
    """
    own = scores[(scores["measure"] == "share") & (scores["method"] == "owen")]
    told = [
        f"{(group['effect'] < 0).sum()} of {len(group)} of the {part}"
        for part, group in own.groupby("part")
    ]
    said = (
        f"To silence and black this network says **{base.idxmax()}** with {base.max():.2f}: where "
        "that class is "
        f"predicted, speech and image together have at most {1 - base.max():.2f} to share out, and "
        "less than nothing "
        f"where the score is below {base.max():.2f}."
    )
    against = f" Of the maps scored above, the modality speaks *against* the class in {' and in '.join(told)}."
    return said + against if told else said


def name_unlearned(entries: Mapping[str, studies.Entry], *names: str) -> list[str]:
    """Return the titles of those networks that did not learn (`claims.intervals.learned`) in every
    training."""
    known = [entries[name] for name in names if name in entries]
    return [
        one["title"]
        for one in known
        if not statistics.has_learned(one["test"], one["repeats"]["test"])
    ]


def judge_comparisons(
    run: Run, found: Sequence[dict[str, Any]], entries: Mapping[str, studies.Entry]
) -> list[str]:
    """Say of each primary comparison what can be claimed at 5 % after Holm's correction, or why it
    is not there.

    Parameters
    ----------
    found
        As of `collect`.
    entries
        Of `studies.collect`: a network that did not learn is named.
    """
    said = [_verdict(entry, entries) for entry in found if entry["primary"]]
    lacking = {}
    if not read_truth(run):
        lacking["max-agreement"] = "nothing was planted in this corpus"
        if (read_manifest(run)["winner"] == "given").any():
            lacking["multiply-addition"] = "nobody says which pairs of this corpus are in conflict"
    for name, (title, *_) in comparisons.PRIMARY.items():
        if name not in {entry["name"] for entry in found}:
            said.append(
                f"{title}: not computed; "
                f"{lacking.get(name, 'it needs networks that have not been trained yet')}."
            )
    return said


def _verdict(entry: dict[str, Any], entries: Mapping[str, studies.Entry]) -> str:
    claim = "no difference can be claimed"
    low, high = entry["low"], entry["high"]
    if entry["p_holm"] < 0.05 and (low > 0 or high < 0):
        claim = "the first is better" if low > 0 else "the first is worse"
        if idle := name_unlearned(entries, *comparisons.PRIMARY[entry["name"]][1:3]):
            claim += f", but {' and '.join(idle)} did not get clearly beyond the largest class, so it says little"
    each = ", ".join(f"{value:+.1%}" for value in entry.get("by_training", ()))
    return (
        f"{entry['title']}: {entry['value']:+.1%} [{low:+.1%}, {high:+.1%}]"
        + (f" (training by training {each})" if each else "")
        + f", p = {entry['p_holm']:.2g}: {claim}."
    )


def judge_several_trainings(
    run: Run, found: Sequence[dict[str, Any]], stand_in: Mapping[str, studies.Entry]
) -> list[str]:
    """Say what recorded trainings, several of each network, make of comparisons that this run
    trained once.

    Parameters
    ----------
    found
        As of `collect`.
    stand_in
        Of `studies.collect`.
    """
    once = {
        entry["name"] for entry in found if entry["origin"] == "this run" and entry["repeats"] == 1
    }
    named = [entry for entry in comparisons.read_stand_ins(run).values() if entry["primary"]]
    several = [entry for entry in named if entry["name"] in once and entry["repeats"] > 1]
    return [
        f"{_verdict(entry, stand_in)} ({entry['repeats']} trainings, {studies.origin(entry)})"
        for entry in several
    ]


def judge_leak(found: dict[str, Any]) -> str:
    """Say whether the way of splitting matters on this corpus."""
    if not found:
        return "These rows are recordings without a text, so there is no text to keep on one side."
    text = (
        f"Of {found['rows']} rows, {found['repeated']} ({found['repeated'] / found['rows']:.1%}) "
        "share their sentence "
        f"with another one. The stand-in is right on {found['random']:.1%} after random splits and "
        "on "
        f"{found['by_text']:.1%} after splits by text. "
    )
    own = found["on_repeated"]
    if own is None:
        return (
            text + "Nothing can leak through the text here: what differs is the luck of the split."
        )
    gain = own["difference"]
    return text + (
        f"On the repeated sentences alone it is {own['random']:.1%} against {own['by_text']:.1%} "
        f"({gain['value']:+.1%} [{gain['low']:+.1%}, {gain['high']:+.1%}]): "
        + (
            "**a random split flatters.**"
            if gain["low"] > 0
            else "no flattery by a random split can be shown."
        )
    )


def judge_blanked(table: pd.DataFrame) -> list[str]:
    """Say what each modality's absence costs, and whether what remains is as good as a network of
    its own."""
    rows, said = as_nested(table, "input"), []
    for name, alone in (("silence", "image only"), ("grey image", "speech only")):
        lost, own = rows[name], rows[alone]
        clear = (
            "a clear loss"
            if lost["to"] < 0
            else "a clear gain"
            if lost["from"] > 0
            else "no clear change"
        )
        said.append(
            f"**{name.capitalize()}**: {lost['accuracy']:.1%} ({lost['difference']:+.1%} "
            f"[{lost['from']:+.1%}, "
            f"{lost['to']:+.1%}], {clear}); the network that never had that modality reaches "
            f"{own['accuracy']:.1%}."
        )
    nothing = rows["silence and grey"]["accuracy"]
    return [
        *said,
        "With nothing at all to go by it can only say one and the same, and is right in "
        f"{nothing:.1%}.",
    ]


def judge_exchange(table: pd.DataFrame) -> list[str]:
    """Say whether ParallelNet needs the true partner, or only one that says the same."""
    said = []
    for moved, rows in table.groupby("moved", sort=False):
        kinds = as_nested(rows, "partner from")
        told = [
            f"from {kind} {row['difference']:+.1%} [{row['low']:+.1%}, {row['high']:+.1%}]"
            for kind, row in kinds.items()
        ]
        closest = list(kinds.values())[-1]
        said.append(
            f"**The {moved} of another row**: {'; '.join(told)}. "
            + (
                f"It cannot be shown that the {moved} is used at all."
                if kinds["any row"]["high"] >= 0
                else f"Even {moved} chosen to say the same does worse: more of it is used than its class."
                if closest["high"] < 0
                else f"What the {moved} says is used; that it has to be this very row's cannot be shown."
            )
        )
    loose = table[table["partner from"] == "any row"]
    if loose["by the rule"].notna().all():
        known = float((loose["accuracy"] - loose["difference"]).iloc[0])
        said.append(
            "Pairs put together at random get new labels by the teachers' own rule. On those "
            "ParallelNet is right in "
            f"{loose['by the rule'].mean():.1%}, on the true pairs and theirs in {known:.1%}."
        )
    return said


NOT_ASKED = "This corpus brought its labels and no teacher was asked: there are no opinions to question here."


def judge_teachers(found: dict[str, dict[str, Any]]) -> list[str]:
    """Say of each teacher how right and how sure it is."""
    said = []
    for role, value in found.items():
        kind = (
            "over-confident"
            if value["confidence"] > value["accuracy"]["value"]
            else "under-confident"
        )
        text = (
            f"The **{settings.ROLES[role]} teacher** is right on {value['accuracy']['value']:.1%} of "
            f"{value['accuracy']['n']} items and sure "
            f"by {value['confidence']:.1%} on average. Its calibration error is "
            f"{value['ece']:.3f}; chance alone gives "
            f"a calibrated one up to {value['ece_by_chance']:.3f}, so "
            + (
                f"it is {kind}. "
                if value["ece"] > value["ece_by_chance"]
                else "that error alone shows nothing. "
            )
            + f"A temperature of {value['temperature']:.2f}, fitted on one half, takes the error "
            "on the other half "
            f"from {value['ece_half']:.3f} to {value['ece_after']:.3f}"
        )
        if not 1.02 * HARDEST < value["temperature"] < 0.98 * SOFTEST:
            text += " (the end of the range that is tried: these few items do not tell)"
        if value["pairs"]:
            text += (
                f"; the same temperature takes that on {value['pairs']['n']} pairs from "
                f"{value['pairs']['ece']:.3f} to "
                f"{value['pairs']['ece_after']:.3f}"
            )
        said.append(text + ".")
    return said or [NOT_ASKED]


def judge_relabelling(found: dict[str, Any]) -> str:
    """Say what temperature scaling would change in the labels."""
    if not found:
        return NOT_ASKED
    text = (
        f"With both temperatures put right, the winner changes in {found['winners']} of the "
        f"{found['kept']} pairs kept "
        f"either way, and with it **{found['changed']} labels ({found['share']:.1%})**; "
        f"{found['dropped']} pairs fall "
        f"below the threshold and {found['rescued']} rise above it. The speech teacher wins "
        f"{found['speech_wins']:.1%} of all pairs before and {found['speech_wins_after']:.1%} "
        "after. "
    )
    if "difference" not in found:
        return (
            text
            + "Which of the two labels is the better one cannot be known here: nothing was planted."
        )
    gain = found["difference"]
    low, high = gain["low"], gain["high"]
    return text + (
        f"The planted emotion is the label in {found['right']:.1%} of them before and "
        f"{found['right_after']:.1%} after "
        f"({gain['value']:+.1%} [{low:+.1%}, {high:+.1%}]): "
        + (
            "better labels."
            if low > 0
            else "worse labels."
            if high < 0
            else "no difference can be claimed."
        )
    )


def judge_recovery(table: pd.DataFrame) -> list[str]:
    """Say how far ParallelNet repeats the teacher that decided, and whether it corrects a wrong
    label."""
    if table.empty:
        return [NOT_ASKED]
    fused = as_nested(table[table["who"] == NETWORKS["fused"].title], "rows")
    label, said = as_nested(table[table["who"] == LABEL], "rows"), []
    for name, row in fused.items():
        if not name.startswith("differ"):
            continue
        text = (
            f"Where the teachers **{name.replace(',', ' and the')}** ({row['n']} pairs), "
            "ParallelNet names the class "
            f"of the winner in {row['winner']:.1%}, of the loser in {row['loser']:.1%}, another in "
            f"{row['neither']:.1%}"
        )
        if row["truth"] is not None:
            text += f"; the planted emotion in {row['truth']:.1%}, and the label itself in {label[name]['truth']:.1%}"
        said.append(text + ".")
    if WRONG in fused:
        row = fused[WRONG]
        repeated, corrected = round(row["winner"] * row["n"]), round(row["truth"] * row["n"])
        p = stats.binomtest(repeated, repeated + corrected).pvalue if repeated + corrected else 1.0
        said.append(
            f"Where the **{WRONG}** ({row['n']} pairs), it repeats the mistake in "
            f"{row['winner']:.1%} and names the "
            f"planted emotion in {row['truth']:.1%}: "
            + (
                "too close to call."
                if p > 0.05
                else "it follows the label into the mistake more often than it finds what was planted."
                if repeated > corrected
                else "it has learned more than the labels say; the teacher who was overruled may have said it."
            )
        )
    return said


def judge_ceiling(table: pd.DataFrame) -> str:
    """Say what the labels' accuracy on the truth allows anybody to reach, and where ParallelNet
    lies."""
    everything = as_nested(table, "rows", "who").get("all")
    if everything is None or everything[LABEL]["truth"] is None:
        return "No truth is known here, so the noise of the labels, and the ceiling that it sets, cannot be measured."
    ceiling, fused = everything[LABEL]["truth"], everything[NETWORKS["fused"].title]
    least, most = max(0.0, fused["winner"] + ceiling - 1), 1 - abs(fused["winner"] - ceiling)
    return (
        f"The labels of the {fused['n']} test rows are the planted emotion in **{ceiling:.1%}**. "
        "Who repeats the "
        "labels without a mistake reaches that on the truth, and who knows the truth, that on the "
        "labels. ParallelNet, "
        f"with {fused['winner']:.1%} on the labels, can therefore be anywhere from {least:.1%} to "
        f"{most:.1%} on the "
        f"truth; it is at {fused['truth']:.1%}."
    )


def name_lacking_classes(manifest: pd.DataFrame) -> list[str]:
    """Say of each class that the data have in which parts it has no row: nothing there can be said
    of it.

    Parameters
    ----------
    manifest
        With ``label``, ``split`` and ``fold``.
    """
    parts = {"the test part": manifest["split"] == "test"}
    parts |= {f"fold {fold}": manifest["fold"] == fold for fold in range(settings.FOLDS)}
    said = []
    for name in settings.CLASSES:
        here = manifest["label"] == name
        absent = [part for part, chosen in parts.items() if not (here & chosen).any()]
        if here.any() and absent:
            said.append(
                f"**Of {here.sum()} pairs labelled {name} none is in {', '.join(absent)}.** Scores "
                "there are over the "
                "other classes."
            )
    return said


def remark_on_teachers(reports: dict[str, dict[str, Any]]) -> list[str]:
    """Return what a reader has to know of the teachers: their corpora's notes, and whether they
    learned anything."""
    if not reports:
        return ["This corpus brings its labels: no teacher is trained or asked."]
    remarks = []
    for role, report in reports.items():
        name, held = settings.ROLES[role], report["held_out"]
        remarks += [f"{name} corpus: {note}" for note in report["notes"]]
        if report["quarantined"] or report["duplicates"]:
            remarks.append(
                f"{name} corpus: {report['quarantined']} unusable and {report['duplicates']} "
                "repeated items"
            )
        if not report.get("speakers_apart", True) and report["corpus"].startswith("iemocap:"):
            remarks.append(
                f"**{name} corpus: the same speakers are learned from and judged by.** Fewer than "
                "three sessions are "
                "there; IEMOCAP has five, two speakers in each."
            )
        if held["accuracy"]["low"] <= held["majority"]:
            remarks.append(
                f"**The {name} teacher is not clearly better than always naming the largest "
                "class** "
                f"({held['accuracy']['value']:.2f} against {held['majority']:.2f}); it had "
                f"{report['rows']['train']} items to "
                "learn from. Labels that it gives carry little information, and the rest of the "
                "book has to be "
                "read with that in mind."
            )
    return remarks


def judge_learning(histories: dict[str, dict[str, Any]]) -> list[str]:
    """Return, for each network, whether it is clearly above always naming the largest class."""
    verdicts = []
    for title, history in histories.items():
        scores = history["validation"]
        clear = scores["accuracy"]["low"] > scores["majority"]
        verdicts.append(
            f"**{title}** {'is clearly above' if clear else 'is not clearly above'} always naming "
            "the largest class "
            f"({scores['accuracy']['value']:.3f} against {scores['majority']:.3f}, kappa "
            f"{scores['kappa']:.2f})"
            + ("." if clear else f", with {history['rows']['train']} rows to learn from.")
        )
    return verdicts


def judge_fusion(evaluation: dict[str, Any]) -> list[str]:
    """Say for each of the paired differences on which side its interval lies, and whether the other
    network learned."""
    said = []
    for row, (kind, name) in zip(
        results.difference_table(evaluation).to_dict("records"),
        ((kind, name) for kind, by_model in evaluation["differences"].items() for name in by_model),
        strict=True,
    ):
        verdict = "no difference can be claimed"
        if row["low"] > 0:
            verdict = "ParallelNet is ahead"
            other = evaluation["scores"][kind][name]
            if other["accuracy"]["low"] <= other["majority"]:
                verdict += (
                    " of a network that did not get clearly beyond always naming the largest "
                    "class "
                    f"({other['accuracy']['value']:.1%} against {other['majority']:.1%}): this says little "
                    "of fusion"
                )
        elif row["high"] < 0:
            verdict = "ParallelNet is behind"
        said.append(
            f"{row['comparison']}: {row['difference']:+.1%} [{row['low']:+.1%}, "
            f"{row['high']:+.1%}]: {verdict}."
        )
    return said


def _describe_teacher_ceilings(scores: dict[str, Any]) -> str:
    """Say how much of the labels each teacher alone reproduces, and when that is all there is to
    them."""
    shares = {
        role: scores[f"{role} teacher"]["accuracy"]["value"]
        for role in settings.ROLES
        if f"{role} teacher" in scores
    }
    if not shares:
        return ""
    parts = [
        f"the {settings.ROLES[role]} teacher alone reproduces {share:.1%}"
        for role, share in shares.items()
    ]
    text = f"Of the test rows' labels, {' and '.join(parts)}. "
    strongest = max(shares, key=lambda role: shares[role])
    if shares[strongest] > 0.95:
        text += (
            f"These labels are in effect the {settings.ROLES[strongest]} teacher's: the other "
            "modality has hardly a "
            "say in them, and a network that uses it cannot gain by it. "
        )
    return text


def describe_ceilings(evaluation: dict[str, Any]) -> str:
    """Say how much better anybody could have done, as far as the corpus lets that be known."""
    said = _describe_teacher_ceilings(evaluation["scores"]["labels"])
    if "truth" not in evaluation["scores"]:
        return said + (
            "This corpus brings no ground truth, so label noise cannot be measured: the accuracies "
            "above say how well "
            f"{'the opinion of the teachers' if said else 'the labels that it brought'} can be "
            "repeated, and no more."
        )
    truth = evaluation["scores"]["truth"]
    teachers = " and ".join(
        f"{truth[name]['accuracy']['value']:.1%} ({results.TITLES[name]})"
        for name in ("ser teacher", "ier teacher")
        if name in truth
    )
    return said + (
        f"The label agrees with the planted emotion in {truth['label']['accuracy']['value']:.1%} of the "
        "test rows; the teachers "
        f"alone reach {teachers}. ParallelNet reaches {truth['fused']['accuracy']['value']:.1%} on the "
        "planted emotion and "
        f"{evaluation['scores']['labels']['fused']['accuracy']['value']:.1%} on the labels."
    )


def describe_reliance(heads_found: dict[str, float], majority: float) -> str:
    """Put `heads` into words."""
    best = max(("O_sp", "O_img", "O_mul"), key=lambda name: heads_found[name])
    lost = {
        name: heads_found["all three"] - heads_found[f"{name} at zero"]
        for name in ("speech", "image")
    }
    return (
        f"The best single output is `{best}` ({heads_found[best]:.3f}); all three together reach "
        f"{heads_found['all three']:.3f}, and always naming the largest class {majority:.3f}. With "
        "silence for speech "
        f"the accuracy falls by {lost['speech']:.3f}, with a black image by {lost['image']:.3f}: "
        "this network leans "
        f"more on the {max(lost, key=lambda name: lost[name])}."
    )


def judge_respoken(table: pd.DataFrame) -> list[str]:
    """Say what another speed costs, beside what another take at the same speed costs."""
    if table.empty:
        return ["These rows are recordings: the voice cannot speak them again at another speed."]
    said = []
    for take, rows in table.groupby("take", sort=False):
        told = [
            f"{row['network']} {row['difference']:+.1%} [{row['low']:+.1%}, {row['high']:+.1%}], "
            "another answer in "
            f"{row['changed']:.1%}"
            for row in rows.to_dict("records")
        ]
        worse = rows.loc[rows["high"] < 0, "network"]
        said.append(
            f"**{str(take).capitalize()}, speed {rows['speed'].iloc[0]:g}** ({rows['n'].iloc[0]} "
            "rows): "
            + f"{'; '.join(told)}: "
            + (
                f"{' and '.join(worse)} clearly the worse for it."
                if len(worse)
                else "no clear loss."
            )
        )
    return said


def judge_noise(table: pd.DataFrame) -> list[str]:
    """Say how much noise costs the fused network, and whether it falls below the one that perceives
    none of it.

    Both are judged by their own intervals; on the same rows that takes a larger difference than
    need be.
    """
    said = []
    for modality, rows in table.groupby("modality", sort=False):
        accuracy, low, high = (
            rows.pivot(index="level", columns="network", values=of)
            for of in ("accuracy", "low", "high")
        )
        fused, clean, own = (
            NETWORKS[name].title
            for name in ("fused", OWN[settings.OTHER[str(modality)]], OWN[str(modality)])
        )
        first, last = accuracy.index[0], accuracy.index[-1]
        verdict = "the two cannot be told apart there"
        if high.loc[last, fused] < low.loc[last, clean]:
            verdict = f"better without the {modality} than with this one"
        elif low.loc[last, fused] > high.loc[last, clean]:
            verdict = "ParallelNet stays ahead of it"
        said.append(
            f"**Noise in the {modality}**: from level {first:g} to {last:g}, ParallelNet goes from "
            f"{accuracy.loc[first, fused]:.1%} to {accuracy.loc[last, fused]:.1%}, {own} from "
            f"{accuracy.loc[first, own]:.1%} to {accuracy.loc[last, own]:.1%}"
            + (
                " (the same throughout: it hardly perceives anything)"
                if accuracy[own].nunique() == 1
                else ""
            )
            + f". {clean}, which does not perceive the noise, is at "
            f"{accuracy.loc[last, clean]:.1%}: {verdict}."
        )
    return said
