"""The table of what is trained: that it holds what the paper names, and which rows each network
learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sierbook import comparisons
from sierlib import settings
from sierlib.experiment import label_rule, models
from sierlib.experiment.manifest import read_manifest
from sierlib.experiment.models import (
    NETWORKS,
    names_in_group,
    published_accuracies,
    resolve_names,
    select_rows,
)
from sierlib.networks import backbones
from sierlib.run import Run

CHANGED = {
    "addition": {"options"},
    "fixed-weights": {"options"},
    "focal-only": {"loss"},
    "cross-entropy-only": {"loss"},
    "strict-threshold": {"threshold"},
    "agreement": {"rule"},
    "resnet34-slow": {"options", "pace"},
    "resnet34-fast": {"options", "pace"},  # of ResNet34 as N2
    "plain-vgg": {"recipe"},
    "always-both": {"recipe"},
    "weighted-classes": {"recipe"},
}
#: What tells nothing of what a network is: its name, and how many times it is trained.
BESIDE = {"name", "title", "group", "repeated"}


def test_table_1_has_the_papers_rows_in_its_order() -> None:
    assert sorted(names_in_group("Table 1")) == sorted(settings.PAPER_TABLE_1)
    assert published_accuracies("Table 1")["speech only"] == settings.PAPER_TABLE_1["ser"]
    assert published_accuracies("Table 2") == {"ParallelNet": 0.8968}
    assert published_accuracies("choice") == {}
    configurations = {NETWORKS[f"baseline{n}"].options.get("configuration", 3) for n in (1, 2, 3)}
    assert configurations == {1, 2, 3}


def test_the_sweep_holds_every_backbone_that_section_4_3_2_names() -> None:
    swept = {NETWORKS[name].options["n2_s"] for name in names_in_group("N2")}
    assert swept | {"EfficientNet"} == set(backbones.BACKBONES)
    assert all(
        NETWORKS[n].options["n2_s"] == NETWORKS[n].options["n2_i"] for n in names_in_group("N2")
    )


def test_every_other_choice_differs_from_the_published_network_in_one_thing() -> None:
    published = NETWORKS["fused"].as_dict()
    found = {}
    for name in names_in_group("choice"):
        own = NETWORKS[name].as_dict()
        found[name] = {key for key in own if own[key] != published[key]} - BESIDE
    assert found == CHANGED


@pytest.mark.parametrize("name", ["plain-vgg", "always-both", "weighted-classes"])
def test_a_choice_of_ours_differs_from_our_recipe_in_one_thing(name: str) -> None:
    quick = settings.profile("quick")
    own = NETWORKS[name].adapt(quick).recipe()
    assert len([key for key, value in quick.recipe().items() if own[key] != value]) == 1


def test_the_learning_curve_is_table_1s_first_three_on_ever_more_pairs() -> None:
    curve = [NETWORKS[name] for name in names_in_group("learning curve")]
    assert [spec.name for spec in curve[:3]] == ["fused-400", "ser-400", "ier-400"]
    assert {spec.rows for spec in curve} == {400, 800, 1_600, 3_200}
    for spec in curve:
        whole = NETWORKS[spec.name.partition("-")[0]]
        assert spec.title == f"{whole.title}, {spec.rows:,} pairs"
        same = replace(spec, name=whole.name, title=whole.title, group=whole.group, repeated=True)
        assert replace(same, rows=0, recipe={}) == whole


def test_fewer_pairs_are_seen_more_often() -> None:
    quick = settings.profile("quick")
    curve = [NETWORKS[f"fused-{count}"] for count in (400, 800, 1_600, 3_200)]
    epochs = [spec.adapt(quick).epochs for spec in curve]
    assert epochs == sorted(epochs, reverse=True) and len(set(epochs)) == 4


def test_a_network_is_trained_by_the_profile_with_what_differs_for_it() -> None:
    quick = settings.profile("quick")
    assert NETWORKS["fused"].adapt(quick) == quick
    slow = NETWORKS["resnet34-slow"].adapt(quick)
    assert slow == replace(quick, learning_rate=quick.learning_rate / 10)
    assert NETWORKS["plain-vgg"].adapt(quick) == replace(quick, normalised=False)


def test_a_network_is_built_as_its_recipe_says(tiny_profile: settings.Profile) -> None:
    kinds = {}
    for name in ("fused", "plain-vgg"):
        made = NETWORKS[name].build(NETWORKS[name].adapt(tiny_profile))
        layers = made.get_layer("N2_i").get_layer("VGG19").layers
        kinds[name] = {type(layer).__name__ for layer in layers}
    assert kinds["fused"] - kinds["plain-vgg"] == {"BatchNormalization"}


def test_what_is_compared_in_advance_is_trained_from_several_seeds() -> None:
    named = {name for plan in comparisons.PRIMARY.values() for name in (plan.one, plan.other)}
    assert all(NETWORKS[name].repeated for name in named)


def test_names_can_be_files() -> None:
    assert all(
        name == name.lower() and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        for name in NETWORKS
    )


def test_unknown_names_are_answered_with_those_that_exist() -> None:
    assert (
        resolve_names(["ser", "Table 1"])[0] == "ser"
        and len(resolve_names(["ser", "Table 1"])) == 6
    )
    with pytest.raises(
        ValueError, match="unknown model 'vgg': choose one of fused, ser.*, or one of Table 1, lear"
    ):
        resolve_names(["vgg"])


def test_the_loss_is_the_weighted_sum_that_the_specification_names() -> None:
    y, p = np.eye(4, dtype="float32")[[0]], np.array([[0.7, 0.1, 0.1, 0.1]], "float32")
    value = {
        name: float(NETWORKS[name].make_loss()(y, p))
        for name in ("fused", "focal-only", "cross-entropy-only")
    }
    assert value["cross-entropy-only"] == pytest.approx(-np.log(0.7), rel=1e-5)
    assert value["focal-only"] == pytest.approx(0.25 * 0.3**2 * -np.log(0.7), rel=1e-4)
    assert value["fused"] == pytest.approx(
        value["focal-only"] + 0.5 * value["cross-entropy-only"], rel=1e-5
    )


# -----------------------------------------------------------------------------------------------
# rows
def _manifest(rows: int, seed: int) -> pd.DataFrame:
    """A made-up manifest labelled by the maximum rule; pairs of rows share their text."""
    rng = np.random.default_rng(seed)
    ser, ier = rng.dirichlet(np.full(4, 0.5), rows), rng.dirichlet(np.full(4, 0.5), rows)
    rule = label_rule.max_rule(ser, ier)
    group = np.arange(rows) // 2
    frame = pd.DataFrame(
        {"id": [f"{seed}-{n}" for n in range(rows)], "group": group, "winner": rule["winner"]}
    )
    for role, values in (("ser", ser), ("ier", ier)):
        frame[[f"{role}_{name}" for name in settings.CLASSES]] = values
    frame["label"] = [settings.CLASSES[index] for index in rule["label"]]
    frame["split"] = np.where(group % 10 < 3, "test", "train")
    frame["fold"] = np.where(frame["split"] == "train", group % 5, -1)
    frame["sentiment"] = rng.choice(settings.SENTIMENTS, rows)
    return frame.assign(own_split="")


@pytest.fixture
def run(built_run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose manifest is made up, large enough for every rule."""
    tables = {
        "manifest": _manifest(200, 1),
        "discarded": _manifest(40, 2).assign(split="", fold=-1),
    }
    monkeypatch.setattr(
        "sierlib.experiment.models.read_manifest", lambda run, name="manifest": tables[name]
    )
    return built_run


