"""What a careful reader asks of the experiment: teachers, labels, shortcuts, and inputs that are not as clean.

Everything here is measured on what a run already has; no network is trained. Tables are data frames, and the
sentences below them are written by their numbers.

References
----------
Guo et al. (2017), "On Calibration of Modern Neural Networks": expected calibration error, temperature scaling.
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
from scipy import optimize, special, stats

from sierlib import dataset, encoding, explanation, labelling, metrics, rules, settings, speech, training, verdicts
from sierlib.evaluation import MODALITIES, OTHER
from sierlib.runs import Run

Array = NDArray[Any]

NETWORKS = {"fused": "ParallelNet", "ser": "SER only", "ier": "IER only"}
OWN = {modality: role for role, modality in rules.ROLES.items()}
BINS = 15  # as in Guo et al.
HARDEST, SOFTEST = 0.05, 20.0  # temperatures that are tried

#: Opinions are kept to six decimals: what was rounded to nothing is taken as half of the last one.
_ROUNDED = 5e-7

#: How a sentence is spoken again: what is added to the seed of the voice's noise, and the speed.
TAKES = {"spoken anew": (1, 1.0), "slower": (0, 0.8), "faster": (0, 1.25)}

_FEW = 100  # sentences are spoken before other processes have started

#: Standard deviation of the noise, in units of an input between 0 and 1; 0.1 of a log-mel is 8 dB.
LEVELS = (0.0, 0.05, 0.1, 0.2, 0.4)

#: In the tables of `recovery`: the label as if it were a network, and the rows on which it is not the truth.
LABEL, WRONG = "the label itself", "label is wrong"

NOT_ASKED = "This corpus brought its labels and no teacher was asked: there are no opinions to question here."


def asked(manifest: pd.DataFrame) -> bool:
    """Tell whether teachers gave the labels, or the corpus did."""
    return bool((manifest["winner"] != "given").all())


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows for a result file; what is missing becomes None, as JSON knows no NaN."""
    return [
        {str(name): value for name, value in row.items()}
        for row in table.astype(object).where(table.notna(), None).to_dict("records")
    ]


def nested(table: pd.DataFrame, *keys: str) -> dict[str, Any]:
    """Return a table's rows as dicts, under the values of one or several columns that tell the rows apart.

    Examples
    --------
    >>> nested(pd.DataFrame({"who": ["a", "b"], "n": [1, 2]}), "who")
    {'a': {'n': 1}, 'b': {'n': 2}}
    """
    if not keys:
        return records(table)[0]
    groups = table.groupby(keys[0], sort=False) if len(table) else ()
    return {str(name): nested(part.drop(columns=keys[0]), *keys[1:]) for name, part in groups}


def _share(right: Array) -> dict[str, Any]:
    low, high = metrics.proportion_interval(right)
    return {"n": len(right), "accuracy": float(np.mean(right)), "low": low, "high": high}


# ----------------------------------------------------------------------------------------- teachers
def reliability(probabilities: Array, answers: Array, bins: int = BINS) -> pd.DataFrame:
    """Compare how sure a classifier is with how often it is right, in bins of equal width.

    Parameters
    ----------
    probabilities, answers
        (n, classes), and class indices (n,).

    Returns
    -------
    pandas.DataFrame
        A row for each bin that is not empty: mean `confidence` (the largest probability), and `n`, `accuracy`, `low`,
        `high` (Wilson, 95 %).
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == answers
    place = _bin(confidence, bins)
    return pd.DataFrame(
        [{"confidence": confidence[place == b].mean()} | _share(right[place == b]) for b in np.unique(place)]
    )


def _bin(confidence: Array, bins: int) -> Array:
    """Return each confidence's bin; its upper edge belongs to a bin, its lower one to the bin before."""
    return np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)


