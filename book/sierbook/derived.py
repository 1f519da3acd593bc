"""Result files of recorded runs as pages read them: what histories tell is derived from these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sierbook import comparisons, recorded, seeds
from sierbook.tables import studies
from sierlib.files import read_json


def read_results(place: Path) -> dict[str, dict[str, Any]]:
    """Read a profile's recorded results.

    The tables of networks of notebook 03, and the comparisons of notebook 04, are made from the
    recorded histories; where the profile has none, from those of the run that stands in beside it.

    Parameters
    ----------
    place
        ``book/recorded/<profile>``.

    Returns
    -------
    dict
        Result files by notebook; a notebook that was not recorded is absent.
    """
    results = {path.stem: read_json(path) for path in sorted(place.glob("[0-9]*.json"))}
    histories = list(recorded.read_histories(place).values())
    stand_in = place.with_name(recorded.STAND_IN)
    others = [] if place == stand_in else list(recorded.read_histories(stand_in).values())

    if ablation := results.get("03-ablation"):
        ablation["studies"] = studies.merge(histories, others)
        ablation["stand_in"] = studies.merge([], others)
    if evaluation := results.get("04-results"):
        found = comparisons.compare_recorded(place)
        if others:
            made = evaluation["provenance"]
            found = comparisons.compare_stand_in(stand_in, made) | found
        evaluation["comparisons"] = comparisons.sort_entries(found)
        of_seeds = (read_json(place / seeds.FILE) or {}).get("seeds", {})
        evaluation["seeds"] = seeds.summarise_seeds(of_seeds)

    # Networks of more than one machine are equal on none.
    if any(history["provenance"].get("adopted") for history in histories):
        for name in {"03-ablation", "04-results"} & set(results):
            results[name]["provenance"]["adopted"] = True
    return results
