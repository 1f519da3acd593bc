"""Questions with known answers: forged teachers, students who repeat or know better, leaks that were put there."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy import special

from sierlib import dataset, explanation, plots, plots_trust, results, rules, scrutiny, settings, training
from sierlib.runs import Run
from sierlib.settings import CLASSES

ANGER, HAPPY, HATE, SAD = range(4)


def forged(*rows: tuple[list[float], list[float]], truth: list[str] | None = None) -> tuple[pd.DataFrame, dict]:
    """Manifest rows for the given opinions of both teachers, labelled by the rule; and what was planted in them."""
    ser, ier = (np.array([row[side] for row in rows]) for side in (0, 1))
    rule = rules.max_rule(ser, ier)
    manifest = pd.DataFrame({"id": [f"p{n}" for n in range(len(rows))], "label": [CLASSES[c] for c in rule["label"]]})
    for role, said in (("ser", ser), ("ier", ier)):
        manifest[[f"{role}_{name}" for name in CLASSES]] = said
    manifest["winner"], manifest["split"] = rule["winner"], "test"
    planted = {
        name: {"emotion": emotion, **{m: {"emotion": emotion} for m in rules.ROLES.values()}}
        for name, emotion in zip(manifest["id"], truth or [], strict=False)
    }
    return manifest, planted


def sure(code: int, by: float) -> list[float]:
    """An opinion that names one class, and spreads the rest evenly."""
    return [by if other == code else (1 - by) / 3 for other in range(4)]


def written(folder: Path, manifest: pd.DataFrame, truth: dict[str, Any], discarded: pd.DataFrame | None = None) -> Run:
    """A run that holds no more than these rows."""
    place = folder / "dataset"
    place.mkdir(parents=True)
    for name, frame in (("manifest", manifest), ("discarded", manifest.head(0) if discarded is None else discarded)):
        frame.assign(text="words").to_csv(place / f"{name}.csv", index=False)
    lines = [json.dumps({"id": name, **value}) + "\n" for name, value in truth.items()]
    if lines:
        (place / "truth.jsonl").write_text("".join(lines), encoding="utf-8")
    return Run(settings.profile("smoke"), "synthetic", "synthetic", "synthetic", 0, folder)


#: Both agree and are right; speech wins and is right; the image wins and is wrong; both are wrong.
FOUR = forged(
    (sure(HAPPY, 0.9), sure(HAPPY, 0.8)),
    (sure(SAD, 0.9), sure(HAPPY, 0.6)),
    (sure(SAD, 0.6), sure(HATE, 0.7)),
    (sure(ANGER, 0.7), sure(ANGER, 0.9)),
    truth=["happy", "sad", "sad", "happy"],
)


# ------------------------------------------------------------------------------------------ calibration
def test_the_calibration_error_by_hand() -> None:
    # Four sure by 0.95, three of them right; two sure by 0.65, both right: (4 * 0.20 + 2 * 0.35) / 6.
    said = np.array([[0.95, 0.05]] * 4 + [[0.65, 0.35]] * 2)
    answers = np.array([0, 0, 0, 1, 0, 0])
    assert scrutiny.calibration_error(said, answers) == pytest.approx(0.25)
    table = scrutiny.reliability(said, answers)
    assert table["n"].tolist() == [2, 4] and table["confidence"].tolist() == pytest.approx([0.65, 0.95])
    assert table["accuracy"].tolist() == [1.0, 0.75] and (table["low"] < table["accuracy"]).all()


def test_errors_in_one_bin_make_up_for_each_other_and_in_two_they_do_not() -> None:
    said, answers = np.array([[0.9, 0.1], [0.7, 0.3]]), np.array([1, 0])  # wrong when surer, right when less sure
    assert scrutiny.calibration_error(said, answers, bins=1) == pytest.approx(0.3)  # |0.5 - 0.8|
    assert scrutiny.calibration_error(said, answers, bins=15) == pytest.approx((0.9 + 0.3) / 2)


def test_a_bin_holds_its_upper_edge() -> None:
    said = np.array([[0.5, 0.3, 0.2, 0.0], [0.4, 0.3, 0.2, 0.1], [0.51, 0.49, 0.0, 0.0]])
    assert scrutiny.reliability(said, np.zeros(3, int), bins=2)["n"].tolist() == [2, 1]


def test_a_calibrated_classifier_stays_below_its_bound_about_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    below = 0
    for seed in range(150):
        said = special.softmax(2 * rng.normal(size=(200, 4)), axis=1)
        answers = (rng.random((200, 1)) > said.cumsum(axis=1)).sum(axis=1).clip(max=3)  # drawn as it says
        below += scrutiny.calibration_error(said, answers) <= scrutiny.calibrated_error(said, seed, draws=300)
    assert 0.88 <= below / 150 <= 0.995


@pytest.mark.parametrize("degrees", [0.5, 1.0, 2.5])
def test_temperature_scaling_finds_the_temperature_that_was_put_there(degrees: float) -> None:
    rng = np.random.default_rng(1)
    logits = 1.5 * rng.normal(size=(8_000, 4))
    honest = special.softmax(logits / degrees, axis=1)
    answers = (rng.random((8_000, 1)) > honest.cumsum(axis=1)).sum(axis=1).clip(max=3)
    said = special.softmax(logits, axis=1)
    found = scrutiny.temperature(said, answers)
    assert found == pytest.approx(degrees, rel=0.06)
    assert np.allclose(scrutiny.tempered(said, degrees), honest, atol=1e-6)
    after = scrutiny.calibration_error(scrutiny.tempered(said, found), answers)
    assert after < 0.02 and (degrees == 1.0 or after < scrutiny.calibration_error(said, answers) / 3)
    # No other temperature is likelier.
    loss = scrutiny.log_loss(said, answers, found)
    assert all(loss <= scrutiny.log_loss(said, answers, found * factor) for factor in (0.8, 0.95, 1.05, 1.25))


@given(seed=st.integers(0, 10_000), degrees=st.floats(0.1, 10))
def test_a_temperature_changes_how_sure_and_never_what(seed: int, degrees: float) -> None:
    said = np.random.default_rng(seed).dirichlet(np.ones(4), 20)
    said[:, HATE] = 0  # a class its corpus lacks
    said /= said.sum(axis=1, keepdims=True)
    after = scrutiny.tempered(said, degrees)
    assert np.allclose(after.sum(axis=1), 1) and not after[:, HATE].any()
    assert np.array_equal(after.argmax(axis=1), said.argmax(axis=1))
    assert (
        (after.max(axis=1) >= said.max(axis=1) - 1e-6)
        if degrees < 1
        else (after.max(axis=1) <= said.max(axis=1) + 1e-6)
    ).all()


def test_a_probability_that_was_rounded_away_does_not_stay_certain() -> None:
    said = np.array([[1.0, 0.0, 0.0, 0.0], [0.2, 0.2, 0.3, 0.3]])
    after = scrutiny.tempered(said, 4.0)
    assert after[0, 0] < 0.95 and after[0].argmax() == 0
    assert np.isfinite(scrutiny.log_loss(said, np.array([1, 0])))


def test_teachers_are_judged_on_what_they_never_saw(tiny_run: Run) -> None:
    found = scrutiny.teachers(tiny_run)
    assert set(found) == {"ser", "ier"}
    for role, value in found.items():
        report = json.loads((tiny_run.folder / "models" / f"teacher-{role}.json").read_text(encoding="utf-8"))
        assert value["n"] == report["rows"]["held_out"]
        assert value["accuracy"] == pytest.approx(report["held_out"]["accuracy"])
        assert 0 <= value["ece"] <= 1 and scrutiny.HARDEST <= value["temperature"] <= scrutiny.SOFTEST
        assert value["pairs"]["n"] > 0
    table = scrutiny.reliability_table(tiny_run, found)
    assert table.groupby(["teacher", "opinion"])["n"].sum().nunique() <= 2  # each half is counted once
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert len(scrutiny.teacher_verdicts(found)) == 2
    plots_trust.reliability(table)


def _teacher(**values: Any) -> dict[str, dict[str, Any]]:
    usual = {"n": 100, "accuracy": 0.8, "confidence": 0.9, "ece": 0.1, "ece_by_chance": 0.05, "temperature": 2.0,
             "ece_half": 0.1, "ece_after": 0.02, "pairs": None}  # fmt: skip
    return {"ser": usual | values}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "over-confident"),
        ({"confidence": 0.7}, "under-confident"),
        ({"ece": 0.04}, "nothing can be held against it"),
        ({"temperature": 0.0501}, "do not tell"),
        ({"pairs": {"n": 7, "accuracy": 0.5, "ece": 0.2, "ece_after": 0.3}}, "on 7 pairs from 0.200 to 0.300"),
    ],
)
def test_what_is_said_of_a_teacher_follows_from_its_numbers(values: dict[str, Any], words: str) -> None:
    assert words in scrutiny.teacher_verdicts(_teacher(**values))[0]


# --------------------------------------------------------------------------------------- other labels
def _degrees(ser: float, ier: float) -> dict[str, dict[str, Any]]:
    return {"ser": {"temperature": ser}, "ier": {"temperature": ier}}


def test_a_teacher_that_is_cooled_down_loses_what_it_won_by_shouting(tmp_path: Path) -> None:
    manifest, truth = forged(
        (sure(ANGER, 0.7), sure(HAPPY, 0.8)),  # the image teacher wins, until it is cooled
        (sure(SAD, 0.6), sure(SAD, 0.9)),  # the winner changes, the label does not
        (sure(SAD, 0.9), sure(HAPPY, 0.6)),  # nothing changes
        (sure(SAD, 0.3), sure(HAPPY, 0.7)),  # falls below the threshold
        truth=["anger", "sad", "sad", "happy"],
    )
    found = scrutiny.relabelled(written(tmp_path / "run", manifest, truth), _degrees(1.0, 3.0))
    assert (found["rows"], found["kept"], found["dropped"], found["rescued"]) == (4, 3, 1, 0)
    assert (found["winners"], found["changed"], found["share"]) == (2, 1, pytest.approx(1 / 3))
    assert (found["speech_wins"], found["speech_wins_after"]) == (
        0.25,
        0.75,
    )  # where both are unsure, still the surer one
    assert (found["right"], found["right_after"]) == (pytest.approx(2 / 3), 1.0)
    assert found["difference"]["difference"] == pytest.approx(1 / 3)
    assert "**1 labels" in scrutiny.relabelling_verdict(found)


def test_discarded_pairs_may_come_back(tmp_path: Path) -> None:
    manifest, _ = forged((sure(SAD, 0.9), sure(SAD, 0.8)))
    discarded, _ = forged((sure(SAD, 0.4), sure(HAPPY, 0.45)))
    run = written(tmp_path / "run", manifest, {}, discarded.assign(id="d0", split=""))
    found = scrutiny.relabelled(run, _degrees(0.5, 0.5))
    assert found["rescued"] == 1 and found["rows"] == 2 and "right" not in found
    assert "nothing was planted" in scrutiny.relabelling_verdict(found)


def test_labels_change_only_where_teachers_differ_and_never_at_temperature_one(tiny_run: Run) -> None:
    same = scrutiny.relabelled(tiny_run, _degrees(1.0, 1.0))
    assert same["changed"] == same["dropped"] == same["rescued"] == 0
    assert same["kept"] == len(dataset.read_manifest(tiny_run))
    pairs = pd.concat([dataset.read_manifest(tiny_run, name) for name in ("manifest", "discarded")])
    differ = np.not_equal(*(rules.teacher_opinions(pairs, role).argmax(axis=1) for role in rules.ROLES)).sum()
    found = scrutiny.relabelled(tiny_run, _degrees(0.3, 3.0))
    assert found["changed"] <= min(found["winners"], differ)


# -------------------------------------------------------------------------------------- whose labels
def test_the_authors_of_labels_are_counted() -> None:
    manifest, _ = FOUR
    table = scrutiny.provenance(manifest)
    assert table["rows"].to_dict() == {"anger": 1, "happy": 1, "hate": 1, "sad": 1, "all": 4}
    assert table.loc["all", "speech teacher won"] == 0.5 and table.loc["all", "teachers agree"] == 0.5
    assert table.loc["sad", "lead, speech"] == pytest.approx(0.3) and np.isnan(table.loc["sad", "lead, image"])
    assert table.loc["all", "equally sure"] == 0
    tied, _ = forged((sure(SAD, 0.8), sure(HAPPY, 0.8)))
    assert scrutiny.provenance(tied).loc["all", ["equally sure", "speech teacher won"]].tolist() == [1, 1]


def test_noise_is_found_where_it_was_put() -> None:
    table = scrutiny.label_noise(*FOUR).set_index("rows")
    assert table.loc["all", "accuracy"] == 0.5 and table.loc["all", "either teacher"] == 0.75
    assert table.loc["teachers agree", "accuracy"] == 0.5 and table.loc["teachers agree", "either teacher"] == 0.5
    assert table.loc["differ, speech teacher won", "accuracy"] == 1
    assert table.loc["differ, image teacher won", ["accuracy", "either teacher"]].tolist() == [0, 1]
    assert table.loc["labelled hate", "accuracy"] == 0 and table["n"].iloc[-4:].sum() == 4
    assert scrutiny.label_noise(FOUR[0], {}).empty


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        ([HAPPY, SAD, HATE, ANGER], {"winner": 1.0, "loser": 0.0, "neither": 0.0, "truth": 0.5}),  # repeats
        ([HAPPY, SAD, SAD, HAPPY], {"winner": 0.5, "loser": 0.25, "neither": 0.25, "truth": 1.0}),  # knows better
        ([SAD, ANGER, ANGER, SAD], {"winner": 0.0, "loser": 0.0, "neither": 1.0, "truth": 0.0}),  # learned nothing
    ],
)
def test_students_are_told_apart(student: list[int], expected: dict[str, float]) -> None:
    table = scrutiny.recovery(FOUR[0], {"fused": np.array(student)}, FOUR[1])
    own = table[table["who"] == "ParallelNet"].set_index("rows")
    assert own.loc["all", list(expected)].to_dict() == pytest.approx(expected)
    assert np.allclose(table[["winner", "loser", "neither"]].sum(axis=1), 1)
    assert own.loc[scrutiny.WRONG, "n"] == 2 and own.loc[scrutiny.WRONG, "winner"] == (student[2] == HATE)
    label = table[table["who"] == scrutiny.LABEL].set_index("rows")
    assert (label["winner"] == 1).all() and label.loc["all", "truth"] == 0.5 and label.loc[scrutiny.WRONG, "truth"] == 0


def test_recovery_agrees_with_the_scores_of_notebook_04(tiny_run: Run) -> None:
    rows, predicted = training.predict_test(tiny_run)
    truth = dataset.read_truth(tiny_run)
    guesses = {name: value.argmax(axis=1) for name, value in predicted.items()}
    table = scrutiny.nested(scrutiny.recovery(rows, guesses, truth), "rows", "who")["all"]
    scores = results.evaluate(tiny_run)["scores"]
    for name, title in (("fused", "ParallelNet"), ("speech", "SER only"), ("image", "IER only")):
        assert table[title]["winner"] == pytest.approx(scores["labels"][name]["accuracy"])
        assert table[title]["truth"] == pytest.approx(scores["truth"][name]["accuracy"])
    assert table[scrutiny.LABEL]["truth"] == pytest.approx(scores["truth"]["label"]["accuracy"])


@pytest.mark.parametrize(
    ("repeats", "knows", "words"),
    [(90, 0, "follows the teachers"), (0, 90, "did not say"), (45, 45, "too close to call")],
)
def test_mistakes_are_repeated_or_corrected(repeats: int, knows: int, words: str) -> None:
    wrong = [(sure(SAD, 0.6), sure(HATE, 0.7))] * 90
    manifest, truth = forged(*wrong, truth=["sad"] * 90)
    table = scrutiny.recovery(manifest, {"fused": np.array([HATE] * repeats + [SAD] * knows)}, truth)
    said = scrutiny.recovery_verdicts(table)
    assert words in said[-1] and "differ and the image teacher won" in said[0]


def test_the_ceiling_bounds_what_noisy_labels_can_tell() -> None:
    for student in ([HAPPY, SAD, HATE, ANGER], [HAPPY, SAD, SAD, HAPPY], [SAD, ANGER, ANGER, SAD]):
        table = scrutiny.recovery(FOUR[0], {"fused": np.array(student)}, FOUR[1])
        own = scrutiny.nested(table, "rows", "who")["all"]["ParallelNet"]
        ceiling = 0.5
        assert max(0, own["winner"] + ceiling - 1) <= own["truth"] <= 1 - abs(own["winner"] - ceiling)
        assert "**50.0%**" in scrutiny.ceiling_verdict(table)
    blind = scrutiny.recovery(FOUR[0], {"fused": np.zeros(4, int)}, {})
    assert "cannot be measured" in scrutiny.ceiling_verdict(blind) and blind["truth"].isna().all()
    assert len(scrutiny.recovery_verdicts(blind)) == 2


def test_a_corpus_with_labels_has_no_teachers_to_question(labelled_run: Run) -> None:
    manifest = dataset.read_manifest(labelled_run)
    found = scrutiny.teachers(labelled_run)
    assert found == {} and scrutiny.reliability_table(labelled_run, found).empty
    assert scrutiny.teacher_verdicts(found) == [scrutiny.NOT_ASKED]
    assert scrutiny.relabelled(labelled_run, found) == {} and scrutiny.relabelling_verdict({}) == scrutiny.NOT_ASKED
    assert scrutiny.provenance(manifest).empty and scrutiny.label_noise(manifest, {}).empty
    table = scrutiny.recovery(manifest, {"fused": np.zeros(len(manifest), int)}, {})
    assert table.empty and scrutiny.nested(table, "rows", "who") == {}
    assert scrutiny.recovery_verdicts(table) == [scrutiny.NOT_ASKED] and "No truth" in scrutiny.ceiling_verdict(table)


# ------------------------------------------------------------------------------------------ the split
def _sentences(texts: list[str], labels: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"text": texts, "label": labels, "group": dataset.groups_of(texts)})


def test_a_leak_through_repeated_sentences_is_found() -> None:
    # The label belongs to the sentence and to none of its words: it can be remembered and not understood.
    rng = np.random.default_rng(0)
    words = np.array([f"word{n}" for n in range(400)])
    texts = [" ".join(rng.choice(words, 5, replace=False)) for _ in range(120)]
    labels = [CLASSES[code] for code in rng.integers(0, 4, 120)]
    found = scrutiny.split_leak(_sentences(texts * 4, labels * 4))
    assert found["rows"] == 480 and found["shared"] > 400
    assert found["random"] > 0.6 and found["by_text"] < 0.4 and found["difference"]["interval"][0] > 0.2
    assert found["on_shared"]["random"] > found["on_shared"]["by_text"]
    assert "would have flattered" in scrutiny.leak_verdict(found)


def test_without_repeated_sentences_there_is_nothing_to_leak() -> None:
    texts = [f"number {n} is {'glad' if n % 2 else 'gloomy'}" for n in range(60)]
    found = scrutiny.split_leak(_sentences(texts, ["happy" if n % 2 else "sad" for n in range(60)]))
    assert found["shared"] == 0 and found["on_shared"] is None and found["by_text"] > 0.9
    assert "No flattery" in scrutiny.leak_verdict(found)
    recordings = _sentences([f"[recording {n}]" for n in range(60)], ["happy", "sad"] * 30)
    assert scrutiny.split_leak(recordings) == {} and "recordings" in scrutiny.leak_verdict({})


def test_pictures_on_both_sides_are_counted(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, settings.SIZE, settings.SIZE, 3), dtype=np.uint8)
    pictures[3] = pictures[0]  # a test picture that was trained on
    np.save(tmp_path / "image-00000.npy", pictures)
    rows = pd.DataFrame({"image": [f"image-00000.npy#{n}" for n in range(5)], "split": ["train"] * 3 + ["test"] * 2})
    assert scrutiny.shared_pictures(rows, tmp_path, at_once=2) == 1


# -------------------------------------------------------------------------------------------- one trial
class Toy(scrutiny.Trial):
    """Test rows whose features are the teachers' opinions, and a network made of one line."""

    def __init__(self, manifest: pd.DataFrame, network: Any) -> None:
        self.run, self.rows, self.network = SimpleNamespace(seed=0, profile=None), manifest, network
        self.labels = np.array([CLASSES.index(name) for name in manifest["label"]])
        self.features = {m: [rules.teacher_opinions(manifest, scrutiny.OWN[m])] for m in rules.ROLES.values()}
        self.guesses = {"fused": self.judge(self.features["speech"], self.features["image"])}

    def judge(self, speech: Any, image: Any) -> np.ndarray:
        return self.network(speech[0], image[0])


