"""Sentences about results, chosen by their numbers; notebooks show them below their tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from sierbook import numbers, privacy
from sierbook.claims import Claim, Finding
from sierbook.records import as_records
from sierbook.tables import studies
from sierlib import settings
from sierlib.experiment.models import NETWORKS
from sierlib.experiment.scores import Estimate
from sierlib.run import Run


def bullets(sentences: Iterable[str]) -> str:
    """Return sentences as a list in Markdown."""
    return "\n".join(f"* {sentence}" for sentence in sentences)


def count(number: int, noun: str, more: str = "", key: numbers.Key | None = None) -> str:
    """Write how many there are of something: "no row", "1 row", "2 rows"; with its key.

    Examples
    --------
    >>> count(0, "row"), count(1, "row falls", "rows fall"), count(1200, "row")
    ('no row', '1 row falls', '1,200 rows')
    """
    named = noun if number < 2 else more or f"{noun}s"
    if not number:
        return f"no {named}"
    written = f"{number:,}" if key is None else numbers.write(number, ",", *key)
    return f"{written} {named}"


def describe_shown(run: Run) -> str:
    """Say what pages show of a run's pairs, see `sierbook.privacy`.

    Raises
    ------
    ValueError
        When `SIER_SHOW` asks for something that there is not.
    """
    if ":" not in run.data:  # generated
        return "All of the corpus is shown: it was made for this book and is nobody's."
    asked = os.environ.get("SIER_SHOW", "")
    if not set(filter(None, asked.split(","))) <= set(privacy.CHOICES):
        raise ValueError(
            f"SIER_SHOW={asked}: names, photographs, or both joined by a comma were expected"
        )
    names = "shown" if privacy.is_wished("names") else "masked"
    photographs = "shown" if privacy.is_wished("photographs") else "shown as mosaics"
    advice = " SIER_SHOW asks for that: keep this build to yourself." if asked else ""
    return (
        f"User names, links and long numbers of this corpus are {names}, and photographs are "
        f"{photographs}.{advice}"
    )


def write_signed(found: Estimate, key: numbers.Key) -> str:
    """Write a difference of two shares with its interval, in percentage points, with their keys."""
    return numbers.write_estimate(found, "points", key)


def choose_words(found: Estimate, above: str, below: str, neither: str) -> str:
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
        remarks += _remark_on_teacher(role, report)
    return remarks


def _remark_on_teacher(role: str, report: dict[str, Any]) -> list[str]:
    name, held, key = settings.ROLES[role], report["held_out"], numbers.key_of_teacher("", role)

    def quote(value: float, spec: str, quantity: str) -> str:
        return numbers.write(value, spec, *numbers.key_of_column(key, quantity))

    remarks = [f"{name} corpus: {note}" for note in report["notes"]]
    if report["quarantined"] or report["duplicates"]:
        unusable, repeated = (
            quote(report[quantity], ",", quantity) for quantity in ("quarantined", "duplicates")
        )
        remarks.append(f"{name} corpus: {unusable} unusable and {repeated} repeated items.")
    if not report.get("speakers_apart", True) and report["corpus"].startswith("iemocap:"):
        remarks.append(
            f"**{name} corpus: the same speakers are learned from and judged by.** Fewer than "
            "three sessions are there; IEMOCAP has five, two speakers in each."
        )
    if held["accuracy"]["low"] <= held["majority"]:
        reached = quote(held["accuracy"]["value"], ".2f", "accuracy")
        largest = quote(held["majority"], ".2f", "majority")
        learned = quote(report["rows"]["train"], ",", "rows learned from")
        remarks.append(
            f"**The {name} teacher is not clearly better than always naming the largest class** "
            f"({reached} against {largest}); it had {learned} items to learn from. Labels that it "
            "gives carry little "
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
            count = numbers.write(
                int(labelled.sum()), ",", "pairs", "", f"usable, {name}, All", "", numbers.THIS_RUN
            )
            sentences.append(
                f"**Of {count} pairs labelled {name} none is in {', '.join(absent)}.** "
                "Scores there are over the other classes."
            )
    return sentences


# ----------------------------------------------------------------------- 02, 03: what was trained
def judge_learning(histories: Mapping[str, dict[str, Any]]) -> list[str]:
    """Say for each network, by title, whether it is above always naming the largest class."""
    sentences, names = [], {spec.title: name for name, spec in NETWORKS.items()}
    for title, history in histories.items():
        scores = history["validation"]
        run = numbers.origin(history) if "origin" in history else numbers.THIS_RUN
        key = ("validation", "labels", run)
        name = names.get(title, title)
        reached = numbers.write(scores["accuracy"]["value"], ".3f", "accuracy", name, *key)
        largest = numbers.write(scores["majority"], ".3f", "largest class", name, *key)
        kappa = numbers.write(scores["kappa"], ".2f", "kappa", name, *key)
        origin = "" if run == numbers.THIS_RUN else " (recorded)"
        verdict, end = "is clearly above", "."
        if scores["accuracy"]["low"] <= scores["majority"]:
            verdict = "is not clearly above"
            rows = numbers.write(
                history["rows"]["train"], ",", "rows learned from", name, "", "", run
            )
            end = f", with {rows} rows to learn from."
        sentences.append(
            f"**{title}**{origin} {verdict} always naming the largest class "
            f"({reached} against {largest}, kappa {kappa}){end}"
        )
    return sentences


def describe_origins(
    entries: Mapping[str, studies.Entry], left_out: Mapping[str, str] | None = None
) -> str:
    """Say what of the tables was trained in this run, where the rest comes from, what is left out
    (`studies.omitted`)."""
    recorded = [entry for entry in entries.values() if entry["origin"] == "recorded"]
    absent = [f"`{name}`" for name in NETWORKS if name not in entries]
    every, trained, others, missing = (
        numbers.write(count, "d", "networks", "", part, "")
        for part, count in (
            ("all", len(NETWORKS)),
            ("this run", len(entries) - len(recorded)),
            ("recorded", len(recorded)),
            ("not trained", len(absent)),
        )
    )
    sentences = [f"**Of {every} networks, {trained} were trained in this run.**"]
    if recorded:
        runs = {f"profile `{e['profile']}`, {e['data']}, {e['date']}" for e in recorded}
        sentences.append(
            f"Of {others} others the tables show recorded values ({'; '.join(sorted(runs))})."
        )
    if absent:
        sentences.append(f"{missing} have not been trained anywhere yet: {', '.join(absent)}.")
    if left_out:
        sentences.append(f"Left out: {'; '.join(dict.fromkeys(left_out.values()))}.")
    return " ".join(sentences)


def judge_curve(gains: pd.DataFrame) -> list[str]:
    """Say from how many pairs on fusion is clearly ahead of the better half (`gains_by_pairs`)."""
    sentences = []
    for against, part in gains.groupby("against") if len(gains) else ():
        steps = []
        for row in as_records(part):
            key = numbers.Key(
                f"lead from {row['pairs']} pairs", f"fused - {row['half']}", "test", str(against)
            )
            steps.append(f"{row['pairs']:,} pairs {write_signed(row, key)} over {row['half']}")
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
