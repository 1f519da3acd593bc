"""What is pre-training worth on real photographs, and a second voice? A study, recorded.

    python -m benchmarks.transfer --bt4sa PATH --tweets FILE.tsv --fi PATH --pairs FILE.csv

Pairs are learned twice: those of a corpus in B-T4SA's layout, labelled by two teachers, and those
of a table, which people have labelled. Teachers of these corpora and of the embedded one are asked
about each other's. The second voice speaks the embedded corpus. Each part is written to
``book/recorded/transfer.json`` as it ends; ``--only`` names some.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sierbook import second_voice, transfer
from sierbook.audit.inputs import Trial
from sierbook.audit.voices import compare_voices
from sierbook.recorded import RECORDED, TRANSFER, read_transfer
from sierlib import settings
from sierlib.experiment.labels import build_dataset
from sierlib.experiment.models import HALVES
from sierlib.experiment.train import train_all
from sierlib.files import write_json
from sierlib.networks.pretrained import find_weights
from sierlib.run import Run, name_corpus

PROFILE = "pretrained"


def stamp(run: Run) -> dict[str, Any]:
    """Return what made a run's results, but not where its corpora lie."""
    made = run.provenance()
    return made | {role: name_corpus(made[role]) for role in ("data", *settings.ROLES)}


class Study:
    """The runs of the study; each is opened where a part asks for it."""

    def __init__(self, bt4sa: str, tweets: str, fi: str, pairs: str, beside: str) -> None:
        self.bt4sa, self.ser, self.ier = f"bt4sa:{bt4sa}", f"tweets:{tweets}", f"fi:{fi}"
        self.labelled, self.beside = f"pairs:{pairs}", beside

    def open_pairs(self) -> Run:
        """Open a run on pairs that two teachers label."""
        return Run.open(PROFILE, self.bt4sa, self.ser, self.ier)

    def score_pairs(self) -> dict[str, Any]:
        """Compare pre-training on pairs that two teachers label."""
        return self._score(self.open_pairs())

    def score_labelled(self) -> dict[str, Any]:
        """Compare pre-training on pairs that people have labelled."""
        return self._score(Run.open(PROFILE, self.labelled, self.ser, self.ier))

    def _score(self, run: Run) -> dict[str, Any]:
        build_dataset(run)
        return {**transfer.score_cells(run), "provenance": stamp(run)}

    def score_teachers(self) -> dict[str, Any]:
        """Compare teachers with and without pre-training, and ask them about other corpora."""
        runs = {
            "from random weights": Run.open(self.beside, self.bt4sa, self.ser, self.ier),
            "pre-trained": self.open_pairs(),
        }
        corpora = {"real": runs["pre-trained"], "embedded": Run.open(self.beside)}
        return {
            "own": {name: transfer.score_teachers(run) for name, run in runs.items()},
            "across": transfer.ask_across(corpora),
            "provenance": stamp(corpora["real"]),
        }

    def compare_voices(self) -> dict[str, Any]:
        """Let the second voice speak the embedded corpus."""
        run = Run.open(self.beside)
        build_dataset(run)
        train_all(run, HALVES.values())
        rows = compare_voices(Trial(run)).to_dict("records")
        return {"rows": rows, "provenance": stamp(run)}


def main() -> None:
    """Compute the parts that are asked for, and record each as it ends."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bt4sa", required=True, help="a folder in B-T4SA's layout")
    parser.add_argument("--tweets", required=True, help="labelled tweets, for the speech teacher")
    parser.add_argument("--fi", required=True, help="a folder in FI's layout")
    parser.add_argument("--pairs", required=True, help="a table of labelled pairs")
    parser.add_argument("--beside", default="quick", help="profile of what is not pre-trained")
    parser.add_argument("--only", nargs="*", default=(), help="parts, by name")
    asked = parser.parse_args()
    places = (asked.bt4sa, asked.tweets, asked.fi, asked.pairs)
    study = Study(*(str(Path(path).resolve()) for path in places), asked.beside)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "pairs": study.score_pairs,
        "labelled": study.score_labelled,
        "teachers": study.score_teachers,
        "voices": study.compare_voices,
    }
    unknown = set(asked.only) - set(parts)
    if unknown:
        parser.error(f"--only: choose of {', '.join(parts)}")
    wanted = asked.only or list(parts)
    if "voices" in wanted:
        find_weights(second_voice.JOE)  # before hours of other parts
    for name in wanted:
        part = parts[name]()
        # Read only now: another process may have written another part meanwhile.
        write_json(RECORDED / TRANSFER, read_transfer() | {name: part})
        print(name, "recorded", flush=True)


if __name__ == "__main__":
    main()