def _many(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return forged(*(tuple(rng.dirichlet(np.full(4, 0.5)).tolist() for _ in range(2)) for _ in range(n)))[0]


@pytest.fixture(scope="module")
def trial(tiny_run: Run) -> scrutiny.Trial:
    return scrutiny.Trial(tiny_run)


def test_the_halves_put_together_are_the_network(trial: scrutiny.Trial, tiny_run: Run) -> None:
    rows, predicted = training.predict_test(tiny_run)
    assert trial.rows["id"].tolist() == rows["id"].tolist()
    for name, value in predicted.items():
        assert np.array_equal(trial.guesses[name], value.argmax(axis=1))
    given = dataset.inputs(rows, tiny_run.folder / "dataset")
    for modality in ("speech", "image"):
        for own, kept in zip(trial.sense(modality, given[modality]), trial.features[modality], strict=True):
            assert np.allclose(own, kept, atol=1e-4)
        assert np.array_equal(trial.alone(modality, given[modality]), trial.guesses[scrutiny.OWN[modality]])


def test_rows_are_drawn_in_order_and_always_the_same(trial: scrutiny.Trial) -> None:
    places = trial.draw(5)
    assert len(set(places)) == 5 and (np.diff(places) > 0).all() and np.array_equal(places, trial.draw(5))
    assert len(trial.draw(10_000)) == len(trial.rows) and set(trial.draw(9, np.array([1, 4]))) == {1, 4}


def test_blank_inputs_are_what_the_network_is_asked_about(trial: scrutiny.Trial) -> None:
    table = scrutiny.blanked(trial).set_index("input")
    n = len(trial.rows)
    given = dataset.inputs(trial.rows, trial.folder)
    for name, changed in (
        ("silence", {"speech": np.zeros_like(given["speech"])}),
        ("grey image", {"image": np.full_like(given["image"], 0.5)}),
    ):
        guess = trial.networks["fused"].predict({**given, **changed}, verbose=0).argmax(axis=1)
        assert table.loc[name, "accuracy"] == pytest.approx(np.mean(guess == trial.labels), abs=1.01 / n)
    shares = np.bincount(trial.labels, minlength=4) / n
    assert any(table.loc["silence and grey", "accuracy"] == pytest.approx(share) for share in shares)
    assert table.loc["both as given", ["difference", "from", "to"]].tolist() == [0, 0, 0]
    said = scrutiny.blanked_verdicts(table.reset_index())
    assert len(said) == 3 and "Silence" in said[0] and "Grey image" in said[1]


@given(strata=st.lists(st.integers(0, 3), min_size=1, max_size=40), seed=st.integers(0, 99))
def test_partners_are_exchanged_within_their_stratum(strata: list[int], seed: int) -> None:
    given_strata = np.array(strata)
    order = scrutiny.shuffled(given_strata, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(strata))) and np.array_equal(given_strata[order], given_strata)


