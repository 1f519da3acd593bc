"""The tables of notebook 09."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from IPython.display import HTML

from sierbook import numbers
from sierbook.numbers import Key
from sierbook.tables.shown import show

#: Shares of interaction: of the probability of the class, and of its log-odds.
SHARES = ("share", "share of log-odds")

#: How the models are called that are known.
_ORACLES = {"jointly": "known: jointly", "side by side": "known: side by side"}

Results = Mapping[str, Any]


def origin_of(together: Results) -> str:
    """Say where the recorded study of pairs that speak together is from."""
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
    asked = [("ParallelNet", Key("", "fused", "", "score"), found)]
    for name, each in together.get("before", {}).items():
        asked.append((each["title"], Key("", name, "", "score", origin_of(together)), each))
    for title, key, studied in asked:
        for relation, each in studied["shares"].items():
            if relation != "unknown":
                rows.append({"name": f"{title}, {relation}", **_pick(each)})
                keys.append(key._replace(part=f"test, {relation}"))
    for name, each in together.get("networks", {}).items():
        if "shares" in each:
            rows.append(
                {"name": f"{each['title']}, trained on together", **_pick(each["shares"]["all"])}
            )
            keys.append(Key("", name, "test, together", "score", origin_of(together)))
    table = pd.DataFrame(rows).set_index("name").rename_axis("model")
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
    for name, each in together.get("before", {}).items():
        key = Key("", name, "explained", "truth", origin_of(together))
        games.append((each["title"], key, each["pointing"]))
    for name, each in together.get("networks", {}).items():
        title = f"{each['title']}, trained on together"
        key = Key("", name, "explained, together", "truth", origin_of(together))
        games.append((title, key, each.get("pointing", {})))
    games = [game for game in games if game[2]]
    columns = ("hit", "word", "region", "chance")
    titles, keys, found_by = zip(*games, strict=True) if games else ((), (), ())
    table = pd.DataFrame(list(found_by), pd.Index(titles, name="model"), columns)
    table.attrs["about"] = list(keys)
    return table


def tabulate_following(found: Results) -> pd.DataFrame:
    """Return the class's mean score while pairs are removed, or alone are there, by ranking."""
    table = pd.DataFrame(found["following"]).T
    table.attrs["about"] = [
        Key("", f"fused, by {name}", "explained", "score") for name in table.index
    ]
    return table


def show_together(together: Results) -> Any:
    """Show how networks did on pairs that speak together, or say that nothing was recorded."""
    if not together:
        return HTML("<p>The study of these pairs has not been recorded.</p>")
    run, rows, keys = origin_of(together), [], []
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
