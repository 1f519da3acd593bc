"""The claims ledger: what the paper says, what came out here, and whether the one bears out the
other.

Only the published side is typed, each with its section; every value of ours is read from result
files as `sierlib.run` writes them. Importing this loads no TensorFlow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sierbook.claims.findings import (
    DASH,
    KINDS,
    NOT_COMPUTED,
    NOT_IN_CORPUS,
    NOT_IN_PROFILE,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    REPRODUCED,
    VERDICTS,
    Finding,
    untestable,
)
from sierbook.claims.reading import Missing, Results, Untestable, find
from sierbook.claims.table import CLAIMS, GROUPS, Claim
from sierlib.run import name_corpus

__all__ = [
    "CLAIMS",
    "GROUPS",
    "KINDS",
    "VERDICTS",
    "Claim",
    "Finding",
    "counts",
    "judge_learning",
    "ledger",
    "origins",
]


def _judge(claim: Claim, results: Results) -> Finding:
    """Judge a claim, or say which notebook has to run; profile smoke is never taken for evidence of
    learning."""
    try:
        found = claim.judge(results)
    except Untestable as error:
        return untestable(DASH, NOT_IN_CORPUS, str(error))
    except Missing:
        number = claim.notebook[:2]
        reason = f"run notebook {number}"
        if number in ("03", "04"):
            reason += ", in a profile that trains the networks it needs"
        return Finding(DASH, NOT_COMPUTED, reason)
    decided = found.verdict in (REPRODUCED, NOT_REPRODUCED)
    if claim.trained and decided and found.made.get("profile") == "smoke":
        reason = "profile smoke shows that steps run, and no more"
        return replace(found, verdict=NOT_TESTABLE, reason=reason, kind=NOT_IN_PROFILE)
    return found


def judge_learning(results: Results) -> dict[Claim, Finding]:
    """Judge the paper's remarks on how networks learn (Sections 4.2, 4.3 and 5.4).

    Parameters
    ----------
    results
        Result files by notebook, or what is going to be in them.
    """
    return {claim: _judge(claim, results) for claim in CLAIMS if claim.learning}


def _select_paper_files(results: Results, recorded: Mapping[str, Results]) -> dict[str, Any]:
    """Return the result files of runs with profile paper, this build's before recorded ones, and no
    others."""
    files = [*recorded.get("paper", {}).items(), *results.items()]
    return {name: file for name, file in files if find(file, "provenance", "profile") == "paper"}


def ledger(results: Results, recorded: Mapping[str, Results]) -> list[dict[str, Any]]:
    """Return a row for each claim.

    What this build's results lack is taken from a recorded run, `full` before `quick`, and the row
    says so. So is what this build knows of a single training only and a recorded run on the same
    corpus of several; the single one then stands beside. Where the recorded `full` run comes to the
    opposite verdict all the same, the reason says that too.

    Parameters
    ----------
    results
        This build's result files by notebook.
    recorded
        Recorded result files by profile, then by notebook.

    Returns
    -------
    list of dict
        ``group``, ``where``, ``claim``, ``published``; ``ours`` with its 95 % interval and
        its numbers' keys, and ``single``, what a single training of this build shows beside, else
        ""; ``verdict``, ``kind`` (one of `KINDS`, where not testable), ``constructed`` (whether it
        is reproduced by construction), ``reason``; ``deviation`` in points, None without
        a published number; ``profile``, ``data``, ``date`` and ``recorded`` of the run behind the
        value, None where there is none; ``paper``, value and verdict of a run with profile paper,
        else ""; ``notebook``, ``heading``.
    """
    sources = {"this build": results}
    for name in ("full", "quick"):
        if recorded.get(name):
            sources[name] = recorded[name]
    paper = _select_paper_files(results, recorded)
    rows = []
    for claim in CLAIMS:
        found = {name: _judge(claim, source) for name, source in sources.items()}
        chosen, single = _prefer_several(list(found.values()))
        reason = chosen.reason
        full = found.get("full", chosen)
        if {chosen.verdict, full.verdict} == {REPRODUCED, NOT_REPRODUCED}:
            reason += f"; recorded with profile full: {full.ours}: {full.verdict}"
        row: dict[str, Any] = {
            "group": claim.group,
            "where": claim.where,
            "claim": claim.text,
            "published": claim.published,
            "ours": chosen.ours,
            "single": single,
            "verdict": chosen.verdict,
            "kind": chosen.kind,
            "constructed": claim.constructed and chosen.verdict == REPRODUCED,
            "reason": reason,
            "deviation": None if chosen.deviation is None else 100 * chosen.deviation,
            "paper": _write_paper_column(claim, paper),
            "notebook": claim.notebook,
            "heading": claim.heading,
        }
        for key in ("profile", "data", "date", "recorded"):
            row[key] = chosen.made.get(key)
        rows.append(row)
    return rows


def _choose(found: Sequence[Finding]) -> Finding:
    """Return the first finding with a value, else the first that is known, else the first."""
    known = [each for each in found if each.verdict != NOT_COMPUTED]
    valued = [each for each in known if each.ours != DASH]
    return (valued or known or list(found))[0]


def _prefer_several(found: Sequence[Finding]) -> tuple[Finding, str]:
    """Return what `_choose` does, or a finding of several trainings on the same corpus where that
    is of a single one, which is then told in words."""
    chosen = _choose(found)
    for each in found:
        same = each.made.get("data") == chosen.made.get("data")
        if chosen.trainings == 1 and each.trainings > 1 and same:
            whose = "recorded" if chosen.made.get("recorded") else "of this build"
            told = f"a single training {whose}, profile {chosen.made['profile']}: {chosen.ours}"
            return each, f"{told}: {chosen.verdict}"
    return chosen, ""


def _write_paper_column(claim: Claim, paper: Results) -> str:
    """Write value and verdict of a run with profile paper, or nothing."""
    if not paper:
        return ""
    found = _judge(claim, paper)
    if found.made.get("profile") != "paper" or found.verdict == NOT_COMPUTED:
        return ""
    return f"{found.ours}: {found.verdict}"


def origins(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say in one sentence with which profile, on which corpus and when the rows' values were
    made."""
    made = Counter(
        (row["profile"], name_corpus(row["data"]), row["recorded"], str(row["date"] or "no date"))
        for row in rows
        if row["profile"]
    )
    if not made:
        return (
            "Nothing has been computed yet: no notebook has left results that this page could read."
        )
    parts = []
    for (profile, data, earlier, date), count in made.most_common():
        when = "recorded in an earlier run" if earlier else "results of this build"
        parts.append(f"profile {profile}, {data}, {when} ({date}; {count} of {len(rows)} rows)")
    empty = len(rows) - made.total()
    if empty:
        parts.append(f"{empty} rows have no value")
    sentence = "; ".join(parts)
    return sentence[0].upper() + sentence[1:] + "."


def count_kinds(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many rows are not testable for each of `KINDS`, those that occur."""
    found = Counter(row["kind"] for row in rows if row["verdict"] == NOT_TESTABLE)
    return {kind: found[kind] for kind in KINDS if found[kind]}


def counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many rows have each verdict, in the order of `VERDICTS`."""
    found = Counter(row["verdict"] for row in rows)
    return {verdict: found[verdict] for verdict in VERDICTS}