def test_rows_of_a_network_are_the_manifests_and_held_out_ones_are_shared(run: Run) -> None:
    manifest = models.read_manifest(run)
    parts = {
        name: select_rows(run, NETWORKS[name])
        for name in ("fused", "agreement", "strict-threshold")
    }
    for part in ("validation", "test"):
        assert len({tuple(rows[part]["id"]) for rows in parts.values()}) == 1
    learning = (manifest["split"] == "train") & (manifest["fold"] != 0)
    sure = (
        np.maximum(
            *(label_rule.teacher_opinions(manifest, role).max(axis=1) for role in settings.ROLES)
        )
        >= 0.5
    )
    assert set(parts["fused"]["train"]["id"]) == set(manifest.loc[learning & sure, "id"])
    assert (parts["fused"]["test"]["answer"] == parts["fused"]["test"]["label"]).all()


def test_the_agreement_rule_learns_from_rows_on_which_both_teachers_agree(run: Run) -> None:
    everything = select_rows(run, NETWORKS["fused"])["train"]
    rows = select_rows(run, NETWORKS["agreement"])["train"]
    for one in (everything, rows):
        one["agree"] = np.equal(
            *(label_rule.teacher_opinions(one, role).argmax(axis=1) for role in settings.ROLES)
        )
    assert rows["agree"].all() and len(rows) == everything["agree"].sum() < len(everything)