def test_a_network_that_does_not_listen_loses_nothing_by_other_speech() -> None:
    manifest = _many()
    found = scrutiny.exchanged(Toy(manifest, lambda speech, image: image.argmax(axis=1)), times=2)
    speech, image = (found[found["moved"] == name].set_index("partner from") for name in ("speech", "image"))
    assert (speech["difference"] == 0).all() and image.loc["any row", "high"] < -0.1
    assert image.loc["the same label and opinion", "difference"] == 0  # the class that the image names is all it uses
    said = scrutiny.exchange_verdicts(found)
    assert "cannot be shown that the speech is used at all" in said[1] and "What the image says is used" in said[0]


def test_a_network_that_is_the_rule_is_right_about_pairs_that_never_were() -> None:
    manifest = _many()
    trial = Toy(manifest, lambda speech, image: rules.max_rule(speech, image)["label"])
    found = scrutiny.exchanged(trial, times=2)
    assert (found["by the rule"] == 1).all() and (found.loc[found["partner from"] == "any row", "high"] < 0).all()
    assert "is right in 100.0%, on the true pairs and theirs in 100.0%" in scrutiny.exchange_verdicts(found)[-1]


def test_a_network_that_knows_pairs_by_heart_loses_by_every_exchange() -> None:
    manifest = _many()
    labels = {tuple(np.r_[s, i]): code for s, i, code in zip(
        rules.teacher_opinions(manifest, "ser"), rules.teacher_opinions(manifest, "ier"),
        (CLASSES.index(name) for name in manifest["label"]), strict=True)}  # fmt: skip
    trial = Toy(manifest, lambda s, i: np.array([labels.get(tuple(pair), -1) for pair in np.hstack([s, i])]))
    found = scrutiny.exchanged(trial, times=2)
    assert (found["high"] < 0).all() and "more of it is used than its class" in scrutiny.exchange_verdicts(found)[0]


