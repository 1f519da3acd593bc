"""What a careful reader asks of the inputs: shortcuts through them, and partners exchanged.

Everything here is measured on what a run already has; no network is trained.
"""

from __future__ import annotations

import hashlib
import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sierbook import statistics
from sierbook.audit.labels import score_share
from sierlib import settings
from sierlib.data.feed import Feed, read_inputs
from sierlib.data.shards import load_arrays
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import labelled_by_teachers, read_manifest
from sierlib.experiment.models import HALVES, NETWORKS
from sierlib.experiment.scores import class_codes
from sierlib.experiment.train import load_model
from sierlib.networks.fit import predict_rows
from sierlib.run import Run

Array = NDArray[Any]


def measure_split_leak(manifest: pd.DataFrame, seed: int = 0, repeats: int = 3) -> dict[str, Any]:
    """Ask what a random split would have let through that a split by text does not.

    A stand-in that reads (word counts and a logistic regression) is trained on two thirds of the
    rows and predicts the labels of the last third, three times over, so that each row is predicted
    under both ways of splitting.

    Parameters
    ----------
    repeats
        How often all rows are split anew: where few rows share a text, the luck of the split is
        larger than the leak.

    Returns
    -------
    dict
        ``rows`` with a text; ``repeated``: how many have it in common with another row; ``random``
        and ``by_text``: accuracies; ``on_repeated``, None where there are none: ``shared``, how
        often such a row's text was trained on after a random split, both accuracies, and their
        ``difference`` with ``low`` and ``high`` (95 %, bootstrap over texts). Empty where rows are
        recordings without a text.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    from sklearn.pipeline import make_pipeline

    spoken = manifest[~manifest["text"].str.startswith("[recording ")].reset_index(drop=True)
    if len(spoken) < 3 * len(settings.CLASSES) or spoken["label"].nunique() < 2:
        return {}
    texts, labels, groups = (spoken[name].to_numpy() for name in ("text", "label", "group"))
    splitters = {"random": StratifiedKFold, "by_text": StratifiedGroupKFold}
    table = pd.DataFrame({"group": groups, "random": 0.0, "by_text": 0.0, "shared": 0.0})
    for repeat, name in itertools.product(range(repeats), splitters):
        splitter = splitters[name](3, shuffle=True, random_state=seed + repeat)
        with warnings.catch_warnings():
            # A class may be thin, and groups are not for both.
            warnings.simplefilter("ignore", UserWarning)
            parts = list(splitter.split(texts, labels, groups))
        for train, test in parts:
            reader = make_pipeline(
                TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
            )
            predicted = reader.fit(texts[train], labels[train]).predict(texts[test])
            table.loc[test, name] += (predicted == labels[test]) / repeats
            if name == "random":
                table.loc[test, "shared"] += np.isin(groups[test], groups[train]) / repeats
    repeated = table[table["group"].duplicated(keep=False)]
    on_repeated: dict[str, Any] | None = None
    if len(repeated):
        each = repeated.groupby("group").mean()  # rows with one text stand or fall together
        gains = np.asarray(each["random"] - each["by_text"])
        on_repeated = {name: float(each[name].mean()) for name in ("shared", "random", "by_text")}
        on_repeated["difference"] = statistics.estimate_mean(gains, seed)
    return {
        "rows": len(spoken),
        "repeated": len(repeated),
        "random": float(table["random"].mean()),
        "by_text": float(table["by_text"].mean()),
        "on_repeated": on_repeated,
    }


def count_shared_pictures(manifest: pd.DataFrame, folder: Path, at_once: int = 256) -> int:
    """Count the test rows whose picture is also one of the training part, pixel by pixel; groups
    know pictures by their files."""
    hashes = []
    for start in range(0, len(manifest), at_once):
        pictures = load_arrays(list(manifest["image"].iloc[start : start + at_once]), folder)
        hashes += [hashlib.sha256(picture.tobytes()).digest() for picture in pictures]
    known = pd.Series(hashes, index=manifest.index)
    test = manifest["split"] == "test"
    return int(known[test].isin(set(known[~test])).sum())


class Trial:
    """The test rows and the three networks, with ParallelNet cut where its modalities meet.

    What each half makes of the test rows is computed once; exchanging partners then costs next to
    nothing.

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
        manifest = read_manifest(run)
        self.run, self.folder = run, run.folder / "dataset"
        self.rows = manifest[manifest["split"] == "test"].reset_index(drop=True)
        self.labels = class_codes(self.rows["label"])
        self.networks = {name: load_model(run, name) for name in HALVES.values()}
        fused = self.networks["fused"]
        # Eq. 1: N1 of the one modality is added to N2 of the other. Up to there neither knows of
        # the other.
        n1_i, n2_s = fused.get_layer("F_i").input
        n1_s, n2_i = fused.get_layer("F_s").input
        given = {tensor.name: tensor for tensor in fused.inputs}
        self._halves = {
            "speech": keras.Model({"speech": given["speech"]}, [n1_s, n2_s]),
            "image": keras.Model({"image": given["image"]}, [n1_i, n2_i]),
        }
        self._heads = keras.Model([n1_s, n2_s, n1_i, n2_i], fused.output)
        self.features = {}
        for name, half in self._halves.items():
            feed = Feed(self.rows, self.folder, 64, modalities=[name])
            self.features[name] = half.predict(feed, verbose=0)
        self.guesses = {"fused": self.classify(self.features["speech"], self.features["image"])}
        for role in settings.ROLES:
            scores = predict_rows(self.networks[role], self.rows, self.folder)
            self.guesses[role] = scores.argmax(axis=1)

    def extract(self, modality: str, given: Array) -> list[Array]:
        """Return what N1 and N2 make of inputs (n, 128, 128, channels): two (n, units)."""
        return list(self._halves[modality].predict({modality: given}, batch_size=64, verbose=0))

    def classify(self, speech: Sequence[Array], image: Sequence[Array]) -> Array:
        """Return ParallelNet's class indices (n,) for the features of n pairs."""
        scores = self._heads.predict([*speech, *image], batch_size=256, verbose=0)
        return np.asarray(scores.argmax(axis=1))

    def classify_half(self, modality: str, given: Array) -> Array:
        """Return the class indices (n,) of the network that has only this modality."""
        network = self.networks[HALVES[modality]]
        scores = network.predict({modality: given}, batch_size=64, verbose=0)
        return np.asarray(scores.argmax(axis=1))

    def find_right(self, name: str) -> Array:
        """Return which test rows (n,) a network gets right."""
        return np.asarray(self.guesses[name] == self.labels)

    def draw_rows(self, count: int, places: Array | None = None) -> Array:
        """Return up to `count` positions of test rows, or of `places`, drawn by the run's seed and
        in order."""
        known = np.arange(len(self.rows)) if places is None else places
        return np.sort(np.random.default_rng([self.run.seed, 7]).permutation(known)[:count])

    def take_features(self, modality: str, places: Array) -> list[Array]:
        """Return the features of the rows at those positions."""
        return [values[places] for values in self.features[modality]]


