"""What a careful reader asks of the labels: may teachers be believed, and do networks merely repeat them?

Everything here is measured on what a run already has; no network is trained. Tables are data frames, and the
sentences below them are written by their numbers.

References
----------
Guo et al. (2017), "On Calibration of Modern Neural Networks": expected calibration error, temperature scaling.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special, stats

from sierlib import dataset, labelling, metrics, rules, settings
from sierlib.evaluation import MODALITIES
from sierlib.runs import Run

Array = NDArray[Any]

NETWORKS = {"fused": "ParallelNet", "ser": "SER only", "ier": "IER only"}
OWN = {modality: role for role, modality in rules.ROLES.items()}
BINS = 15  # as in Guo et al.
HARDEST, SOFTEST = 0.05, 20.0  # temperatures that are tried

#: Opinions are kept to six decimals: what was rounded to nothing is taken as half of the last one.
_ROUNDED = 5e-7

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


def share(right: Array) -> dict[str, Any]:
    """Return the share of a bool array (n,) that is true as `accuracy`, with Wilson's interval and `n`."""
    low, high = metrics.proportion_interval(right)
    return {"n": len(right), "accuracy": float(np.mean(right)), "low": low, "high": high}


# ----------------------------------------------------------------------------------------- teachers
def calibrated_error(probabilities: Array, seed: int = 0, bins: int = BINS, draws: int = 1000) -> float:
    """Return the error that a calibrated classifier, as sure as this one, stays below in 95 of 100 samples this size.

    The estimate of the error is never negative: chance alone gives some, and the more the fewer the items.
    """
    sure = probabilities.max(axis=1)
    right = np.random.default_rng(seed).random((draws, len(sure)), dtype=np.float32) < sure
    members = np.eye(bins)[metrics.bins_of(sure, bins)]  # (n, bins)
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
        found[role] = share(opinions.argmax(axis=1) == answers) | {
            "confidence": float(opinions.max(axis=1).mean()),
            "ece": metrics.calibration(opinions, answers)["ece"],
            "ece_by_chance": calibrated_error(opinions, run.seed),
            "temperature": degrees,
            "ece_half": metrics.calibration(opinions[rest], answers[rest])["ece"],
            "ece_after": metrics.calibration(after, answers[rest])["ece"],
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
                "ece": metrics.calibration(said, seen)["ece"],
                "ece_after": metrics.calibration(tempered(said, degrees), seen)["ece"],
            }
    return found


def reliability_table(run: Run, found: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return `reliability` of both `teachers` on the half that no temperature saw, before and after scaling."""
    tables = []
    for role, modality in rules.ROLES.items() if found else ():
        opinions, answers, _, rest = halves(run, role)
        for how, said in (("as it is", opinions), ("tempered", tempered(opinions, found[role]["temperature"]))):
            tables.append(
                pd.DataFrame(metrics.calibration(said[rest], answers[rest])["bins"]).assign(
                    teacher=f"{modality} teacher", opinion=how
                )
            )
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
            + (f"it is {kind}. " if value["ece"] > value["ece_by_chance"] else "that error alone shows nothing. ")
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
            {"rows": name} | share((labels == planted)[chosen]) | {"either teacher": float(either[chosen].mean())}
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
            repeats = share(guess == winner)
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
                else "it follows the label into the mistake more often than it finds what was planted."
                if repeated > corrected
                else "it has learned more than the labels say; the teacher who was overruled may have said it."
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
