"""What another speed and another voice do to the networks, in words (notebook 07)."""

from __future__ import annotations

import pandas as pd

from sierbook.numbers import THIS_RUN, Key, write
from sierbook.records import as_records
from sierbook.sentences import choose_words, count, write_signed


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
        key = Key("n", "", f"{take}", "labels")
        speed, rows_spoken = rows["speed"].iloc[0], count(int(rows["n"].iloc[0]), "row", key=key)
        sentences.append(
            f"**{str(take).capitalize()}, speed {speed:g}** ({rows_spoken}): {verdict}."
        )
    return sentences


def judge_voices(table: pd.DataFrame, run: str = THIS_RUN) -> list[str]:
    """Say what another voice costs networks that never heard it, and one that did
    (`compare_voices`); of which run the numbers are."""
    sentences = []
    for row in as_records(table):
        key = Key("accuracy", row["network"], row["change"], "labels", run)
        before = write(row["before"], ".1%", *key._replace(quantity="accuracy before"))
        after = write(row["accuracy"], ".1%", *key)
        found = row | {"value": row["difference"]}
        change = write_signed(found, key._replace(quantity="lead"))
        verdict = choose_words(found, "clearly better", "clearly worse", "no clear change")
        rows = count(int(row["n"]), "row", key=key._replace(quantity="n"))
        sentences.append(
            f"**{row['network']}, {row['change']}** ({rows}): {before} becomes {after}, {change}: "
            f"{verdict}."
        )
    return sentences