def calibration_error(probabilities: Array, answers: Array, bins: int = BINS) -> float:
    """Return the expected calibration error: |accuracy - confidence| of `reliability`, weighted by the bins' rows.

    Examples
    --------
    Twice sure by 0.9, and right once:

    >>> round(calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])), 12)
    0.4
    """
    table = reliability(probabilities, answers, bins)
    return float(np.average((table["accuracy"] - table["confidence"]).abs(), weights=table["n"]))


def calibrated_error(probabilities: Array, seed: int = 0, bins: int = BINS, draws: int = 1000) -> float:
    """Return the error that a calibrated classifier, as sure as this one, stays below in 95 of 100 samples this size.

    The estimate of the error is never negative: chance alone gives some, and the more the fewer the items.
    """
    sure = probabilities.max(axis=1)
    right = np.random.default_rng(seed).random((draws, len(sure)), dtype=np.float32) < sure
    members = np.eye(bins)[_bin(sure, bins)]  # (n, bins)
    found = np.abs((sure - right) @ members).sum(axis=1) / len(sure)
    return float(np.quantile(found, 0.95))


def _logarithms(probabilities: Array) -> Array:
    known = probabilities.any(axis=0)  # a class that a teacher's corpus lacks stays impossible
    return np.where(known, np.log(np.maximum(probabilities, _ROUNDED)), -np.inf)


def tempered(probabilities: Array, temperature: float) -> Array:
    """Return softmax(log p / T): softer for T > 1, harder for T < 1; each row's largest stays the largest."""
    return np.asarray(special.softmax(_logarithms(probabilities) / temperature, axis=1))


def log_loss(probabilities: Array, answers: Array, temperature: float = 1.0) -> float:
    """Return the mean negative log-likelihood of the answers, in nats, after scaling by a temperature."""
    logs = special.log_softmax(_logarithms(probabilities) / temperature, axis=1)
    return float(-np.mean(logs[np.arange(len(answers)), answers]))


