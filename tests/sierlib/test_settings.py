"""Profiles, classes and names of emotions."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from sierlib import settings


@pytest.mark.parametrize(
    ("emotion", "label"),
    [
        ("anger", "anger"),
        ("happy", "happy"),
        ("hate", "hate"),
        ("sad", "sad"),
        ("excitement", "happy"),
        ("disgust", "hate"),
        ("sadness", "sad"),
        ("joy", "happy"),
        ("Excitement", "happy"),
        ("ANGRY", "anger"),
        ("happiness", "happy"),
        ("Disgusted", "hate"),
        ("exc", "happy"),
        ("amusement", None),
        ("fru", None),
        (" SAD ", "sad"),
        ("fear", None),
        ("neutral", None),
        ("", None),
    ],
)
def test_an_emotion_belongs_to_a_class_or_to_none(emotion: str, label: str | None) -> None:
    assert settings.relabel(emotion) == label


def test_a_label_that_was_found_is_found_again() -> None:
    for name in [*settings.CLASSES, *settings.RELABEL]:
        label = settings.relabel(name)
        assert label is not None and settings.relabel(label) == label


def test_an_unknown_profile_is_told_which_exist() -> None:
    with pytest.raises(
        ValueError, match="unknown profile 'fast': choose one of smoke, quick, full, paper"
    ) as error:
        settings.profile("fast")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["smoke", "quick", "full", "paper", "pretrained"])
def test_a_profile_is_known_by_its_name_and_survives_json(name: str) -> None:
    chosen = settings.profile(name)
    assert chosen.name == name and settings.profile(chosen) is chosen
    assert set(json.loads(json.dumps(chosen.as_dict()))) == {field.name for field in fields(chosen)}
    assert 1 <= chosen.folds <= settings.FOLDS and chosen.weights in ("none", "imagenet-required")
    assert 0 < chosen.width <= 1 and chosen.explained_samples >= 1 and chosen.depth <= 6


def test_profiles_grow() -> None:
    sizes = [settings.profile(name).pairs for name in ("smoke", "quick", "full", "paper")]
    widths = [settings.profile(name).width for name in ("smoke", "quick", "full", "paper")]
    assert sizes == sorted(sizes) and widths == sorted(widths)


@pytest.mark.parametrize("name", ["smoke", "quick"])
def test_small_profiles_train_parallelnet_and_its_halves(name: str) -> None:
    assert settings.profile(name).studies == ("fused", "ser", "ier")


@pytest.mark.parametrize(
    "changed", [{"epochs": 99}, {"normalised": False}, {"absent": 0.5}, {"class_weight": 1.0}]
)
def test_a_recipe_follows_what_decides_what_a_network_becomes(changed: dict[str, Any]) -> None:
    quick = settings.profile("quick")
    assert replace(quick, **changed).recipe() == quick.recipe() | changed


@pytest.mark.parametrize(
    "changed",
    [
        {"pairs": 9},
        {"repeats": 9},
        {"studies": ("N2",)},
        {"explained_samples": 9},
        {"faithfulness_methods": ()},
        {"teacher_epochs": 9},
    ],
)
def test_a_recipe_knows_nothing_of_what_changes_no_network(changed: dict[str, Any]) -> None:
    quick = settings.profile("quick")
    assert replace(quick, **changed).recipe() == quick.recipe()


def test_teachers_learn_at_their_own_pace_from_whole_rows() -> None:
    quick = replace(settings.profile("quick"), class_weight=1.0, run_eagerly=True)
    own = replace(quick, teacher_epochs=3, teacher_learning_rate=0.5).for_teachers()
    assert (own.epochs, own.learning_rate) == (3, 0.5)
    assert (own.absent, own.class_weight, own.run_eagerly) == (0, 0, False)
    for name in ("width", "batch", "warmup", "augment", "patience_stop"):
        assert own.recipe()[name] == quick.recipe()[name]


def test_teachers_do_not_follow_what_only_networks_are_trained_by() -> None:
    quick = settings.profile("quick")
    others = replace(quick, epochs=99, learning_rate=0.5, absent=0.5, class_weight=1.0)
    assert others.for_teachers().recipe() == quick.for_teachers().recipe()
    longer = replace(quick, teacher_epochs=99)
    assert longer.for_teachers().recipe() != quick.for_teachers().recipe()


def test_a_profile_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        settings.profile("quick").epochs = 1  # type: ignore[misc]


def test_the_window_is_128_steps_of_50_ms() -> None:
    assert pytest.approx(0.05) == settings.HOP / settings.SAMPLE_RATE
    assert pytest.approx(6.4) == settings.WINDOW_SECONDS and settings.SIZE == 128