def blank_modalities(trial: Trial) -> pd.DataFrame:
    """Take one modality away: silence for the speech, mid-grey for the image.

    Returns
    -------
    pandas.DataFrame
        `input`, `n`, `accuracy` on the labels, `low`, `high`; `difference` to both as given,
        paired, with `from` and `to`. The last two rows are the networks that never had the other
        modality.
    """
    nothing = {}
    for name, level, channels in (("speech", 0.0, 1), ("image", 0.5, 3)):
        blank = np.full((1, settings.SIZE, settings.SIZE, channels), level, np.float32)
        ends = trial.extract(name, blank)
        nothing[name] = [np.repeat(end, len(trial.rows), axis=0) for end in ends]
    speech, image = (trial.features[name] for name in settings.MODALITIES)
    guesses = {
        "both as given": trial.guesses["fused"],
        "silence": trial.classify(nothing["speech"], image),
        "grey image": trial.classify(speech, nothing["image"]),
        "silence and grey": trial.classify(nothing["speech"], nothing["image"]),
        NETWORKS["ier"].title: trial.guesses["ier"],
        NETWORKS["ser"].title: trial.guesses["ser"],
    }
    rows = []
    for name, guess in guesses.items():
        right = guess == trial.labels
        change = statistics.paired_difference(right, trial.find_right("fused"), trial.run.seed)
        rows.append(
            {
                "input": name,
                **score_share(right),
                "difference": change["value"],
                "from": change["low"],
                "to": change["high"],
            }
        )
    return pd.DataFrame(rows)


def shuffle_within(strata: Array, rng: np.random.Generator) -> Array:
    """Return a permutation (n,) that exchanges rows only with rows of the same stratum."""
    order = np.arange(len(strata))
    for name in np.unique(strata):
        places = np.flatnonzero(strata == name)
        order[places] = rng.permutation(places)
    return order