def test_a_threshold_learns_from_rows_whose_teacher_reaches_it(run: Run) -> None:
    rows = select_rows(run, NETWORKS["strict-threshold"])["train"]
    sure = np.maximum(
        *(label_rule.teacher_opinions(rows, role).max(axis=1) for role in settings.ROLES)
    )
    assert (sure >= 0.7).all() and len(rows) < len(select_rows(run, NETWORKS["fused"])["train"])


def test_fewer_pairs_are_the_first_of_those_that_all_learn_from(run: Run) -> None:
    everything = select_rows(run, NETWORKS["fused"])
    for count in (1 + len(everything["train"]) // 2, len(everything["train"])):
        some = select_rows(run, replace(NETWORKS["fused-400"], rows=count))
        assert list(some["train"]["id"]) == list(everything["train"]["id"])[:count]
        for part in ("validation", "test"):
            pd.testing.assert_frame_equal(some[part], everything[part])


def test_more_pairs_than_there_are_cannot_be_learned_from(run: Run) -> None:
    with pytest.raises(ValueError, match="fewer than 1,600 pairs to learn from"):
        select_rows(run, NETWORKS["ser-1600"])


def test_a_rule_that_leaves_nothing_says_so(run: Run) -> None:
    impossible = replace(NETWORKS["fused"], name="impossible", threshold=1.01)
    with pytest.raises(
        ValueError, match=r"impossible: no rows for train.*manifest\.csv.*threshold of 1\.01"
    ):
        select_rows(run, impossible)


def test_one_class_is_not_enough_to_learn_from(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = read_manifest(run).assign(label="happy")
    monkeypatch.setattr(
        "sierlib.experiment.models.read_manifest", lambda run, name="manifest": alone
    )
    with pytest.raises(ValueError, match="fewer than two classes to learn from in synthetic"):
        select_rows(run, NETWORKS["fused"])


def test_sentiment_takes_the_discarded_rows_too_but_no_text_that_is_held_out(run: Run) -> None:
    rows = select_rows(run, NETWORKS["sentiment-fused"])
    assert set(rows["train"]["answer"]) <= set(settings.SENTIMENTS)
    held = set(rows["test"]["group"]) | set(rows["validation"]["group"])
    assert not held & set(rows["train"]["group"])
    discarded = models.read_manifest(run, "discarded")
    loose = discarded[~discarded["group"].isin(held)]
    assert len(loose) > 0 and set(loose["id"]) <= set(rows["train"]["id"])


def test_sentiment_keeps_the_corpus_own_split_where_there_is_one(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = models.read_manifest(run).assign(own_split=(["train", "val", "test", "train"] * 50))
    monkeypatch.setattr(
        "sierlib.experiment.models.read_manifest",
        lambda run, name="manifest": own if name == "manifest" else own[:0],
    )
    rows = select_rows(run, NETWORKS["sentiment-ser"])
    for part, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        assert set(rows[part]["id"]) == set(own.loc[own["own_split"] == name, "id"])


def test_a_corpus_without_sentiment_has_no_table_2(labelled_run: Run) -> None:
    assert isinstance(read_manifest(labelled_run), pd.DataFrame)
    with pytest.raises(ValueError, match="says nothing of sentiment"):
        select_rows(labelled_run, NETWORKS["sentiment-ier"])


def test_labels_that_the_corpus_brought_are_learned_from_whole(labelled_run: Run) -> None:
    manifest = read_manifest(labelled_run)
    learning = manifest[(manifest["split"] == "train") & (manifest["fold"] != 0)]
    assert list(select_rows(labelled_run, NETWORKS["fused"])["train"]["id"]) == list(learning["id"])
    for name in (
        "agreement",
        "strict-threshold",
    ):  # would silently train the same network under another name
        with pytest.raises(ValueError, match=f"{name}: the labels were given"):
            select_rows(labelled_run, NETWORKS[name])
