"""What a careful reader asks of the labels: may teachers be believed, and do networks merely repeat
them?

Everything here is measured on what a run already has; no network is trained.

References
----------
Guo et al. (2017), "On Calibration of Modern Neural Networks": expected calibration error,
temperature scaling.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special

from sierbook import statistics
from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import labelled_by_teachers, read_manifest, read_truth
from sierlib.experiment.models import NETWORKS
from sierlib.experiment.scores import class_codes, estimate_share
from sierlib.run import Run

Array = NDArray[Any]

BINS = 15  # as in Guo et al.
HARDEST, SOFTEST = 0.05, 20.0  # temperatures that are tried

#: Opinions are kept to six decimals: what was rounded to nothing is taken as half of the last one.
_ROUNDED = 5e-7

#: In the tables of `measure_recovery`: the label as if it were a network, and the rows on which it
#: is not the truth.
LABEL, WRONG = "the label itself", "label is wrong"


def score_share(right: Array) -> dict[str, Any]:
    """Return the cells of a table's row: how often a bool array (n,) is true.

    Returns
    -------
    dict
        ``n``, ``accuracy``, and Wilson's ``low`` and ``high``.
    """
    share = estimate_share(right)
    return {"n": share["n"], "accuracy": share["value"], "low": share["low"], "high": share["high"]}


def chance_calibration_error(
    probabilities: Array, seed: int = 0, bins: int = BINS, draws: int = 1000
) -> float:
    """Return the error that a calibrated classifier, as sure as this one, stays below in 95 of 100
    samples this size.

    The estimate of the error is never negative: chance alone gives some, and the more the fewer the
    items.
    """
    sure = probabilities.max(axis=1)
    right = np.random.default_rng(seed).random((draws, len(sure)), dtype=np.float32) < sure
    members = np.eye(bins)[statistics.bins_of(sure, bins)]  # (n, bins)
    found = np.abs((sure - right) @ members).sum(axis=1) / len(sure)
    return float(np.quantile(found, 0.95))


def _log_probabilities(probabilities: Array) -> Array:
    known = probabilities.any(axis=0)  # a class that a teacher's corpus lacks stays impossible
    return np.where(known, np.log(np.maximum(probabilities, _ROUNDED)), -np.inf)


def temper(probabilities: Array, temperature: float) -> Array:
    """Return softmax(log p / T): softer for T > 1, harder for T < 1; each row's largest stays the
    largest."""
    return np.asarray(special.softmax(_log_probabilities(probabilities) / temperature, axis=1))


def log_loss(probabilities: Array, answers: Array, temperature: float = 1.0) -> float:
    """Return the mean negative log-likelihood of the answers, in nats, after scaling by a
    temperature."""
    logs = special.log_softmax(_log_probabilities(probabilities) / temperature, axis=1)
    return float(-np.mean(logs[np.arange(len(answers)), answers]))


def fit_temperature(probabilities: Array, answers: Array) -> float:
    """Return the temperature of least negative log-likelihood, between `HARDEST` and `SOFTEST`."""
    found = optimize.minimize_scalar(
        lambda log: log_loss(probabilities, answers, np.exp(log)),
        bounds=(np.log(HARDEST), np.log(SOFTEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(np.exp(found.x))


def split_held_out(run: Run, role: str) -> tuple[Array, Array, Array, Array]:
    """Return a teacher's held-out opinions (n, 4) and answers (n,), and rows to fit a temperature
    on and to test it."""
    from sierlib.experiment.teachers import read_held_out  # TensorFlow, which pages do without

    held = read_held_out(run, role)
    order = np.random.default_rng(run.seed).permutation(len(held))
    opinions = held[list(settings.CLASSES)].to_numpy(float)
    return opinions, class_codes(held["label"]), order[: len(held) // 2], order[len(held) // 2 :]


def _read_pairs(run: Run) -> pd.DataFrame:
    """Return all pairs that teachers were asked about, the discarded ones too."""
    return pd.concat(
        [read_manifest(run, name) for name in ("manifest", "discarded")], ignore_index=True
    )


def score_teachers(run: Run) -> dict[str, dict[str, Any]]:
    """Score both teachers on items of their own corpora that they never saw.

    Returns
    -------
    dict
        By role: ``accuracy``, an estimate; mean ``confidence``; ``ece``, and
        ``ece_by_chance`` as `chance_calibration_error`; ``temperature``, fitted on one half; on
        the other half ``ece_half`` and ``log_loss``, with ``ece_after`` and ``log_loss_after``;
        ``pairs``: ``n``, ``accuracy``, ``ece`` and ``ece_after`` on the pairs, against the emotion
        planted in what this teacher perceives, None where nothing was planted. Empty where no
        teacher was asked.
    """
    pairs, truth = _read_pairs(run), read_truth(run)
    if not labelled_by_teachers(pairs):
        return {}
    found: dict[str, dict[str, Any]] = {}
    for role, modality in settings.ROLES.items():
        opinions, answers, fitted, rest = split_held_out(run, role)
        degrees = fit_temperature(opinions[fitted], answers[fitted])
        after = temper(opinions[rest], degrees)
        planted = None
        if truth:
            emotions = pd.Series([truth[name][modality]["emotion"] for name in pairs["id"]])
            planted = _score_on_pairs(label_rule.teacher_opinions(pairs, role), emotions, degrees)
        found[role] = {
            "accuracy": estimate_share(opinions.argmax(axis=1) == answers),
            "confidence": float(opinions.max(axis=1).mean()),
            "ece": statistics.calibration(opinions, answers)["ece"],
            "ece_by_chance": chance_calibration_error(opinions, run.seed),
            "temperature": degrees,
            "ece_half": statistics.calibration(opinions[rest], answers[rest])["ece"],
            "ece_after": statistics.calibration(after, answers[rest])["ece"],
            "log_loss": log_loss(opinions[rest], answers[rest]),
            "log_loss_after": log_loss(opinions[rest], answers[rest], degrees),
            "pairs": planted,
        }
    return found


def _score_on_pairs(
    opinions: Array, emotions: pd.Series, temperature: float
) -> dict[str, Any] | None:
    """Score a teacher on pairs against what was planted; a neutral one has no right answer."""
    known = emotions.notna().to_numpy()
    if not known.any():
        return None
    answers, opinions = class_codes(emotions[known]), opinions[known]
    return {
        "n": len(answers),
        "accuracy": float(np.mean(opinions.argmax(axis=1) == answers)),
        "ece": statistics.calibration(opinions, answers)["ece"],
        "ece_after": statistics.calibration(temper(opinions, temperature), answers)["ece"],
    }


def reliability_table(run: Run, found: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return the calibration of both teachers on the half that no temperature saw, before and after
    scaling.

    Parameters
    ----------
    found
        As of `score_teachers`.

    Returns
    -------
    pandas.DataFrame
        `statistics.calibration`'s bins, with `teacher` and `opinion` ("as it is", "tempered").
        Empty where no teacher was asked.
    """
    tables = []
    for role in found:
        opinions, answers, _, rest = split_held_out(run, role)
        tempered = temper(opinions, found[role]["temperature"])
        for kind, given in (("as it is", opinions), ("tempered", tempered)):
            table = pd.DataFrame(statistics.calibration(given[rest], answers[rest])["bins"])
            teacher = f"{settings.ROLES[role]} teacher"
            tables.append(table.assign(teacher=teacher, opinion=kind))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def relabel_tempered(run: Run, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Label all pairs again by the same rule, after both teachers' temperature scaling.

    Parameters
    ----------
    found
        As of `score_teachers`.

    Returns
    -------
    dict
        ``rows``; ``kept`` (either way), ``dropped`` and ``rescued`` (by the threshold); of those
        kept either way ``winners`` and ``changed`` (labels), with ``share``; ``speech_wins``
        and ``speech_wins_after``; where a truth is known ``right``, ``right_after`` and their
        paired ``difference``. Empty where no teacher was asked.
    """
    if not found:
        return {}
    pairs = _read_pairs(run)
    opinions = {role: label_rule.teacher_opinions(pairs, role) for role in settings.ROLES}
    tempered = {
        role: temper(values, found[role]["temperature"]) for role, values in opinions.items()
    }
    before = label_rule.max_rule(opinions["ser"], opinions["ier"])
    after = label_rule.max_rule(tempered["ser"], tempered["ier"])
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
    truth = read_truth(run)
    if truth and kept.any():
        planted = class_codes(truth[name]["emotion"] for name in pairs.loc[kept, "id"])
        right, right_after = (rule["label"][kept] == planted for rule in (before, after))
        value |= {
            "right": float(right.mean()),
            "right_after": float(right_after.mean()),
            "difference": statistics.paired_difference(right_after, right, run.seed),
        }
    return value


def label_provenance(manifest: pd.DataFrame) -> pd.DataFrame:
    """Say who decided the labels: a row for each class and for all.

    Returns
    -------
    pandas.DataFrame
        `rows`; shares of them: `speech teacher won`, `equally sure` (speech decides), `teachers
        agree`; the median `lead` of the winner's confidence where speech and where the image won.
        Empty where no teacher was asked.
    """
    if not labelled_by_teachers(manifest):
        return pd.DataFrame()
    ser, ier = (label_rule.teacher_opinions(manifest, role) for role in settings.ROLES)
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
        rows[name] = {
            "rows": len(part),
            **shares,
            "lead, speech": leads.get(True, np.nan),
            "lead, image": leads.get(False, np.nan),
        }
    return pd.DataFrame(rows).T.astype({"rows": int}).rename_axis("label")


def _named_classes(rows: pd.DataFrame) -> dict[str, Array]:
    """Return class indices (n,): what each teacher names, and under "winner" and "loser" what the
    one that decided names, and the other."""
    ser, ier = (label_rule.teacher_opinions(rows, role).argmax(axis=1) for role in settings.ROLES)
    speech_won = rows["winner"].to_numpy() == "ser"
    return {
        "ser": ser,
        "ier": ier,
        "winner": np.where(speech_won, ser, ier),
        "loser": np.where(speech_won, ier, ser),
    }


def _group_pairs(rows: pd.DataFrame) -> dict[str, Array]:
    """Return which rows (bool) are in each group of pairs, by what the teachers made of them."""
    named, speech_won = _named_classes(rows), rows["winner"].to_numpy() == "ser"
    differ = named["ser"] != named["ier"]
    return {
        "all": np.ones(len(rows), bool),
        "teachers agree": ~differ,
        "differ, speech teacher won": differ & speech_won,
        "differ, image teacher won": differ & ~speech_won,
    }


def measure_label_noise(manifest: pd.DataFrame, truth: dict[str, Any]) -> pd.DataFrame:
    """Say how often labels are the planted emotion, by who decided and by class.

    Returns
    -------
    pandas.DataFrame
        `rows` (which), `n`, `accuracy` of the label with `low` and `high`, and `either teacher`:
        how often at least one of them is right, the ceiling of any rule that chooses between the
        two. Empty without truth or teachers.
    """
    if not truth or not labelled_by_teachers(manifest):
        return pd.DataFrame()
    planted = class_codes(truth[name]["emotion"] for name in manifest["id"])
    labels, named = class_codes(manifest["label"]), _named_classes(manifest)
    either = (named["ser"] == planted) | (named["ier"] == planted)
    groups = _group_pairs(manifest)
    for code, name in enumerate(settings.CLASSES):
        groups[f"labelled {name}"] = labels == code
    found = []
    for name, chosen in groups.items():
        if chosen.any():
            right = score_share((labels == planted)[chosen])
            ceiling = float(either[chosen].mean())
            found.append({"rows": name, **right, "either teacher": ceiling})
    return pd.DataFrame(found)


def measure_recovery(
    rows: pd.DataFrame, guesses: dict[str, Array], truth: dict[str, Any]
) -> pd.DataFrame:
    """Say whose word the networks repeat: the teacher's that decided, the other's, or that of
    neither.

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
        `rows` (which; among them those with a wrong label), `who` (a network, or the label itself),
        `n`; shares `winner` (so the accuracy on the labels) with `low` and `high`, `loser` (where
        it said something else), `neither`, and `truth` (NaN where unknown). Empty where no teacher
        was asked.
    """
    if not labelled_by_teachers(rows):
        return pd.DataFrame()
    named, groups = _named_classes(rows), _group_pairs(rows)
    planted = None
    if truth:
        planted = class_codes(truth[name]["emotion"] for name in rows["id"])
        groups[WRONG] = named["winner"] != planted
    found = []
    for group, chosen in groups.items():
        if not chosen.any():
            continue
        winner, loser = named["winner"][chosen], named["loser"][chosen]
        for who, guesses_of_all in {**guesses, "label": named["winner"]}.items():
            guess = guesses_of_all[chosen]
            repeats = score_share(guess == winner)
            follows_loser = float(np.mean((guess == loser) & (loser != winner)))
            found.append(
                {
                    "rows": group,
                    "who": NETWORKS[who].title if who in NETWORKS else LABEL,
                    "n": repeats["n"],
                    "winner": repeats["accuracy"],
                    "low": repeats["low"],
                    "high": repeats["high"],
                    "loser": follows_loser,
                    "neither": max(0.0, 1 - repeats["accuracy"] - follows_loser),
                    "truth": np.nan if planted is None else np.mean(guess == planted[chosen]),
                }
            )
    return pd.DataFrame(found)