def test_where_no_teacher_was_asked_partners_are_exchanged_by_label_alone() -> None:
    trial = Toy(_many(60), lambda speech, image: image.argmax(axis=1))
    trial.rows = trial.rows.assign(winner="given")
    found = scrutiny.exchanged(trial, times=1)
    assert set(found["partner from"]) == {"any row", "the same label"} and found["by the rule"].isna().all()
    assert len(scrutiny.exchange_verdicts(found)) == 2
    assert scrutiny.nested(found, "moved", "partner from")["image"]["any row"]["by the rule"] is None


# -------------------------------------------------------------------------------------- unclean inputs
def test_the_same_take_gives_the_same_answers(trial: scrutiny.Trial) -> None:
    takes = {"again": (0, 1.0), "slower": (0, 0.5)}
    found = scrutiny.respoken(trial, 4, takes, workers=1)
    same = found[found["take"] == "again"]
    assert same["changed"].tolist() == [0, 0] and same["difference"].tolist() == [0, 0] and (same["n"] == 4).all()
    assert found["cut"].iloc[-1] >= found["cut"].iloc[0] and (found["accuracy"] - found["before"]).tolist() == (
        pytest.approx(found["difference"].tolist())
    )
    said = scrutiny.respoken_verdicts(found)
    assert len(said) == 2 and "no clear loss" in said[0] and "speed 0.5" in said[1]


