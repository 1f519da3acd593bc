"""What a careful reader asks of the inputs: shortcuts through them, and partners exchanged.

Everything here is measured on what a run already has; no network is trained. Tables are data frames, and the
sentences below them are written by their numbers.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sierlib import (
    dataset,
    encoding,
    metrics,
    rules,
    scrutiny,
    settings,
    training,
    verdicts,
)
from sierlib.evaluation import MODALITIES
from sierlib.runs import Run

Array = NDArray[Any]


# ---------------------------------------------------------------------------------------- shortcuts
def split_leak(manifest: pd.DataFrame, seed: int = 0, repeats: int = 3) -> dict[str, Any]:
    """Ask what a random split would have let through that a split by text does not.

    A stand-in that reads (word counts and a logistic regression) is trained on two thirds of the rows and predicts the
    labels of the last third, three times over, so that each row is predicted under both ways of splitting.

    Parameters
    ----------
    repeats
        How often all rows are split anew: where few rows share a text, the luck of the split is larger than the leak.

    Returns
    -------
    dict
        ``rows`` with a text; ``repeated``: how many have it in common with another row; ``random`` and ``by_text``:
        accuracies; ``on_repeated``, None where there are none: ``shared``, how often such a row's text was trained on
        after a random split, both accuracies, and their ``difference`` with ``low`` and ``high`` (95 %, bootstrap over
        texts). Empty where rows are recordings without a text.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    from sklearn.pipeline import make_pipeline

    spoken = manifest[~manifest["text"].str.startswith("[recording ")]
    if len(spoken) < 3 * len(settings.CLASSES) or spoken["label"].nunique() < 2:
        return {}
    texts, labels, groups = (spoken[name].to_numpy() for name in ("text", "label", "group"))
    table = pd.DataFrame({"group": groups, "random": 0.0, "by_text": 0.0, "shared": 0.0})
    for repeat in range(repeats):
        for name, splitter in (("random", StratifiedKFold), ("by_text", StratifiedGroupKFold)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a class may be thin, and groups are not for both
                parts = list(splitter(3, shuffle=True, random_state=seed + repeat).split(texts, labels, groups))
            for train, test in parts:
                reader = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=1000))
                right = reader.fit(texts[train], labels[train]).predict(texts[test]) == labels[test]
                table.loc[test, name] += right / repeats
                if name == "random":
                    table.loc[test, "shared"] += np.isin(groups[test], groups[train]) / repeats
    repeated = table[table["group"].duplicated(keep=False)]
    on_repeated = None
    if len(repeated):
        each = repeated.groupby("group").mean()  # rows with one text stand or fall together
        gains = np.asarray(each["random"] - each["by_text"])
        low, high = verdicts.interval(gains, seed)
        on_repeated = {name: float(each[name].mean()) for name in ("shared", "random", "by_text")}
        on_repeated |= {"difference": float(gains.mean()), "low": low, "high": high}
    return {
        "rows": len(spoken),
        "repeated": len(repeated),
        "random": float(table["random"].mean()),
        "by_text": float(table["by_text"].mean()),
        "on_repeated": on_repeated,
    }


def shared_pictures(manifest: pd.DataFrame, folder: Path, at_once: int = 256) -> int:
    """Count the test rows whose picture is also one of the training part, pixel by pixel; groups are of texts alone."""
    seen = []
    for start in range(0, len(manifest), at_once):
        pictures = encoding.load(list(manifest["image"].iloc[start : start + at_once]), folder)
        seen += [hashlib.sha256(picture.tobytes()).digest() for picture in pictures]
    known = pd.Series(seen, index=manifest.index)
    test = manifest["split"] == "test"
    return int(known[test].isin(set(known[~test])).sum())


def leak_verdict(found: dict[str, Any]) -> str:
    """Say whether the way of splitting matters on this corpus."""
    if not found:
        return "These rows are recordings without a text, so there is no text to keep on one side."
    text = (
        f"Of {found['rows']} rows, {found['repeated']} ({found['repeated'] / found['rows']:.1%}) share their sentence "
        f"with another one. The stand-in is right on {found['random']:.1%} after random splits and on "
        f"{found['by_text']:.1%} after splits by text. "
    )
    own = found["on_repeated"]
    if own is None:
        return text + "Nothing can leak through the text here: what differs is the luck of the split."
    return text + (
        f"On the repeated sentences alone it is {own['random']:.1%} against {own['by_text']:.1%} "
        f"({own['difference']:+.1%} [{own['low']:+.1%}, {own['high']:+.1%}]): "
        + ("**a random split flatters.**" if own["low"] > 0 else "no flattery by a random split can be shown.")
    )