def exchange_partners(trial: Trial, times: int = 5) -> pd.DataFrame:
    """Give every test row another row's image, or another row's speech: is the pairing used?

    Partners come from any row, from rows with the same label, or from rows with the same label in
    whose image (speech) the teacher also names the same class. Labels are those of the row that was
    kept. Permutations leave some rows their own partner, one in each kind of row on average, and
    always a row that is alone of its kind: in small samples differences are then smaller than those
    between true and false partners.

    Parameters
    ----------
    times
        Permutations of each kind.

    Returns
    -------
    pandas.DataFrame
        `moved`, `partner from`, `n`; `accuracy` on the labels, the mean of all permutations;
        `difference` to the true pairs with `low` and `high` (95 %, bootstrap over rows); `by the
        rule`: accuracy on the labels that the two teachers' opinions give the new pairs (NaN where
        no teacher was asked).
    """
    rng = np.random.default_rng([trial.run.seed, 11])
    opinions = {}
    if labelled_by_teachers(trial.rows):
        opinions = {role: label_rule.teacher_opinions(trial.rows, role) for role in settings.ROLES}
    right, found = trial.find_right("fused"), []
    for moved in ("image", "speech"):
        kinds = {"any row": np.zeros(len(right), int), "the same label": trial.labels}
        if opinions:
            named = opinions[HALVES[moved]].argmax(axis=1)
            kinds["the same label and opinion"] = trial.labels * len(settings.CLASSES) + named
        for kind, strata in kinds.items():
            scores, ruled = np.zeros(len(right)), []
            for _ in range(times):
                places = dict.fromkeys(settings.MODALITIES, np.arange(len(right)))
                places[moved] = shuffle_within(strata, rng)
                pairs = {name: trial.take_features(name, places[name]) for name in places}
                guess = trial.classify(pairs["speech"], pairs["image"])
                scores += (guess == trial.labels) / times
                if opinions:
                    rule = label_rule.max_rule(
                        opinions["ser"][places["speech"]], opinions["ier"][places["image"]]
                    )
                    ruled.append(np.mean((guess == rule["label"])[rule["kept"]]))
            change = statistics.estimate_mean(scores - right, trial.run.seed)
            found.append(
                {
                    "moved": moved,
                    "partner from": kind,
                    "n": len(right),
                    "accuracy": float(scores.mean()),
                    "difference": change["value"],
                    "low": change["low"],
                    "high": change["high"],
                    "by the rule": float(np.mean(ruled)) if ruled else np.nan,
                }
            )
    return pd.DataFrame(found)


#: Standard deviation of the noise, in units of an input between 0 and 1; 0.1 of a log-mel is 8 dB.
LEVELS = (0.0, 0.05, 0.1, 0.2, 0.4)


def add_noise(trial: Trial, count: int = 200, levels: Sequence[float] = LEVELS) -> pd.DataFrame:
    """Add Gaussian noise to one modality, and leave the other one alone.

    Parameters
    ----------
    count
        How many test rows, at most.
    levels
        Standard deviations, in units of an input between 0 and 1, to which the sum is clipped. One
        draw of noise is scaled to all levels.

    Returns
    -------
    pandas.DataFrame
        `modality` that is noisy, `level`, `network` (ParallelNet and both unimodal ones; the one
        that does not perceive the noise stands as it is), `n`, `accuracy` on the labels, `low`,
        `high` (Wilson, 95 %).
    """
    places = trial.draw_rows(count)
    clean, labels = read_inputs(trial.rows.iloc[places], trial.folder), trial.labels[places]
    rng, found = np.random.default_rng([trial.run.seed, 13]), []
    for modality in settings.MODALITIES:
        other = settings.OTHER[modality]
        features = {other: trial.take_features(other, places)}
        noise = rng.standard_normal(clean[modality].shape, dtype=np.float32)
        for level in levels:
            given = np.clip(clean[modality] + np.float32(level) * noise, 0, 1)
            features[modality] = trial.extract(modality, given)
            guesses = {
                "fused": trial.classify(features["speech"], features["image"]),
                HALVES[modality]: trial.classify_half(modality, given),
                HALVES[other]: trial.guesses[HALVES[other]][places],
            }
            for name in HALVES.values():
                row = {"modality": modality, "level": level, "network": NETWORKS[name].title}
                found.append(row | score_share(guesses[name] == labels))
    return pd.DataFrame(found)
