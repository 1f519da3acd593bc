"""The tables and sentences of notebook 09."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML

from sierbook import numbers
from sierbook.numbers import Key, write, write_estimate
from sierbook.sentences import write_signed
from sierbook.tables.shown import as_text, show
from sierlib.shapley.interactions import Interactions

#: Shares of interaction: of the probability of the class, and of its log-odds.
SHARES = ("share", "share of log-odds")

#: How the models are called that are known.
_ORACLES = {"jointly": "known: jointly", "side by side": "known: side by side"}

Results = Mapping[str, Any]


def _origin_of(together: Results) -> str:
    return numbers.origin({"origin": "recorded", **together["provenance"]})


def tabulate_shares(found: Results, oracles: Results, together: Results) -> pd.DataFrame:
    """Return the shares of interaction, estimates: a row for each model, and of ParallelNet for
    each relation of what was planted; `attrs["about"]` has their keys.

    Parameters
    ----------
    found, oracles
        As `interplay.study_network` and `study_oracles` give them.
    together
        As `recorded.read_together` gives it.
    """
    rows, keys = [], []
    for name, each in oracles.items():
        rows.append({"name": _ORACLES[name], "share": each["share"], SHARES[1]: None})
        keys.append(Key("", name, "explained", "score"))
    for relation, each in found["shares"].items():
        if relation != "unknown":
            rows.append({"name": f"ParallelNet, {relation}", **_pick(each)})
            keys.append(Key("", "fused", f"test, {relation}", "score"))
    for name, each in together.get("networks", {}).items():
        if "shares" in each:
            rows.append(
                {"name": f"{each['title']}, trained on together", **_pick(each["shares"]["all"])}
            )
            keys.append(Key("", name, "test, together", "score", _origin_of(together)))
    table = pd.DataFrame(rows)
    table.attrs["about"] = keys
    return table


def _pick(each: Results) -> dict[str, Any]:
    return {name: each[name] for name in SHARES}


def tabulate_pointing(found: Results, oracles: Results, together: Results) -> pd.DataFrame:
    """Return how the second-order pointing game went: `hit`, `word` and `region` as estimates, and
    `chance` of a hit; empty where nothing was planted."""
    games = [("ParallelNet", Key("", "fused", "explained", "truth"), found["pointing"])]
    if "jointly" in oracles:
        games.insert(
            0, (_ORACLES["jointly"], Key("", "jointly", "explained", "truth"), oracles["jointly"])
        )
    for name, each in together.get("networks", {}).items():
        title = f"{each['title']}, trained on together"
        key = Key("", name, "explained, together", "truth", _origin_of(together))
        games.append((title, key, each.get("pointing", {})))
    games = [game for game in games if game[2]]
    columns = ("hit", "word", "region", "chance")
    rows = [{name: game.get(name) for name in columns} for _, _, game in games]
    table = pd.DataFrame(rows, [title for title, _, _ in games], columns)
    table.attrs["about"] = [key for _, key, _ in games]
    return table


def tabulate_following(found: Results) -> pd.DataFrame:
    """Return the class's mean score while pairs are removed, or alone are there, by ranking."""
    table = pd.DataFrame(found["following"]).T
    table.attrs["about"] = [
        Key("", f"fused, by {name}", "explained", "score") for name in table.index
    ]
    return table


def name_pairs(found: Interactions, words: Sequence[Any], sample: str, count: int = 3) -> list[str]:
    """Say what the strongest pairs of a sample are: which word with which region."""
    order = np.argsort(-np.abs(found.values), axis=None)[:count]
    said = []
    for word, row, column in zip(*np.unravel_index(order, found.values.shape), strict=True):
        where = f"row {row + 1}, column {column + 1}"
        part = f"{sample}, word {word + 1}, {where}"
        value = float(found.values[word, row, column])
        side = "for" if value > 0 else "against"
        shown = write(value, "+.3f", "interaction", "fused", part, "score")
        error = ""
        if found.stderr is not None:
            stderr = float(found.stderr[word, row, column])
            error = f" ± {write(stderr, '.3f', 'standard error', 'fused', part, 'score')}"
        said.append(
            f"“{as_text(words[word].text)}” with {where}: {shown}{error}, {side} the class."
        )
    return said


def show_together(together: Results) -> Any:
    """Show how networks did on pairs that speak together, or say that nothing was recorded."""
    if not together:
        return HTML("<p>The study of these pairs has not been recorded.</p>")
    run, rows, keys = _origin_of(together), [], []
    for name, each in together["networks"].items():
        share = each.get("shares", {}).get("all", {})
        rows.append({"accuracy": each["accuracy"], **{key: share.get(key) for key in SHARES}})
        keys.append(Key("", name, "test, together", "labels", run))
    titles = [each["title"] for each in together["networks"].values()]
    table = pd.DataFrame(rows, pd.Index(titles, name="network"))
    formats = {"accuracy": "{:.1%}", **dict.fromkeys(SHARES, "{:z.2f}")}
    counts = together["rows"]
    caption = f"{run[0].upper()}{run[1:]}; {counts['train']:,} pairs to learn from."
    styled = show(table, formats, keys).set_caption(caption)
    return styled.set_table_attributes('class="origin recorded"')


def judge_together(together: Results) -> list[str]:
    """Say what the study of pairs that only speak together came to."""
    if not together:
        return []
    run, networks = _origin_of(together), together["networks"]
    majority = together["majority"]
    largest = write(majority, "percent", "largest class", "", "test, together", "labels", run)
    said = []
    for name, each in networks.items():
        key = Key("accuracy", name, "test, together", "labels", run)
        verdict = "clearly above" if each["accuracy"]["low"] > majority else "not clearly above"
        reached = write_estimate(each["accuracy"], "percent", key)
        said.append(
            f"**{each['title']}** is right on {reached}, {verdict} the largest class ({largest})."
        )
    if lead := together.get("lead"):
        key = Key("lead", "fused - addition", "test, together", "labels", run)
        said.append(f"Multiplication less addition in Eq. 1: {write_signed(lead, key)}.")
    return said


def judge_estimators(errors: pd.DataFrame) -> list[str]:
    """Say which estimator comes closest at each budget's end, game by game and target by target."""
    said = []
    for (game, target), rows in errors.groupby(["game", "target"], sort=False):
        most = rows["budget"].max()
        last = rows[rows["budget"] == most].set_index("estimator")["error"]
        order = last.sort_values(kind="stable")
        part = f"{game}, {most}"
        parts = []
        for name, value in order.items():
            key = Key("mean error", str(name), part, "all evaluations")
            parts.append(f"`{name}` {write(float(value), '.1%', *key)}")
        said.append(
            f"*{game}*, {target} values, {most:,} evaluations: {', '.join(parts)} of the largest "
            "value."
        )
    return said