class Trial:
    """The test rows and the three networks, with ParallelNet cut where its modalities meet.

    What each half makes of the test rows is computed once; exchanging partners then costs next to nothing.

    Attributes
    ----------
    rows, labels
        The n test rows, and their class indices.
    features
        By modality: what N1 and N2 make of the rows, two (n, units) each.
    guesses
        Class indices (n,) by network: "fused", "ser", "ier".
    """

    def __init__(self, run: Run) -> None:
        manifest = dataset.read_manifest(run)
        self.run, self.folder = run, run.folder / "dataset"
        self.rows = manifest[manifest["split"] == "test"].reset_index(drop=True)
        self.labels = metrics.codes(self.rows["label"])
        self.networks = {name: training.load_model(run, name) for name in scrutiny.NETWORKS}
        fused = self.networks["fused"]
        # Eq. 1: N1 of the one modality is added to N2 of the other. Up to there neither knows of the other.
        (one_i, two_s), (one_s, two_i) = (fused.get_layer(name).input for name in ("F_i", "F_s"))
        given = {tensor.name: tensor for tensor in fused.inputs}
        ends = {"speech": [one_s, two_s], "image": [one_i, two_i]}
        self._halves = {name: keras.Model({name: given[name]}, ends[name]) for name in MODALITIES}
        self._heads = keras.Model([*ends["speech"], *ends["image"]], fused.output)
        self.features = {
            name: self._halves[name].predict(dataset.feed(self.rows, self.folder, 64, modalities=[name]), verbose=0)
            for name in MODALITIES
        }
        self.guesses = {"fused": self.judge(self.features["speech"], self.features["image"])} | {
            role: training.predict(self.networks[role], self.rows, self.folder).argmax(axis=1) for role in rules.ROLES
        }

    def sense(self, modality: str, given: Array) -> list[Array]:
        """Return what N1 and N2 make of inputs (n, 128, 128, channels): two (n, units)."""
        return list(self._halves[modality].predict({modality: given}, batch_size=64, verbose=0))

    def judge(self, speech: Sequence[Array], image: Sequence[Array]) -> Array:
        """Return ParallelNet's class indices (n,) for the features of n pairs."""
        return np.asarray(self._heads.predict([*speech, *image], batch_size=256, verbose=0).argmax(axis=1))

    def alone(self, modality: str, given: Array) -> Array:
        """Return the class indices (n,) of the network that has only this modality."""
        guess = self.networks[scrutiny.OWN[modality]].predict({modality: given}, batch_size=64, verbose=0)
        return np.asarray(guess.argmax(axis=1))

    def draw(self, count: int, among: Array | None = None) -> Array:
        """Return up to `count` positions of test rows, drawn by the run's seed and in order."""
        known = np.arange(len(self.rows)) if among is None else among
        return np.sort(np.random.default_rng([self.run.seed, 7]).permutation(known)[:count])

    def of(self, modality: str, places: Array) -> list[Array]:
        """Return the features of the rows at those positions."""
        return [values[places] for values in self.features[modality]]


def blanked(trial: Trial) -> pd.DataFrame:
    """Take one modality away: silence for the speech, mid-grey for the image.

    Returns
    -------
    pandas.DataFrame
        `input`, `n`, `accuracy` on the labels, `low`, `high`; `difference` to both as given, paired, with `from` and
        `to`. The last two rows are the networks that never had the other modality.
    """
    nothing = {}
    for name, level, channels in (("speech", 0.0, 1), ("image", 0.5, 3)):
        blank = np.full((1, settings.SIZE, settings.SIZE, channels), level, np.float32)
        nothing[name] = [np.repeat(end, len(trial.rows), axis=0) for end in trial.sense(name, blank)]
    speech, image = (trial.features[name] for name in MODALITIES)
    guesses = {
        "both as given": trial.guesses["fused"],
        "silence": trial.judge(nothing["speech"], image),
        "grey image": trial.judge(speech, nothing["image"]),
        "silence and grey": trial.judge(nothing["speech"], nothing["image"]),
        "IER only": trial.guesses["ier"],
        "SER only": trial.guesses["ser"],
    }
    rows = []
    for name, guess in guesses.items():
        right = guess == trial.labels
        found = metrics.paired_difference(right, trial.guesses["fused"] == trial.labels, trial.run.seed)
        low, high = found["interval"]
        rows.append(
            {"input": name} | scrutiny.share(right) | {"difference": found["difference"], "from": low, "to": high}
        )
    return pd.DataFrame(rows)


