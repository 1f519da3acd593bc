"""What a careful reader asks of the inputs: shortcuts through them, and partners exchanged.

Everything here is measured on what a run already has; no network is trained. Tables are data
frames, and the sentences below them are written by their numbers.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sierbook import statistics
from sierbook.audit.labels import OWN, score_share, teachers_asked
from sierlib import settings
from sierlib.data import speech
from sierlib.data.feed import make_feed, read_inputs
from sierlib.data.shards import load_arrays
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import find_items, read_manifest
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

    spoken = manifest[~manifest["text"].str.startswith("[recording ")]
    if len(spoken) < 3 * len(settings.CLASSES) or spoken["label"].nunique() < 2:
        return {}
    texts, labels, groups = (spoken[name].to_numpy() for name in ("text", "label", "group"))
    table = pd.DataFrame({"group": groups, "random": 0.0, "by_text": 0.0, "shared": 0.0})
    for repeat in range(repeats):
        for name, splitter in (("random", StratifiedKFold), ("by_text", StratifiedGroupKFold)):
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", UserWarning
                )  # a class may be thin, and groups are not for both
                parts = list(
                    splitter(3, shuffle=True, random_state=seed + repeat).split(
                        texts, labels, groups
                    )
                )
            for train, test in parts:
                reader = make_pipeline(
                    TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
                )
                right = reader.fit(texts[train], labels[train]).predict(texts[test]) == labels[test]
                table.loc[test, name] += right / repeats
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
    are of texts alone."""
    seen = []
    for start in range(0, len(manifest), at_once):
        pictures = load_arrays(list(manifest["image"].iloc[start : start + at_once]), folder)
        seen += [hashlib.sha256(picture.tobytes()).digest() for picture in pictures]
    known = pd.Series(seen, index=manifest.index)
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
        (one_i, two_s), (one_s, two_i) = (fused.get_layer(name).input for name in ("F_i", "F_s"))
        given = {tensor.name: tensor for tensor in fused.inputs}
        ends = {"speech": [one_s, two_s], "image": [one_i, two_i]}
        self._halves = {
            name: keras.Model({name: given[name]}, ends[name]) for name in settings.MODALITIES
        }
        self._heads = keras.Model([*ends["speech"], *ends["image"]], fused.output)
        self.features = {
            name: self._halves[name].predict(
                make_feed(self.rows, self.folder, 64, modalities=[name]), verbose=0
            )
            for name in settings.MODALITIES
        }
        self.guesses = {"fused": self.judge(self.features["speech"], self.features["image"])} | {
            role: predict_rows(self.networks[role], self.rows, self.folder).argmax(axis=1)
            for role in settings.ROLES
        }

    def sense(self, modality: str, given: Array) -> list[Array]:
        """Return what N1 and N2 make of inputs (n, 128, 128, channels): two (n, units)."""
        return list(self._halves[modality].predict({modality: given}, batch_size=64, verbose=0))

    def judge(self, speech: Sequence[Array], image: Sequence[Array]) -> Array:
        """Return ParallelNet's class indices (n,) for the features of n pairs."""
        return np.asarray(
            self._heads.predict([*speech, *image], batch_size=256, verbose=0).argmax(axis=1)
        )

    def alone(self, modality: str, given: Array) -> Array:
        """Return the class indices (n,) of the network that has only this modality."""
        guess = self.networks[OWN[modality]].predict({modality: given}, batch_size=64, verbose=0)
        return np.asarray(guess.argmax(axis=1))

    def draw(self, count: int, among: Array | None = None) -> Array:
        """Return up to `count` positions of test rows, drawn by the run's seed and in order."""
        known = np.arange(len(self.rows)) if among is None else among
        return np.sort(np.random.default_rng([self.run.seed, 7]).permutation(known)[:count])

    def of(self, modality: str, places: Array) -> list[Array]:
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
        nothing[name] = [
            np.repeat(end, len(trial.rows), axis=0) for end in trial.sense(name, blank)
        ]
    speech, image = (trial.features[name] for name in settings.MODALITIES)
    guesses = {
        "both as given": trial.guesses["fused"],
        "silence": trial.judge(nothing["speech"], image),
        "grey image": trial.judge(speech, nothing["image"]),
        "silence and grey": trial.judge(nothing["speech"], nothing["image"]),
        "image only": trial.guesses["ier"],
        "speech only": trial.guesses["ser"],
    }
    rows = []
    for name, guess in guesses.items():
        right = guess == trial.labels
        found = statistics.paired_difference(
            right, trial.guesses["fused"] == trial.labels, trial.run.seed
        )
        rows.append(
            {"input": name}
            | score_share(right)
            | {"difference": found["value"], "from": found["low"], "to": found["high"]}
        )
    return pd.DataFrame(rows)


