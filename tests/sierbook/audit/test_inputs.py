"""Shortcuts, exchanged partners, other takes and noise: made-up cases whose answers are known."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sierbook.audit.inputs import (
    Trial,
    add_noise,
    blank_modalities,
    count_shared_pictures,
    exchange_partners,
    measure_split_leak,
    shuffle_within,
)
from sierbook.records import as_nested, as_records
from sierlib import settings
from sierlib.data.feed import read_inputs
from sierlib.data.shards import save_arrays
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import number_groups
from sierlib.experiment.models import HALVES, NETWORKS
from sierlib.experiment.train import predict_test
from sierlib.run import Run
from tests.forged import forged


# --------------------------------------------------------------------------------------- the split
def _sentences(texts: list[str], labels: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"text": texts, "label": labels, "group": number_groups(texts)})


def test_a_leak_through_repeated_sentences_is_found() -> None:
    # The label belongs to the sentence and to none of its words: it can be remembered and not
    # understood.
    rng = np.random.default_rng(0)
    words = np.array([f"word{n}" for n in range(400)])
    texts = [" ".join(rng.choice(words, 5, replace=False)) for _ in range(120)]
    labels = [settings.CLASSES[code] for code in rng.integers(0, 4, 120)]
    found = measure_split_leak(_sentences(texts * 4, labels * 4))
    assert found["rows"] == found["repeated"] == 480
    assert found["random"] > 0.6 and found["by_text"] < 0.4
    own = found["on_repeated"]
    assert own["shared"] == pytest.approx(
        1 - 1 / 27, abs=0.03
    )  # all three copies of a row are in its own third
    gain = own["difference"]
    assert gain["low"] > 0.2 and gain["low"] <= gain["value"] <= gain["high"]
    assert gain["value"] == pytest.approx(found["random"] - found["by_text"])


def test_without_repeated_sentences_there_is_nothing_to_leak() -> None:
    texts = [f"number {n} is {'glad' if n % 2 else 'gloomy'}" for n in range(60)]
    found = measure_split_leak(
        _sentences(texts, ["happy" if n % 2 else "sad" for n in range(60)]), repeats=1
    )
    assert found["repeated"] == 0 and found["on_repeated"] is None and found["by_text"] > 0.9


def test_repeated_sentences_that_are_easy_anyway_flatter_nobody() -> None:
    texts = [f"number {n % 30} is {'glad' if n % 2 else 'gloomy'}" for n in range(60)]
    found = measure_split_leak(
        _sentences(texts, ["happy" if n % 2 else "sad" for n in range(60)]), repeats=1
    )
    assert found["repeated"] == 60 and found["on_repeated"]["difference"]["low"] <= 0


def test_recordings_have_no_text_to_leak() -> None:
    recordings = _sentences([f"[recording {n}]" for n in range(60)], ["happy", "sad"] * 30)
    assert measure_split_leak(recordings) == {}


def test_pictures_on_both_sides_are_counted(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(
        0, 256, (5, settings.SIZE, settings.SIZE, 3), dtype=np.uint8
    )
    pictures[3] = pictures[0]  # a test picture that was trained on
    references = save_arrays(pictures, tmp_path / "image-00000.bin")
    rows = pd.DataFrame({"image": references, "split": ["train"] * 3 + ["test"] * 2})
    assert count_shared_pictures(rows, tmp_path, at_once=2) == 1


# --------------------------------------------------------------------------------------- one trial
class Toy(Trial):
    """Test rows whose features are the teachers' opinions, and a network made of one line."""

    def __init__(self, manifest: pd.DataFrame, network: Any) -> None:
        self.run, self.rows, self.network = SimpleNamespace(seed=0, profile=None), manifest, network
        self.labels = np.array([settings.CLASSES.index(name) for name in manifest["label"]])
        self.features = {
            m: [label_rule.teacher_opinions(manifest, HALVES[m])] for m in settings.ROLES.values()
        }
        self.guesses = {"fused": self.classify(self.features["speech"], self.features["image"])}

    def classify(self, speech: Any, image: Any) -> np.ndarray:
        return self.network(speech[0], image[0])