def blanked_verdicts(table: pd.DataFrame) -> list[str]:
    """Say what each modality's absence costs, and whether what remains is as good as a network of its own."""
    rows, said = scrutiny.nested(table, "input"), []
    for name, alone in (("silence", "IER only"), ("grey image", "SER only")):
        lost, own = rows[name], rows[alone]
        clear = "a clear loss" if lost["to"] < 0 else "a clear gain" if lost["from"] > 0 else "no clear change"
        said.append(
            f"**{name.capitalize()}**: {lost['accuracy']:.1%} ({lost['difference']:+.1%} [{lost['from']:+.1%}, "
            f"{lost['to']:+.1%}], {clear}); the network that never had that modality reaches {own['accuracy']:.1%}."
        )
    nothing = rows["silence and grey"]["accuracy"]
    return [*said, f"With nothing at all to go by it can only say one and the same, and is right in {nothing:.1%}."]


def shuffled(strata: Array, rng: np.random.Generator) -> Array:
    """Return a permutation (n,) that exchanges rows only with rows of the same stratum."""
    order = np.arange(len(strata))
    for name in np.unique(strata):
        own = np.flatnonzero(strata == name)
        order[own] = rng.permutation(own)
    return order


def exchanged(trial: Trial, times: int = 5) -> pd.DataFrame:
    """Give every test row another row's image, or another row's speech: is the pairing used?

    Partners come from any row, from rows with the same label, or from rows with the same label in whose image
    (speech) the teacher also names the same class. Labels are those of the row that was kept. Permutations leave some
    rows their own partner, one in each kind of row on average, and always a row that is alone of its kind: in small
    samples differences are then smaller than those between true and false partners.

    Parameters
    ----------
    times
        Permutations of each kind.

    Returns
    -------
    pandas.DataFrame
        `moved`, `partner from`, `n`; `accuracy` on the labels, the mean of all permutations; `difference` to the true
        pairs with `low` and `high` (95 %, bootstrap over rows); `by the rule`: accuracy on the labels that the two
        teachers' opinions give the new pairs (NaN where no teacher was asked).
    """
    known, rng = scrutiny.asked(trial.rows), np.random.default_rng([trial.run.seed, 11])
    opinions = {role: rules.teacher_opinions(trial.rows, role) for role in rules.ROLES} if known else {}
    right = trial.guesses["fused"] == trial.labels
    found = []
    for moved in ("image", "speech"):
        kinds = {"any row": np.zeros(len(right), int), "the same label": trial.labels}
        if known:
            own = opinions[scrutiny.OWN[moved]].argmax(axis=1)
            kinds["the same label and opinion"] = trial.labels * len(settings.CLASSES) + own
        for kind, strata in kinds.items():
            scores, ruled = np.zeros(len(right)), []
            for _ in range(times):
                order = shuffled(strata, rng)
                place = {name: order if name == moved else np.arange(len(order)) for name in MODALITIES}
                guess = trial.judge(*(trial.of(name, place[name]) for name in MODALITIES))
                scores += (guess == trial.labels) / times
                if known:
                    rule = rules.max_rule(opinions["ser"][place["speech"]], opinions["ier"][place["image"]])
                    ruled.append(np.mean((guess == rule["label"])[rule["kept"]]))
            gains = scores - right
            low, high = verdicts.interval(gains, trial.run.seed)
            found.append(
                {
                    "moved": moved,
                    "partner from": kind,
                    "n": len(right),
                    "accuracy": float(scores.mean()),
                    "difference": float(gains.mean()),
                    "low": low,
                    "high": high,
                    "by the rule": float(np.mean(ruled)) if ruled else np.nan,
                }
            )
    return pd.DataFrame(found)


def exchange_verdicts(table: pd.DataFrame) -> list[str]:
    """Say whether ParallelNet needs the true partner, or only one that says the same."""
    said = []
    for moved, rows in table.groupby("moved", sort=False):
        kinds = scrutiny.nested(rows, "partner from")
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
            "Pairs put together at random get new labels by the teachers' own rule. On those ParallelNet is right in "
            f"{loose['by the rule'].mean():.1%}, on the true pairs and theirs in {known:.1%}."
        )
    return said