def temperature(probabilities: Array, answers: Array) -> float:
    """Return the temperature of least negative log-likelihood, between `HARDEST` and `SOFTEST`."""
    found = optimize.minimize_scalar(
        lambda log: log_loss(probabilities, answers, np.exp(log)),
        bounds=(np.log(HARDEST), np.log(SOFTEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(np.exp(found.x))


def halves(run: Run, role: str) -> tuple[Array, Array, Array, Array]:
    """Return a teacher's held-out opinions (n, 4) and answers (n,), and rows to fit a temperature on and to test it."""
    held = labelling.held_out(run, role)
    order = np.random.default_rng(run.seed).permutation(len(held))
    opinions = held[list(settings.CLASSES)].to_numpy(float)
    return opinions, metrics.codes(held["label"]), order[: len(held) // 2], order[len(held) // 2 :]


def _pairs(run: Run) -> pd.DataFrame:
    """Return all pairs that teachers were asked about, the discarded ones too."""
    return pd.concat([dataset.read_manifest(run, name) for name in ("manifest", "discarded")], ignore_index=True)


def teachers(run: Run) -> dict[str, dict[str, Any]]:
    """Judge both teachers on items of their own corpora that they never saw.

    Returns
    -------
    dict
        By role: ``n``, ``accuracy``, ``low``, ``high``, mean ``confidence``; ``ece``, and ``ece_by_chance`` as
        `calibrated_error`; ``temperature``, fitted on one half; on the other half ``ece_half`` and ``log_loss``, with
        ``ece_after`` and ``log_loss_after``; ``pairs``: ``n``, ``accuracy``, ``ece`` and ``ece_after`` on the pairs,
        against the emotion planted in what this teacher perceives, None where nothing was planted. Empty where no
        teacher was asked.
    """
    found: dict[str, dict[str, Any]] = {}
    pairs, truth = _pairs(run), dataset.read_truth(run)
    for role, modality in rules.ROLES.items() if asked(pairs) else ():
        opinions, answers, fitted, rest = halves(run, role)
        degrees = temperature(opinions[fitted], answers[fitted])
        after = tempered(opinions[rest], degrees)
        found[role] = _share(opinions.argmax(axis=1) == answers) | {
            "confidence": float(opinions.max(axis=1).mean()),
            "ece": calibration_error(opinions, answers),
            "ece_by_chance": calibrated_error(opinions, run.seed),
            "temperature": degrees,
            "ece_half": calibration_error(opinions[rest], answers[rest]),
            "ece_after": calibration_error(after, answers[rest]),
            "log_loss": log_loss(opinions[rest], answers[rest]),
            "log_loss_after": log_loss(opinions[rest], answers[rest], degrees),
            "pairs": None,
        }
        planted = pairs["id"].map(lambda name, m=modality: truth[name][m]["emotion"] if truth else None)
        if planted.notna().any():  # a neutral sentence or picture has no right answer
            seen, said = metrics.codes(planted.dropna()), rules.teacher_opinions(pairs[planted.notna()], role)
            found[role]["pairs"] = {
                "n": len(seen),
                "accuracy": float(np.mean(said.argmax(axis=1) == seen)),
                "ece": calibration_error(said, seen),
                "ece_after": calibration_error(tempered(said, degrees), seen),
            }
    return found


def reliability_table(run: Run, found: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return `reliability` of both `teachers` on the half that no temperature saw, before and after scaling."""
    tables = []
    for role, modality in rules.ROLES.items() if found else ():
        opinions, answers, _, rest = halves(run, role)
        for how, said in (("as it is", opinions), ("tempered", tempered(opinions, found[role]["temperature"]))):
            tables.append(reliability(said[rest], answers[rest]).assign(teacher=f"{modality} teacher", opinion=how))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def teacher_verdicts(found: dict[str, dict[str, Any]]) -> list[str]:
    """Say of each teacher how right and how sure it is."""
    said = []
    for role, value in found.items():
        kind = "over-confident" if value["confidence"] > value["accuracy"] else "under-confident"
        text = (
            f"The **{rules.ROLES[role]} teacher** is right on {value['accuracy']:.1%} of {value['n']} items and sure "
            f"by {value['confidence']:.1%} on average. Its calibration error is {value['ece']:.3f}; chance alone gives "
            f"a calibrated one up to {value['ece_by_chance']:.3f}, so "
            + (f"it is {kind}. " if value["ece"] > value["ece_by_chance"] else "nothing can be held against it. ")
            + f"A temperature of {value['temperature']:.2f}, fitted on one half, takes the error on the other half "
            f"from {value['ece_half']:.3f} to {value['ece_after']:.3f}"
        )
        if not 1.02 * HARDEST < value["temperature"] < 0.98 * SOFTEST:
            text += " (the end of the range that is tried: these few items do not tell)"
        if value["pairs"]:
            text += (
                f"; the same temperature takes that on {value['pairs']['n']} pairs from {value['pairs']['ece']:.3f} to "
                f"{value['pairs']['ece_after']:.3f}"
            )
        said.append(text + ".")
    return said or [NOT_ASKED]


def relabelled(run: Run, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Label all pairs again by the same rule, after both teachers' temperature scaling.

    Parameters
    ----------
    found
        As `teachers` gives it.

    Returns
    -------
    dict
        ``rows``; ``kept`` (either way), ``dropped`` and ``rescued`` (by the threshold); of those kept either way
        ``winners`` and ``changed`` (labels), with ``share``; ``speech_wins`` and ``speech_wins_after``; where a truth
        is known ``right``, ``right_after`` and their paired ``difference``. Empty where no teacher was asked.
    """
    if not found:
        return {}
    pairs = _pairs(run)
    opinions = {role: rules.teacher_opinions(pairs, role) for role in rules.ROLES}
    cooled = {role: tempered(said, found[role]["temperature"]) for role, said in opinions.items()}
    before, after = (rules.max_rule(both["ser"], both["ier"]) for both in (opinions, cooled))
    kept = before["kept"] & after["kept"]
    changed = (before["label"] != after["label"])[kept]
    value: dict[str, Any] = {
        "rows": len(pairs),
        "kept": int(kept.sum()),
        "dropped": int((before["kept"] & ~after["kept"]).sum()),
        "rescued": int((~before["kept"] & after["kept"]).sum()),
        "winners": int((before["winner"] != after["winner"])[kept].sum()),
        "changed": int(changed.sum()),
        "share": float(changed.mean()) if len(changed) else 0.0,
        "speech_wins": float(np.mean(before["winner"] == "ser")),
        "speech_wins_after": float(np.mean(after["winner"] == "ser")),
    }
    truth = dataset.read_truth(run)
    if truth and kept.any():
        planted = metrics.codes(truth[name]["emotion"] for name in pairs.loc[kept, "id"])
        right, right_after = (rule["label"][kept] == planted for rule in (before, after))
        value |= {
            "right": float(right.mean()),
            "right_after": float(right_after.mean()),
            "difference": metrics.paired_difference(right_after, right, run.seed),
        }
    return value


def relabelling_verdict(found: dict[str, Any]) -> str:
    """Say what temperature scaling would change in the labels."""
    if not found:
        return NOT_ASKED
    text = (
        f"With both temperatures put right, the winner changes in {found['winners']} of the {found['kept']} pairs kept "
        f"either way, and with it **{found['changed']} labels ({found['share']:.1%})**; {found['dropped']} pairs fall "
        f"below the threshold and {found['rescued']} rise above it. The speech teacher wins "
        f"{found['speech_wins']:.1%} of all pairs before and {found['speech_wins_after']:.1%} after. "
    )
    if "difference" not in found:
        return text + "Which of the two labels is the better one cannot be known here: nothing was planted."
    low, high = found["difference"]["interval"]
    return text + (
        f"The planted emotion is the label in {found['right']:.1%} of them before and {found['right_after']:.1%} after "
        f"({found['difference']['difference']:+.1%} [{low:+.1%}, {high:+.1%}]): "
        + ("better labels." if low > 0 else "worse labels." if high < 0 else "no difference can be claimed.")
    )


# ------------------------------------------------------------------------------------ whose labels
def provenance(manifest: pd.DataFrame) -> pd.DataFrame:
    """Say who decided the labels: a row for each class and for all.

    Returns
    -------
    pandas.DataFrame
        `rows`; shares of them: `speech teacher won`, `equally sure` (speech decides), `teachers agree`; the median
        `lead` of the winner's confidence where speech and where the image won. Empty where no teacher was asked.
    """
    if not asked(manifest):
        return pd.DataFrame()
    ser, ier = (rules.teacher_opinions(manifest, role) for role in rules.ROLES)
    each = pd.DataFrame(
        {
            "label": manifest["label"].to_numpy(),
            "speech teacher won": manifest["winner"].to_numpy() == "ser",
            "equally sure": ser.max(axis=1) == ier.max(axis=1),
            "teachers agree": ser.argmax(axis=1) == ier.argmax(axis=1),
            "lead": np.abs(ser.max(axis=1) - ier.max(axis=1)),
        }
    )
    rows = {}
    for name in (*settings.CLASSES, "all"):
        part = each if name == "all" else each[each["label"] == name]
        shares = part[["speech teacher won", "equally sure", "teachers agree"]].mean()
        leads = part.groupby("speech teacher won")["lead"].median()
        by = {f"lead, {who}": leads.get(who == "speech", np.nan) for who in MODALITIES}
        rows[name] = {"rows": len(part), **shares, **by}
    return pd.DataFrame(rows).T.astype({"rows": int}).rename_axis("label")


def _opinions(rows: pd.DataFrame) -> dict[str, Array]:
    """Return each teacher's class, and under "winner" and "loser" those of the one that decided and of the other."""
    own = {role: rules.teacher_opinions(rows, role).argmax(axis=1) for role in rules.ROLES}
    speech_won = rows["winner"].to_numpy() == "ser"
    return own | {
        "winner": np.where(speech_won, own["ser"], own["ier"]),
        "loser": np.where(speech_won, own["ier"], own["ser"]),
    }


def _groups(rows: pd.DataFrame) -> dict[str, Array]:
    """Return which rows (bool) are in each group of pairs, by what the teachers made of them."""
    said = _opinions(rows)
    differ, speech_won = said["ser"] != said["ier"], rows["winner"].to_numpy() == "ser"
    return {
        "all": np.ones(len(rows), bool),
        "teachers agree": ~differ,
        "differ, speech teacher won": differ & speech_won,
        "differ, image teacher won": differ & ~speech_won,
    }


def label_noise(manifest: pd.DataFrame, truth: dict[str, Any]) -> pd.DataFrame:
    """Say how often labels are the planted emotion, by who decided and by class.

    Returns
    -------
    pandas.DataFrame
        `rows` (which), `n`, `accuracy` of the label with `low` and `high`, and `either teacher`: how often at least one
        of them is right, the ceiling of any rule that chooses between the two. Empty without truth or teachers.
    """
    if not truth or not asked(manifest):
        return pd.DataFrame()
    planted = metrics.codes(truth[name]["emotion"] for name in manifest["id"])
    labels, said = metrics.codes(manifest["label"]), _opinions(manifest)
    either = (said["ser"] == planted) | (said["ier"] == planted)
    groups = _groups(manifest) | {f"labelled {name}": labels == code for code, name in enumerate(settings.CLASSES)}
    return pd.DataFrame(
        [
            {"rows": name} | _share((labels == planted)[chosen]) | {"either teacher": float(either[chosen].mean())}
            for name, chosen in groups.items()
            if chosen.any()
        ]
    )


def recovery(rows: pd.DataFrame, guesses: dict[str, Array], truth: dict[str, Any]) -> pd.DataFrame:
    """Say whose word the networks repeat: the teacher's that decided, the other's, or that of neither.

    Parameters
    ----------
    rows
        n manifest rows.
    guesses
        Class indices (n,) by network: "fused", "ser", "ier".
    truth
        Planted, by id; empty where nothing was.

    Returns
    -------
    pandas.DataFrame
        `rows` (which; among them those with a wrong label), `who` (a network, or the label itself), `n`; shares
        `winner` (so the accuracy on the labels) with `low` and `high`, `loser` (where it said something else),
        `neither`, and `truth` (NaN where unknown). Empty where no teacher was asked.
    """
    if not asked(rows):
        return pd.DataFrame()
    said, groups = _opinions(rows), _groups(rows)
    planted = metrics.codes(truth[name]["emotion"] for name in rows["id"]) if truth else np.full(len(rows), -1)
    if truth:
        groups[WRONG] = said["winner"] != planted
    found = []
    for name, chosen in groups.items():
        for who, guess in {**guesses, "label": said["winner"]}.items() if chosen.any() else ():
            guess, winner, loser = guess[chosen], said["winner"][chosen], said["loser"][chosen]
            repeats = _share(guess == winner)
            behind = float(np.mean((guess == loser) & (loser != winner)))
            found.append(
                {
                    "rows": name,
                    "who": NETWORKS.get(who, LABEL),
                    "n": repeats["n"],
                    "winner": repeats["accuracy"],
                    "low": repeats["low"],
                    "high": repeats["high"],
                    "loser": behind,
                    "neither": max(0.0, 1 - repeats["accuracy"] - behind),
                    "truth": float(np.mean(guess == planted[chosen])) if truth else np.nan,
                }
            )
    return pd.DataFrame(found)


def recovery_verdicts(table: pd.DataFrame) -> list[str]:
    """Say how far ParallelNet repeats the teacher that decided, and whether it corrects a wrong label."""
    if table.empty:
        return [NOT_ASKED]
    fused = nested(table[table["who"] == NETWORKS["fused"]], "rows")
    label, said = nested(table[table["who"] == LABEL], "rows"), []
    for name, row in fused.items():
        if not name.startswith("differ"):
            continue
        text = (
            f"Where the teachers **{name.replace(',', ' and the')}** ({row['n']} pairs), ParallelNet names the class "
            f"of the winner in {row['winner']:.1%}, of the loser in {row['loser']:.1%}, another in {row['neither']:.1%}"
        )
        if row["truth"] is not None:
            text += f"; the planted emotion in {row['truth']:.1%}, and the label itself in {label[name]['truth']:.1%}"
        said.append(text + ".")
    if WRONG in fused:
        row = fused[WRONG]
        repeated, corrected = round(row["winner"] * row["n"]), round(row["truth"] * row["n"])
        p = stats.binomtest(repeated, repeated + corrected).pvalue if repeated + corrected else 1.0
        said.append(
            f"Where the **{WRONG}** ({row['n']} pairs), it repeats the mistake in {row['winner']:.1%} and names the "
            f"planted emotion in {row['truth']:.1%}: "
            + (
                "too close to call."
                if p > 0.05
                else "it follows the teachers into their mistakes more often than not."
                if repeated > corrected
                else "it has learned something that the teachers who taught it did not say."
            )
        )
    return said


def ceiling_verdict(table: pd.DataFrame) -> str:
    """Say what the labels' accuracy on the truth allows anybody to reach, and where ParallelNet lies."""
    everything = nested(table, "rows", "who").get("all")
    if everything is None or everything[LABEL]["truth"] is None:
        return "No truth is known here, so the noise of the labels, and the ceiling that it sets, cannot be measured."
    ceiling, fused = everything[LABEL]["truth"], everything[NETWORKS["fused"]]
    least, most = max(0.0, fused["winner"] + ceiling - 1), 1 - abs(fused["winner"] - ceiling)
    return (
        f"The labels of the {fused['n']} test rows are the planted emotion in **{ceiling:.1%}**. Who repeats the "
        "labels without a mistake reaches that on the truth, and who knows the truth, that on the labels. ParallelNet, "
        f"with {fused['winner']:.1%} on the labels, can therefore be anywhere from {least:.1%} to {most:.1%} on the "
        f"truth; it is at {fused['truth']:.1%}."
    )


# ---------------------------------------------------------------------------------------- shortcuts
def split_leak(manifest: pd.DataFrame, seed: int = 0) -> dict[str, Any]:
    """Ask what a random split would have let through that a split by text does not.

    A stand-in that reads (word counts and a logistic regression) is trained on two thirds of the rows and predicts the
    labels of the last third, three times over, so that each row is predicted once under both ways of splitting.

    Returns
    -------
    dict
        ``rows`` with a text; ``shared``: how many of them have their text among what a random split trains on;
        ``random`` and ``by_text``: accuracies; ``difference`` of the two, paired; ``on_shared``, the same two on the
        shared rows, None where there are none. Empty where rows are recordings without a text.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    from sklearn.pipeline import make_pipeline

    spoken = manifest[~manifest["text"].str.startswith("[recording ")]
    if len(spoken) < 3 * len(settings.CLASSES) or spoken["label"].nunique() < 2:
        return {}
    texts, labels, groups = (spoken[name].to_numpy() for name in ("text", "label", "group"))
    right, shared = {}, np.zeros(len(spoken), bool)
    for name, splitter in (("random", StratifiedKFold), ("by_text", StratifiedGroupKFold)):
        right[name] = np.zeros(len(spoken), bool)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class may be thin, and groups are not for both
            parts = list(splitter(3, shuffle=True, random_state=seed).split(texts, labels, groups))
        for train, test in parts:
            reader = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=1000))
            right[name][test] = reader.fit(texts[train], labels[train]).predict(texts[test]) == labels[test]
            if name == "random":
                shared[test] = np.isin(groups[test], groups[train])
    accuracies = {name: float(value.mean()) for name, value in right.items()}
    on_shared = {name: float(value[shared].mean()) for name, value in right.items()} if shared.any() else None
    return {
        "rows": len(spoken),
        "shared": int(shared.sum()),
        **accuracies,
        "difference": metrics.paired_difference(right["random"], right["by_text"], seed),
        "on_shared": on_shared,
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
    low, high = found["difference"]["interval"]
    text = (
        f"A random split would train on the text of {found['shared']} of {found['rows']} rows "
        f"({found['shared'] / found['rows']:.1%}). The stand-in is right on {found['random']:.1%} after a random split "
        f"and on {found['by_text']:.1%} after a split by text ({found['difference']['difference']:+.1%} [{low:+.1%}, "
        f"{high:+.1%}]). "
    )
    if found["on_shared"]:
        text += (
            f"On the rows that share their text it is {found['on_shared']['random']:.1%} against "
            f"{found['on_shared']['by_text']:.1%}. "
        )
    return text + (
        "**A random split would have flattered the result.**" if low > 0 else "No flattery can be shown here."
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
        self.networks = {name: training.load_model(run, name) for name in NETWORKS}
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
        guess = self.networks[OWN[modality]].predict({modality: given}, batch_size=64, verbose=0)
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
        rows.append({"input": name} | _share(right) | {"difference": found["difference"], "from": low, "to": high})
    return pd.DataFrame(rows)


def blanked_verdicts(table: pd.DataFrame) -> list[str]:
    """Say what each modality's absence costs, and whether what remains is as good as a network of its own."""
    rows, said = nested(table, "input"), []
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
    (speech) the teacher also names the same class. Labels are those of the row that was kept; a row that is alone of
    its kind keeps its partner.

    Parameters
    ----------
    times
        Permutations of each kind.

    Returns
    -------
    pandas.DataFrame
        `moved`, `partner from`, `n`; `accuracy` on the labels, the mean of all permutations; `difference` to the true
        pairs with `low` and `high` (95 %, bootstrap over rows); `by the rule`: accuracy on the labels that the two
        teachers' opinions give the new pairs (NaN where they were not asked).
    """
    known, rng = asked(trial.rows), np.random.default_rng([trial.run.seed, 11])
    opinions = {role: rules.teacher_opinions(trial.rows, role) for role in rules.ROLES} if known else {}
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
        kinds = nested(rows, "partner from")
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


# ----------------------------------------------------------------------------- inputs not so clean
def respoken(
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
        What is added to the seed of the voice's noise, and the speed, by name. A take that changes only the noise is
        the control: what it costs, any new recording costs.
    workers
        Processes; by default one for each core, and none beside this one for a few sentences.

    Returns
    -------
    pandas.DataFrame
        `take`, `speed`, `network` ("ParallelNet", "SER only"), `n`; `accuracy` on the labels, and `before` for the rows
        as they are; their paired `difference` with `low`, `high`, `p`; `changed`, the share of predictions that did;
        `cut`, the share of utterances longer than the window. Empty where the voice spoke nothing.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    items = explanation.find_items(trial.run, list(trial.rows["id"]))
    own = [items[name].text is not None and items[name].audio is None for name in trial.rows["id"]]
    places = trial.draw(count, np.flatnonzero(own))
    chosen = [items[name] for name in trial.rows["id"].iloc[places]]
    labels, found = trial.labels[places], []
    jobs = [
        delayed(speech.speak)(speech.clean_text(item.text or ""), seed=item.seed + more, speed=speed)
        for more, speed in takes.values()
        for item in chosen
    ]
    workers = workers or (1 if len(jobs) < _FEW else os.cpu_count() or 1)
    sounds = tqdm(Parallel(workers, return_as="generator")(jobs), "speaking", len(jobs))
    made = [(_as_stored(sound), len(sound) > settings.SIZE * settings.HOP) for sound in sounds]
    for number, take in enumerate(takes if len(places) else ()):
        mels, long = zip(*made[number * len(places) : (number + 1) * len(places)], strict=True)
        heard = np.stack(mels)
        fused = trial.judge(trial.sense("speech", heard), trial.of("image", places))
        for name, guess in (("fused", fused), ("ser", trial.alone("speech", heard))):
            before = trial.guesses[name][places]
            value = metrics.paired_difference(guess == labels, before == labels, trial.run.seed)
            found.append(
                {
                    "take": take,
                    "speed": takes[take][1],
                    "network": NETWORKS[name],
                    "n": len(places),
                    "accuracy": float(np.mean(guess == labels)),
                    "before": float(np.mean(before == labels)),
                    "difference": value["difference"],
                    "low": value["interval"][0],
                    "high": value["interval"][1],
                    "p": value["p"],
                    "changed": float(np.mean(guess != before)),
                    "cut": float(np.mean(long)),
                }
            )
    return pd.DataFrame(found)


def _as_stored(sound: Array) -> Array:
    """Return the log-mel as the shards hold it: in 255 steps."""
    return (np.round(speech.log_mel(sound) * 255) / 255).astype(np.float32)


def respoken_verdicts(table: pd.DataFrame) -> list[str]:
    """Say what another speed costs, beside what another take at the same speed costs."""
    if table.empty:
        return ["These rows are recordings: the voice cannot speak them again at another speed."]
    said = []
    for take, rows in table.groupby("take", sort=False):
        told = [
            f"{row['network']} {row['difference']:+.1%} [{row['low']:+.1%}, {row['high']:+.1%}], another answer in "
            f"{row['changed']:.1%}"
            for row in rows.to_dict("records")
        ]
        worse = rows.loc[rows["high"] < 0, "network"]
        said.append(
            f"**{str(take).capitalize()}, speed {rows['speed'].iloc[0]:g}** ({rows['n'].iloc[0]} rows): "
            + f"{'; '.join(told)}: "
            + (f"{' and '.join(worse)} clearly the worse for it." if len(worse) else "no clear loss.")
        )
    return said


def noisy(trial: Trial, count: int = 200, levels: Sequence[float] = LEVELS) -> pd.DataFrame:
    """Add Gaussian noise to one modality, and leave the other one alone.

    Parameters
    ----------
    count
        How many test rows, at most.
    levels
        Standard deviations, in units of an input between 0 and 1, to which the sum is clipped. One draw of noise is
        scaled to all levels.

    Returns
    -------
    pandas.DataFrame
        `modality` that is noisy, `level`, `network` (ParallelNet and both unimodal ones; the one that does not perceive
        the noise stands as it is), `n`, `accuracy` on the labels, `low`, `high` (Wilson, 95 %).
    """
    places = trial.draw(count)
    clean, labels = dataset.inputs(trial.rows.iloc[places], trial.folder), trial.labels[places]
    rng, found = np.random.default_rng([trial.run.seed, 13]), []
    for modality in MODALITIES:
        other = OTHER[modality]
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
                {"modality": modality, "level": level, "network": NETWORKS[name]} | _share(guesses[name] == labels)
                for name in NETWORKS
            ]
    return pd.DataFrame(found)


def noise_verdicts(table: pd.DataFrame) -> list[str]:
    """Say how much noise costs the fused network, and whether the clean modality catches it."""
    said = []
    for modality, rows in table.groupby("modality", sort=False):
        curves = rows.pivot(index="level", columns="network", values="accuracy")
        other = NETWORKS[OWN[OTHER[str(modality)]]]
        own, fused = curves[NETWORKS[OWN[str(modality)]]], curves[NETWORKS["fused"]]
        first, last = curves.index[0], curves.index[-1]
        floor = curves.loc[last, other]
        caught = rows[(rows["network"] == NETWORKS["fused"]) & (rows["level"] == last)]["high"].item() >= floor
        said.append(
            f"**Noise in the {modality}**: from level {first:g} to {last:g}, ParallelNet goes from {fused[first]:.1%} "
            f"to {fused[last]:.1%}, {own.name} from {own[first]:.1%} to {own[last]:.1%}. {other}, which does not "
            f"perceive the noise, is at {floor:.1%}: "
            + ("what is clean catches what is not." if caught else f"better without the {modality} than with this one.")
        )
    return said