def _many(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return forged(
        *(tuple(rng.dirichlet(np.full(4, 0.5)).tolist() for _ in range(2)) for _ in range(n))
    )[0]


@pytest.fixture(scope="module")
def trial(tiny_run: Run) -> Trial:
    return Trial(tiny_run)


def test_the_halves_put_together_are_the_network(trial: Trial, tiny_run: Run) -> None:
    rows, predicted = predict_test(tiny_run)
    assert trial.rows["id"].tolist() == rows["id"].tolist()
    for name, value in predicted.items():
        assert np.array_equal(trial.guesses[name], value.argmax(axis=1))
    given = read_inputs(rows, tiny_run.folder / "dataset")
    for modality in ("speech", "image"):
        for own, kept in zip(
            trial.extract(modality, given[modality]), trial.features[modality], strict=True
        ):
            assert np.allclose(own, kept, atol=1e-4)
        assert np.array_equal(
            trial.classify_half(modality, given[modality]), trial.guesses[HALVES[modality]]
        )


def test_rows_are_drawn_in_order_and_always_the_same(trial: Trial) -> None:
    places = trial.draw_rows(5)
    assert (
        len(set(places)) == 5
        and (np.diff(places) > 0).all()
        and np.array_equal(places, trial.draw_rows(5))
    )
    assert len(trial.draw_rows(10_000)) == len(trial.rows) and set(
        trial.draw_rows(9, np.array([1, 4]))
    ) == {
        1,
        4,
    }


def test_blank_inputs_are_what_the_network_is_asked_about(trial: Trial) -> None:
    table = blank_modalities(trial).set_index("input")
    n = len(trial.rows)
    given = read_inputs(trial.rows, trial.folder)
    for name, changed in (
        ("silence", {"speech": np.zeros_like(given["speech"])}),
        ("grey image", {"image": np.full_like(given["image"], 0.5)}),
    ):
        guess = trial.networks["fused"].predict({**given, **changed}, verbose=0).argmax(axis=1)
        assert table.loc[name, "accuracy"] == pytest.approx(
            np.mean(guess == trial.labels), abs=1.01 / n
        )
    shares = np.bincount(trial.labels, minlength=4) / n
    assert any(
        table.loc["silence and grey", "accuracy"] == pytest.approx(share) for share in shares
    )
    assert table.loc["both as given", ["difference", "from", "to"]].tolist() == [0, 0, 0]


@given(strata=st.lists(st.integers(0, 3), min_size=1, max_size=40), seed=st.integers(0, 99))
def test_partners_are_exchanged_within_their_stratum(strata: list[int], seed: int) -> None:
    given_strata = np.array(strata)
    order = shuffle_within(given_strata, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(strata))) and np.array_equal(
        given_strata[order], given_strata
    )


def test_a_network_that_does_not_listen_loses_nothing_by_other_speech() -> None:
    manifest = _many()
    found = exchange_partners(Toy(manifest, lambda speech, image: image.argmax(axis=1)), times=2)
    speech, image = (
        found[found["moved"] == name].set_index("partner from") for name in ("speech", "image")
    )
    assert (speech["difference"] == 0).all() and image.loc["any row", "high"] < -0.1
    assert (
        image.loc["the same label and opinion", "difference"] == 0
    )  # the class that the image names is all it uses


def test_a_network_that_is_the_rule_is_right_about_pairs_that_never_were() -> None:
    manifest = _many()
    trial = Toy(manifest, lambda speech, image: label_rule.max_rule(speech, image)["label"])
    found = exchange_partners(trial, times=2)
    assert (found["by the rule"] == 1).all() and (
        found.loc[found["partner from"] == "any row", "high"] < 0
    ).all()


def test_a_network_that_knows_pairs_by_heart_loses_by_every_exchange() -> None:
    manifest = _many()
    labels = {
        tuple(np.r_[s, i]): code
        for s, i, code in zip(
            label_rule.teacher_opinions(manifest, "ser"),
            label_rule.teacher_opinions(manifest, "ier"),
            (settings.CLASSES.index(name) for name in manifest["label"]),
            strict=True,
        )
    }
    trial = Toy(
        manifest, lambda s, i: np.array([labels.get(tuple(pair), -1) for pair in np.hstack([s, i])])
    )
    found = exchange_partners(trial, times=2)
    assert (found["high"] < 0).all()


def test_where_no_teacher_was_asked_partners_are_exchanged_by_label_alone() -> None:
    trial = Toy(_many(60), lambda speech, image: image.argmax(axis=1))
    trial.rows = trial.rows.assign(winner="given")
    found = exchange_partners(trial, times=1)
    assert (
        set(found["partner from"]) == {"any row", "the same label"}
        and found["by the rule"].isna().all()
    )
    assert as_nested(found, "moved", "partner from")["image"]["any row"]["by the rule"] is None


# ------------------------------------------------------------------------------------- noise
def test_noise_reaches_one_modality_and_level_zero_is_no_noise(trial: Trial) -> None:
    found = add_noise(trial, 6, levels=(0.0, 5.0))
    places = trial.draw_rows(6)
    assert len(found) == 2 * 2 * 3 and (found["n"] == 6).all()
    for name in HALVES.values():
        title = NETWORKS[name].title
        clean = np.mean(trial.guesses[name][places] == trial.labels[places])
        rows = found[found["network"] == title]
        assert np.allclose(rows.loc[rows["level"] == 0, "accuracy"], clean)
        if name != "fused":  # the modality that it does not perceive
            deaf = rows["modality"] != settings.ROLES[name]
            assert np.allclose(rows.loc[deaf, "accuracy"], clean)
    assert json.dumps(as_records(found), allow_nan=False)