def test_recordings_are_not_spoken_again(trial: scrutiny.Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = SimpleNamespace(text="what is said", audio=Path("a.wav"))
    monkeypatch.setattr(explanation, "find_items", lambda _, ids: dict.fromkeys(ids, recorded))
    found = scrutiny.respoken(trial, 4, workers=1)
    assert found.empty and "recordings" in scrutiny.respoken_verdicts(found)[0]


def test_noise_reaches_one_modality_and_level_zero_is_no_noise(trial: scrutiny.Trial) -> None:
    found = scrutiny.noisy(trial, 6, levels=(0.0, 5.0))
    places = trial.draw(6)
    assert len(found) == 2 * 2 * 3 and (found["n"] == 6).all()
    for name, title in scrutiny.NETWORKS.items():
        clean = np.mean(trial.guesses[name][places] == trial.labels[places])
        own = found[found["network"] == title]
        assert np.allclose(own.loc[own["level"] == 0, "accuracy"], clean)
        if name != "fused":  # the modality that it does not perceive
            assert np.allclose(own.loc[own["modality"] != rules.ROLES[name], "accuracy"], clean)
    assert len(scrutiny.noise_verdicts(found)) == 2
    assert json.dumps(scrutiny.records(found), allow_nan=False)


@pytest.mark.parametrize(("fused", "words"), [(0.8, "catches what is not"), (0.1, "better without the speech")])
def test_what_noise_does_is_put_into_words(fused: float, words: str) -> None:
    table = pd.DataFrame(
        [
            {"modality": "speech", "level": level, "network": name, "n": 100, "accuracy": right, "low": right - 0.1,
             "high": right + 0.1}
            for level in (0.0, 0.4)
            for name, right in (("ParallelNet", 0.8 if level == 0 else fused), ("SER only", 0.5), ("IER only", 0.6))
        ]
    )  # fmt: skip
    assert words in scrutiny.noise_verdicts(table)[0]


# ------------------------------------------------------------------------------------------- figures
def _drawn(figure: Figure) -> str:
    figure.canvas.draw()
    return " ".join(text.get_text() for text in figure.findobj(plt.Text))


def test_figures_show_what_they_are_given() -> None:
    manifest, truth = FOUR
    plots.use_style()
    assert "speech teacher" in _drawn(plots_trust.leads(manifest))
    table = scrutiny.recovery(manifest, {"fused": np.zeros(4, int), "ser": np.ones(4, int)}, truth)
    text = _drawn(plots_trust.recovery(table))
    assert "ParallelNet" in text and "label is wrong\nn = 2" in text and "planted emotion" in text
    curve = scrutiny.reliability(np.array([sure(SAD, 0.9), sure(SAD, 0.4)]), np.array([SAD, SAD]))
    curves = [curve.assign(teacher=f"{m} teacher", opinion=how) for m in ("speech", "image") for how in ("a", "b")]
    assert "image teacher" in _drawn(plots_trust.reliability(pd.concat(curves)))
    noise = pd.DataFrame(
        [
            {"modality": m, "level": level, "network": name, "accuracy": 0.5, "low": 0.4, "high": 0.6}
            for m in ("speech", "image") for level in (0, 1) for name in ("ParallelNet", "SER only")
        ]
    )  # fmt: skip
    figure = plots_trust.noise(noise)
    assert "noise in the image" in _drawn(figure) and len(figure.axes[0].lines) == 2