def shuffle_within(strata: Array, rng: np.random.Generator) -> Array:
    """Return a permutation (n,) that exchanges rows only with rows of the same stratum."""
    order = np.arange(len(strata))
    for name in np.unique(strata):
        own = np.flatnonzero(strata == name)
        order[own] = rng.permutation(own)
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
    known, rng = teachers_asked(trial.rows), np.random.default_rng([trial.run.seed, 11])
    opinions = (
        {role: label_rule.teacher_opinions(trial.rows, role) for role in settings.ROLES}
        if known
        else {}
    )
    right = trial.guesses["fused"] == trial.labels
    found = []
    for moved in ("image", "speech"):
        kinds = {"any row": np.zeros(len(right), int), "the same label": trial.labels}
        if known:
            own = opinions[OWN[moved]].argmax(axis=1)
            kinds["the same label and opinion"] = trial.labels * len(settings.CLASSES) + own
        for kind, strata in kinds.items():
            scores, ruled = np.zeros(len(right)), []
            for _ in range(times):
                order = shuffle_within(strata, rng)
                place = {
                    name: order if name == moved else np.arange(len(order))
                    for name in settings.MODALITIES
                }
                guess = trial.judge(*(trial.of(name, place[name]) for name in settings.MODALITIES))
                scores += (guess == trial.labels) / times
                if known:
                    rule = label_rule.max_rule(
                        opinions["ser"][place["speech"]], opinions["ier"][place["image"]]
                    )
                    ruled.append(np.mean((guess == rule["label"])[rule["kept"]]))
            gains = scores - right
            difference = statistics.estimate_mean(gains, trial.run.seed)
            found.append(
                {
                    "moved": moved,
                    "partner from": kind,
                    "n": len(right),
                    "accuracy": float(scores.mean()),
                    "difference": difference["value"],
                    "low": difference["low"],
                    "high": difference["high"],
                    "by the rule": float(np.mean(ruled)) if ruled else np.nan,
                }
            )
    return pd.DataFrame(found)


#: How a sentence is spoken again: what is added to the seed of the voice's noise, and the speed.
TAKES = {"spoken anew": (1, 1.0), "slower": (0, 0.8), "faster": (0, 1.25)}

_FEW = 100  # sentences are spoken before other processes have started

#: Standard deviation of the noise, in units of an input between 0 and 1; 0.1 of a log-mel is 8 dB.
LEVELS = (0.0, 0.05, 0.1, 0.2, 0.4)


def speak_again(
    trial: Trial,
    count: int = 200,
    takes: dict[str, tuple[int, float]] = TAKES,
    workers: int | None = None,
) -> pd.DataFrame:
    """Speak test rows again, at speeds that nothing was trained on.

    Parameters
    ----------
    count
        How many rows, at most; only those whose speech the voice made are drawn.
    takes
        What is added to the seed of the voice's noise, and the speed, by name. A take that changes
        only the noise is the control: what it costs, any new recording costs.
    workers
        Processes; by default one for each core, and none beside this one for a few sentences.

    Returns
    -------
    pandas.DataFrame
        `take`, `speed`, `network` ("ParallelNet", "speech only"), `n`; `accuracy` on the labels, and
        `before` for the rows as they are; their paired `difference` with `low`, `high`, `p`;
        `changed`, the share of predictions that did; `cut`, the share of utterances longer than the
        window. Empty where the voice spoke nothing.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    items = find_items(trial.run, list(trial.rows["id"]))
    own = [items[name].text is not None and items[name].audio is None for name in trial.rows["id"]]
    places = trial.draw(count, np.flatnonzero(own))
    chosen = [items[name] for name in trial.rows["id"].iloc[places]]
    labels, found = trial.labels[places], []
    jobs = [
        delayed(speech.speak)(
            speech.clean_text(item.text or ""), seed=item.seed + more, speed=speed
        )
        for more, speed in takes.values()
        for item in chosen
    ]
    workers = workers or (1 if len(jobs) < _FEW else os.cpu_count() or 1)
    sounds = tqdm(Parallel(workers, return_as="generator")(jobs), "speaking", len(jobs))
    made = [
        (_log_mel_as_stored(sound), len(sound) > settings.SIZE * settings.HOP) for sound in sounds
    ]
    for number, take in enumerate(takes if len(places) else ()):
        mels, long = zip(*made[number * len(places) : (number + 1) * len(places)], strict=True)
        heard = np.stack(mels)
        fused = trial.judge(trial.sense("speech", heard), trial.of("image", places))
        for name, guess in (("fused", fused), ("ser", trial.alone("speech", heard))):
            before = trial.guesses[name][places]
            value = statistics.paired_difference(guess == labels, before == labels, trial.run.seed)
            found.append(
                {
                    "take": take,
                    "speed": takes[take][1],
                    "network": NETWORKS[name].title,
                    "n": len(places),
                    "accuracy": float(np.mean(guess == labels)),
                    "before": float(np.mean(before == labels)),
                    "difference": value["value"],
                    "low": value["low"],
                    "high": value["high"],
                    "p": value["p"],
                    "changed": float(np.mean(guess != before)),
                    "cut": float(np.mean(long)),
                }
            )
    return pd.DataFrame(found)


def _log_mel_as_stored(sound: Array) -> Array:
    """Return the log-mel as the shards hold it: in 255 steps."""
    return (np.round(speech.log_mel(sound) * 255) / 255).astype(np.float32)


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
    places = trial.draw(count)
    clean, labels = read_inputs(trial.rows.iloc[places], trial.folder), trial.labels[places]
    rng, found = np.random.default_rng([trial.run.seed, 13]), []
    for modality in settings.MODALITIES:
        other = settings.OTHER[modality]
        noise = rng.standard_normal(clean[modality].shape, dtype=np.float32)
        for level in levels:
            given = np.clip(clean[modality] + np.float32(level) * noise, 0, 1)
            ends = {modality: trial.sense(modality, given), other: trial.of(other, places)}
            guesses = {
                "fused": trial.judge(ends["speech"], ends["image"]),
                OWN[modality]: trial.alone(modality, given),
                OWN[other]: trial.guesses[OWN[other]][places],
            }
            found += [
                {"modality": modality, "level": level, "network": NETWORKS[name].title}
                | score_share(guesses[name] == labels)
                for name in HALVES.values()
            ]
    return pd.DataFrame(found)
