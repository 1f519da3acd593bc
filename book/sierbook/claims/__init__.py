"""The claims ledger: what the paper says, what came out here, and whether the one bears out the
other.

Only the published side is typed, each with its section; every value of ours is read from result
files as `sierlib.runs` writes them. Nothing here loads TensorFlow, so that the page builds without
it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sierbook.claims.findings import (
    DASH,
    NAMES,
    NOT_COMPUTED,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    REPRODUCED,
    VERDICTS,
    Difference,
    Finding,
    corpus,
)
from sierbook.claims.order import FEWEST
from sierbook.claims.reading import Missing, Results, Untestable, find
from sierbook.claims.table import CLAIMS, GROUPS, PAPER_OTHERS, Claim
from sierbook.claims.values import LOW_KAPPA, PAPER_EPOCHS, ROUNDING

__all__ = [
    "CLAIMS", "DASH", "FEWEST", "GROUPS", "LOW_KAPPA", "NAMES", "NOT_COMPUTED", "NOT_REPRODUCED", "NOT_TESTABLE",
    "PAPER_EPOCHS", "PAPER_OTHERS", "REPRODUCED", "ROUNDING", "VERDICTS", "Claim", "Difference", "Finding", "Missing",
    "Results", "Untestable", "corpus", "counts", "ledger", "origins",
]  # fmt: skip


def _judge(claim: Claim, results: Results) -> Finding:
    """Judge a claim, or say which notebook has to run; profile smoke is never taken for evidence of
    learning."""
    try:
        found = claim.judge(results)
    except Untestable as error:
        return Finding(DASH, NOT_TESTABLE, str(error))
    except Missing:
        number = claim.notebook[:2]
        what = ", in a profile that trains the networks it needs" if number in ("03", "04") else ""
        return Finding(DASH, NOT_COMPUTED, f"run notebook {number}{what}")
    if claim.trained and found.made.get("profile") == "smoke" and found.verdict in VERDICTS[:2]:
        return Finding(
            found.ours, NOT_TESTABLE, "profile smoke shows that steps run, and no more", found.made
        )
    return found


def _of_paper(results: Results, recorded: Mapping[str, Results]) -> dict[str, Any]:
    """Return the result files of runs with profile paper, this build's before recorded ones, and no
    others."""
    files = [*recorded.get("paper", {}).items(), *results.items()]
    return {name: file for name, file in files if find(file, "provenance", "profile") == "paper"}


def ledger(results: Results, recorded: Mapping[str, Results]) -> list[dict[str, Any]]:
    """Return a row for each claim.

    What this build's results lack is taken from a recorded run, `full` before `quick`, and the row
    says so. Where the recorded `full` run comes to the opposite verdict, the reason says that too.

    Parameters
    ----------
    results
        This build's result files by notebook.
    recorded
        Recorded result files by profile, then by notebook.

    Returns
    -------
    list of dict
        ``group``, ``where``, ``claim``, ``published``; ``ours`` with its 95 % interval;
        ``verdict``, ``reason``; ``profile``, ``data``, ``date`` and ``recorded`` of the run behind
        the value, None where there is none; ``paper``, value and verdict of a run with profile
        paper, else ""; ``notebook``, ``heading``.
    """
    sources = [results, *(recorded[name] for name in ("full", "quick") if recorded.get(name))]
    of_paper, rows = _of_paper(results, recorded), []
    for claim in CLAIMS:
        found = [_judge(claim, source) for source in sources]
        computed = [each for each in found if each.verdict != NOT_COMPUTED]
        chosen = next((each for each in computed if each.ours != DASH), (computed or found)[0])
        larger = found[1] if recorded.get("full") else chosen
        otherwise = ""
        if {chosen.verdict, larger.verdict} == set(VERDICTS[:2]):
            otherwise = f"; recorded with profile full: {larger.ours}: {larger.verdict}"
        theirs = _judge(claim, of_paper) if of_paper else Finding("", NOT_COMPUTED, "")
        filled = theirs.made.get("profile") == "paper" and theirs.verdict != NOT_COMPUTED
        rows.append(
            {
                "group": claim.group,
                "where": claim.where,
                "claim": claim.text,
                "published": claim.published,
            }
            | {"ours": chosen.ours, "verdict": chosen.verdict, "reason": chosen.reason + otherwise}
            | {key: chosen.made.get(key) for key in ("profile", "data", "date", "recorded")}
            | {"paper": f"{theirs.ours}: {theirs.verdict}" if filled else ""}
            | {"notebook": claim.notebook, "heading": claim.heading}
        )
    return rows


def origins(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say in one sentence with which profile, on which corpus and when the rows' values were
    made."""
    made = Counter(
        (row["profile"], corpus(row["data"]), row["recorded"], str(row["date"] or "no date"))
        for row in rows
        if row["profile"]
    )
    if not made:
        return (
            "Nothing has been computed yet: no notebook has left results that this page could read."
        )
    told = []
    for (profile, data, earlier, date), count in made.most_common():
        when = "recorded in an earlier run" if earlier else "results of this build"
        told.append(f"profile {profile}, {data}, {when} ({date}; {count} of {len(rows)} rows)")
    empty = sum(not row["profile"] for row in rows)
    sentence = "; ".join([*told, f"{empty} rows have no value"] if empty else told)
    return sentence[0].upper() + sentence[1:] + "."


def counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many rows have each verdict, in the order of `VERDICTS`."""
    found = Counter(row["verdict"] for row in rows)
    return {verdict: found[verdict] for verdict in VERDICTS}
