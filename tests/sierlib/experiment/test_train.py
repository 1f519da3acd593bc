"""Training: it learns, it stops, it keeps the best epoch, and it is not done twice."""

from __future__ import annotations

import json
import operator
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from sierbook.tables import studies
from sierlib import settings
from sierlib.data.feed import one_hot, read_inputs
from sierlib.data.shards import save_arrays
from sierlib.experiment import workers
from sierlib.experiment.manifest import read_manifest
from sierlib.experiment.models import GROUPS, NETWORKS, select_rows
from sierlib.experiment.train import (
    is_current,
    load_model,
    predict_test,
    put_history,
    train_all,
    train_model,
    write_percents,
)
from sierlib.files import read_json
from sierlib.machine import choose_precision
from sierlib.networks import losses, metrics
from sierlib.networks.fit import fit_network, predict_rows
from sierlib.networks.parallelnet import WeightedAddition
from sierlib.run import Run

# Many steps of a tiny network: here a graph pays.
TOY = replace(
    settings.profile("smoke"),
    batch=8,
    epochs=14,
    warmup=2,
    learning_rate=0.03,
    run_eagerly=False,
)


@pytest.fixture(scope="module")
def bands(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    """Rows whose class is the band of the spectrogram that sounds."""
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(0)
    codes = np.arange(64) % 4
    mels = rng.integers(0, 40, (64, 128, 128, 1), dtype=np.uint8)
    for mel, code in zip(mels, codes, strict=True):
        mel[32 * code : 32 * code + 32] += 180
    rows = pd.DataFrame(
        {
            "speech": save_arrays(mels, folder / "speech.bin"),
            "label": np.array(settings.CLASSES)[codes],
        }
    )
    return rows, folder


def _small() -> keras.Model:
    given = keras.Input((128, 128, 1), name="speech")
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D((32, 128))(given))
    return keras.Model(
        {"speech": given}, keras.layers.Dense(4, activation="softmax", dtype="float32")(x)
    )


def _fit(bands: tuple[pd.DataFrame, Path], profile: settings.Profile = TOY, **options):
    rows, folder = bands
    return fit_network(_small, rows[:48], rows[48:], folder, profile, **options)


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sierlib.networks.fit.choose_precision", lambda _: "float32")


def test_a_separable_problem_is_learned(bands: tuple[pd.DataFrame, Path]) -> None:
    model, history = _fit(bands, replace(TOY, epochs=30, learning_rate=0.3))
    found = predict_rows(model, *bands)
    assert found.dtype == np.float64 and found.shape == (64, 4)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert np.mean(found.argmax(axis=1) == np.arange(64) % 4) > 0.95
    assert (
        history["parameters"] == model.count_params()
        and history["seconds"] >= 0
        and history["device"]
    )
    assert {weight.dtype for weight in model.weights} == {"float32"}


def test_the_learning_rate_rises_and_then_falls_along_a_cosine(
    bands: tuple[pd.DataFrame, Path],
) -> None:
    rates = np.array(
        [
            row["learning_rate"]
            for row in _fit(bands, replace(TOY, warmup=3, patience_stop=99))[1]["epochs"]
        ]
    )
    peak = int(rates.argmax())
    assert (
        len(rates) == TOY.epochs and peak == 3 and rates[peak] == pytest.approx(TOY.learning_rate)
    )
    assert (
        (np.diff(rates[: peak + 1]) > 0).all()
        and (np.diff(rates[peak:]) < 0).all()
        and (rates > 0).all()
    )
    middle = (peak + TOY.epochs) / 2
    assert np.interp(middle, range(len(rates)), rates) == pytest.approx(
        TOY.learning_rate / 2, rel=0.1
    )


def test_without_warm_up_the_rate_is_constant_until_a_plateau(
    bands: tuple[pd.DataFrame, Path],
) -> None:
    learning = _fit(bands, replace(TOY, warmup=0, epochs=4, learning_rate=1e-3))[1]["epochs"]
    assert [row["learning_rate"] for row in learning] == pytest.approx([1e-3] * 4)
    rows, folder = bands
    wrong = rows[48:].assign(label=np.roll(rows["label"][48:], 1))  # validation only gets worse
    stuck = fit_network(
        _small, rows[:48], wrong, folder, replace(TOY, warmup=0, learning_rate=0.3, epochs=9)
    )[1]["epochs"]
    rates = [row["learning_rate"] for row in stuck]
    assert (
        len(stuck) < 9 and rates[:3] == pytest.approx([0.3] * 3) and rates[3] == pytest.approx(0.03)
    )


@pytest.mark.usefixtures("float32")
def test_early_stopping_keeps_the_best_epoch(bands: tuple[pd.DataFrame, Path]) -> None:
    rows, folder = bands
    noisy = rows[48:].assign(
        label=list(rows["label"][48:60]) + list(np.roll(rows["label"][60:], 1))
    )
    model, history = fit_network(
        _small, rows[:48], noisy, folder, replace(TOY, warmup=0, learning_rate=0.5, epochs=40)
    )
    seen = [row["val_loss"] for row in history["epochs"]]
    assert history["best_epoch"] == 1 + int(np.argmin(seen))
    assert len(seen) == history["best_epoch"] + TOY.patience_stop < 40
    found = predict_rows(model, noisy, folder).astype("float32")
    assert float(losses.FocalCrossEntropy()(one_hot(noisy["label"]), found)) == pytest.approx(
        min(seen), rel=1e-4
    )


@pytest.mark.usefixtures("float32")
def test_tuning_goes_on_with_all_layers_at_the_papers_rate(
    bands: tuple[pd.DataFrame, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "PAPER_RATE", 0.3)  # so that it shows
    built = []

    def build() -> keras.Model:
        given = keras.Input((128, 128, 1), name="speech")
        x = keras.layers.Flatten()(keras.layers.AveragePooling2D((32, 128))(given))
        x = keras.layers.BatchNormalization(name="norm", trainable=False)(x)
        frozen = keras.layers.Dense(4, name="frozen", trainable=False)
        y = keras.layers.Dense(4, activation="softmax", dtype="float32")(frozen(x))
        model = keras.Model({"speech": given}, y)
        built.append(model.get_layer("frozen").get_weights()[0])
        return model

    rows, folder = bands
    for tuned in (0, 2):
        some = replace(TOY, epochs=2, tuned=tuned)
        model, history = fit_network(build, rows[:48], rows[48:], folder, some)
        changed = np.abs(model.get_layer("frozen").get_weights()[0] - built[0]).max()
        assert len(history["epochs"]) == 2 + tuned and (changed > 0) == bool(tuned)
        assert bool(tuned) == (history["best_epoch"] > 2)
        # Normalisation that was frozen keeps the averages that it came with.
        np.testing.assert_array_equal(model.get_layer("norm").get_weights()[2], 0)


def test_a_seed_fixes_the_training(bands: tuple[pd.DataFrame, Path]) -> None:
    short = replace(TOY, epochs=2)
    losses = [_fit(bands, short, seed=seed)[1]["epochs"][-1]["loss"] for seed in (1, 1, 2)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and losses[0] != pytest.approx(
        losses[2], rel=1e-5
    )


# ---------------------------------------------------------------------------------- class weights
@pytest.fixture(scope="module")
def unequal(bands: tuple[pd.DataFrame, Path]) -> tuple[pd.DataFrame, Path]:
    """Of the first class twelve rows, of each other one four."""
    rows, folder = bands
    order = rows["label"].map(settings.CLASSES.index).sort_values(kind="stable").index
    kept = [*order[:12], *order[16:20], *order[32:36], *order[48:52]]
    return rows.loc[kept].reset_index(drop=True), folder


def _weighted_loss(
    unequal: tuple[pd.DataFrame, Path], build: Callable[[], keras.Model], power: float
) -> tuple[float, np.ndarray]:
    """What training says its loss is before anything is learned, and each row's loss, (n,)."""
    rows, folder = unequal
    # Whole batches only: one that is filled up would count some rows twice.
    still = replace(
        TOY, batch=4, epochs=1, warmup=0, learning_rate=1e-12, absent=0.0, class_weight=power
    )
    model, history = fit_network(build, rows, rows, folder, still)
    guesses = predict_rows(model, rows, folder).astype("float32")
    each = losses.FocalCrossEntropy().call(one_hot(rows["label"]), guesses)
    return history["epochs"][0]["loss"], np.asarray(each, float)


def _undecided() -> keras.Model:
    """A network that says of everything the same, and to which all rows are equally hard."""
    model = _small()
    model.layers[-1].set_weights([np.zeros_like(each) for each in model.layers[-1].get_weights()])
    return model


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_rows_count_one_on_average(unequal: tuple[pd.DataFrame, Path], power: float) -> None:
    loss, each = _weighted_loss(unequal, _undecided, power)
    assert each.std() < 1e-6 and loss == pytest.approx(each.mean(), rel=1e-4)


@pytest.mark.usefixtures("float32")
def test_with_power_0_rows_count_alike_and_with_power_1_classes(
    unequal: tuple[pd.DataFrame, Path],
) -> None:
    alike, each = _weighted_loss(unequal, _small, 0.0)
    assert alike == pytest.approx(each.mean(), rel=1e-4)
    loss, each = _weighted_loss(unequal, _small, 1.0)
    by_class = pd.Series(each).groupby(list(unequal[0]["label"])).mean()
    assert loss == pytest.approx(by_class.mean(), rel=1e-4)
    assert abs(loss - alike) > 1e-3  # else nothing was shown


@pytest.mark.usefixtures("float32")
def test_a_class_without_a_row_does_no_harm(unequal: tuple[pd.DataFrame, Path]) -> None:
    rows, folder = unequal
    lacking = rows[rows["label"] != settings.CLASSES[2]]
    loss, each = _weighted_loss((lacking, folder), _undecided, 1.0)
    assert loss == pytest.approx(each.mean(), rel=1e-4)


@pytest.mark.usefixtures("float32")
def test_a_network_that_was_shown_nothing_says_of_it_how_frequent_classes_are(
    unequal: tuple[pd.DataFrame, Path],
) -> None:
    rows, folder = unequal
    shown = replace(TOY, epochs=60, learning_rate=0.1, absent=0.5, patience_stop=99)
    entropy = keras.losses.CategoricalCrossentropy()  # least where shares are told as they are
    model, _ = fit_network(_small, rows, rows, folder, shown, loss=entropy)
    said = model.predict({"speech": np.zeros((1, 128, 128, 1), np.float32)}, verbose=0)[0]
    assert said == pytest.approx([0.5, 1 / 6, 1 / 6, 1 / 6], abs=0.1)


def test_the_policy_of_numbers_is_put_back(bands: tuple[pd.DataFrame, Path]) -> None:
    before = keras.mixed_precision.dtype_policy().name
    _fit(bands, replace(TOY, epochs=1))
    assert keras.mixed_precision.dtype_policy().name == before


def test_the_papers_profile_computes_in_float32() -> None:
    assert choose_precision(settings.profile("paper")) == "float32"
    assert choose_precision(settings.profile("quick")) in ("float32", "mixed_bfloat16")


# ----------------------------------------------------------------------------------- of a whole run
MAIN = ("fused", "ser", "ier")


@pytest.fixture
def copy(built_run: Run, tmp_path: Path) -> Run:
    """The built run without its models, to change."""
    shutil.copytree(built_run.folder, tmp_path / "run", ignore=shutil.ignore_patterns("models"))
    return replace(built_run, folder=tmp_path / "run")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[set, set]]:
    """Replace the training of a network by nothing, and note the rows of each."""
    monkeypatch.setenv("SIER_WORKERS", "1")  # in this process
    calls: list[tuple[set, set]] = []

    def fit(
        build: Callable[[], keras.Model],
        train: pd.DataFrame,
        validation: pd.DataFrame,
        *_: object,
        **__: object,
    ):
        calls.append((set(train["id"]), set(validation["id"])))
        return _small(), {"epochs": [], "best_epoch": 1, "seconds": 0.0}

    monkeypatch.setattr("sierlib.experiment.train.fit_network", fit)
    return calls


def test_a_trained_model_is_read_and_not_trained_again(
    tiny_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sierlib.experiment.workers.run_in_workers", lambda *_, **__: pytest.fail("trained again")
    )
    for name in MAIN:
        model, history = train_model(tiny_run, name)
        assert (
            history["validation"]["n"] == history["rows"]["validation"]
            and len(history["epochs"]) == 1
        )
        assert {tensor.name for tensor in model.inputs} == {
            "fused": {"speech", "image"}, "ser": {"speech"}, "ier": {"image"},
        }[name]  # fmt: skip


@pytest.mark.parametrize("changed", ["seed", "recipe", "manifest", "fold", "amounts", "nothing"])
def test_a_model_is_trained_again_exactly_when_something_it_depends_on_changes(
    changed: str, copy: Run, counted: list
) -> None:
    train_model(copy, "ser")
    fold = 0
    if changed == "seed":
        copy = replace(copy, seed=1)
    elif changed == "recipe":
        copy = replace(copy, profile=replace(copy.profile, epochs=2))
    elif changed == "amounts":  # of what is asked of a network afterwards, or beside it
        others = {"explained_samples": 9, "repeats": 9, "studies": ("N2",), "teacher_epochs": 9}
        copy = replace(copy, profile=replace(copy.profile, **others))
    elif changed == "manifest":
        copy.done("manifest", "another")
    elif changed == "fold":
        fold = 1
    train_model(copy, "ser", fold)
    assert len(counted) == (1 if changed in ("amounts", "nothing") else 2)


@pytest.mark.parametrize("name", ["models/ser.keras", "models/ser.json", "keys/models/ser.json"])
def test_a_damaged_network_is_trained_again(name: str, copy: Run, counted: list) -> None:
    train_model(copy, "ser")
    path = copy.folder / name
    path.write_bytes(path.read_bytes()[:-20])
    if not name.startswith("keys/"):
        with pytest.raises(FileNotFoundError, match="missing or damaged"):
            load_model(copy, "ser")
    train_model(copy, "ser")
    assert len(counted) == 2 and load_model(copy, "ser").count_params()


#: Beside ParallelNet and its halves, which the smoke book trains, a network for each thing that
#: differs: configuration, N2, fusion, late fusion, loss, recipe, threshold, rule, rows, task.
KINDS = (
    "baseline2",
    "n2-inception3a",
    "addition",
    "fixed-weights",
    "focal-only",
    "plain-vgg",
    "strict-threshold",
    "agreement",
    "ser-400",
    "sentiment-ser",
    "random-frozen",
)


def test_the_kinds_are_of_all_groups() -> None:
    assert {NETWORKS[name].group for name in KINDS} == set(GROUPS)


@pytest.fixture
def short_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """A learning curve that begins with as few pairs, and epochs, as a tiny run has."""
    few = replace(NETWORKS["ser-400"], rows=12, recipe={"epochs": 2})
    monkeypatch.setitem(NETWORKS, "ser-400", few)


@pytest.mark.usefixtures("short_curve")
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_network_takes_a_step_on_its_own_rows(name: str, built_run: Run) -> None:
    # One step of all rows: whether it learns is not asked here.
    run, spec = replace(built_run, profile=replace(built_run.profile, batch=64)), NETWORKS[name]
    (history,) = train_all(run, [name]).values()
    assert history["rows"] == {part: len(rows) for part, rows in select_rows(run, spec).items()}
    assert history["title"] == spec.title and history["spec"]["group"] == spec.group
    own = spec.adapt(run.profile)
    assert history["recipe"] == json.loads(json.dumps(own.recipe()))
    assert len(history["epochs"]) == own.epochs and np.isfinite(history["epochs"][0]["loss"])
    for part in ("validation", "test"):
        assert len(history[part]["confusion"]) == len(spec.classes)
        assert len(history[f"{part}_predicted"]) == history["rows"][part]
        assert set(history[f"{part}_predicted"]) <= set("0123"[: len(spec.classes)])
    assert len(history["test_percent"]) == 2 * history["rows"]["test"]


def test_folds_validate_on_what_they_do_not_train_on_and_never_see_the_test_part(
    copy: Run, counted: list
) -> None:
    manifest = read_manifest(copy)
    table = studies.cross_validate(
        replace(copy, profile=replace(copy.profile, folds=settings.FOLDS)), "ser"
    )
    assert (
        list(table.index) == list(range(settings.FOLDS)) and table["accuracy"].between(0, 1).all()
    )
    held = [validation for _, validation in counted]
    learning = set(manifest.loc[manifest["split"] == "train", "id"])
    assert set.union(*held) == learning and sum(map(len, held)) == len(learning)
    assert all(
        train | validation == learning and not train & validation for train, validation in counted
    )
    assert sorted(path.name for path in (copy.folder / "models").glob("*.keras"))[:2] == [
        "ser-fold1.keras",
        "ser-fold2.keras",
    ]


# ------------------------------------------------------------------- of another machine's networks
JOB = ("ser", 0, 1)


@pytest.fixture
def elsewhere(tiny_run: Run) -> dict[str, Any]:
    """The history of a network that another machine has trained as this one would."""
    history = read_json(tiny_run.folder / "models" / "ser.json") | {"repeat": 1}
    history["provenance"] |= {"machine": {"processor": "another"}, "adopted": True}
    return history


def test_a_network_of_another_machine_is_not_trained_again(
    elsewhere: dict[str, Any], copy: Run, counted: list
) -> None:
    assert put_history(copy, JOB, elsewhere) and is_current(copy, JOB)
    assert train_all(copy, [JOB]) == {JOB: elsewhere} and counted == []
    assert not put_history(copy, JOB, elsewhere)  # it is there


@pytest.mark.parametrize(
    "changed",
    [
        {"recipe": {}},
        {"recipe": None},
        {"spec": NETWORKS["ier"].as_dict()},
        {"train_rows": "of other labels"},
        {"validation_rows": None},
        {"test_rows": "of other labels"},
    ],
)
def test_a_history_of_something_else_is_not_taken_for_a_network(
    changed: dict[str, Any], elsewhere: dict[str, Any], copy: Run
) -> None:
    assert not put_history(copy, JOB, elsewhere | changed)
    assert not is_current(copy, JOB) and not (copy.folder / "models").exists()


def test_a_history_of_an_older_recipe_is_not_taken(elsewhere: dict[str, Any], copy: Run) -> None:
    later = replace(copy, profile=replace(copy.profile, epochs=9))
    assert not put_history(later, JOB, elsewhere)


def test_what_a_run_has_trained_itself_is_kept(
    elsewhere: dict[str, Any], copy: Run, counted: list
) -> None:
    own = train_all(copy, [JOB])[JOB]
    assert not put_history(copy, JOB, elsewhere)
    assert train_all(copy, [JOB])[JOB] == own and len(counted) == 1


def test_another_machines_network_is_out_of_date_when_the_recipe_changes(
    elsewhere: dict[str, Any], copy: Run, counted: list
) -> None:
    put_history(copy, JOB, elsewhere)
    train_all(replace(copy, profile=replace(copy.profile, epochs=9)), [JOB])
    assert len(counted) == 1


@pytest.mark.slow
def test_workers_answer_and_an_error_waits_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIER_WORKERS", "2")
    assert workers.run_in_workers(operator.truediv, [(6, 2)], "dividing") == [3.0]
    here, new = str(tmp_path), str(tmp_path / "new")
    with pytest.raises(FileExistsError):
        workers.run_in_workers(os.mkdir, [(here,), (new,)], "making folders")
    assert Path(new).is_dir()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the process in /proc")
def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\nfrom sierlib.experiment.workers import run_in_workers\n"
        "import work\nif __name__ == '__main__':\n    run_in_workers(work.sleep, [(sys.argv[1],), "
        "(sys.argv[1],)], 'x')\n"
    )
    (tmp_path / "work.py").write_text(
        "import os, pathlib, time\ndef sleep(place):\n"
        "    pathlib.Path(place, str(os.getpid())).touch()\n    time.sleep(120)\n"
    )
    started = tmp_path / "started"
    started.mkdir()
    environment = {
        **os.environ,
        "SIER_WORKERS": "2",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
    }
    parent = subprocess.Popen(
        [sys.executable, str(script), str(started)], env=environment, stderr=subprocess.DEVNULL
    )
    for _ in range(600):
        if len(list(started.iterdir())) == 2:
            break
        time.sleep(0.1)
    workers = [path.name for path in started.iterdir()]
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    for _ in range(100):
        alive = [name for name in workers if Path("/proc", name).is_dir() and _state(name) != "Z"]
        if not alive:
            break
        time.sleep(0.1)
    assert alive == []


def _state(process: str) -> str:
    return Path("/proc", process, "stat").read_text().rpartition(")")[2].split()[0]


def test_what_cannot_be_trained_is_explained(copy: Run) -> None:
    with pytest.raises(ValueError, match="unknown model 'vgg': choose one of fused, ser, ier"):
        train_model(copy, "vgg")
    with pytest.raises(ValueError, match="folds are 0 to 4"):
        train_model(copy, "ser", 5)
    (copy.folder / "dataset" / "manifest.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"run notebooks/01-dataset\.ipynb first"):
        train_model(copy, "ser")


def test_a_model_that_is_missing_names_the_notebook_to_run(copy: Run) -> None:
    with pytest.raises(
        FileNotFoundError,
        match=r"fused\.keras is missing or damaged: run notebooks/02-training\.ipynb first",
    ):
        load_model(copy, "fused")


def test_predictions_are_for_the_test_rows_in_order(tiny_run: Run) -> None:
    rows, found = predict_test(tiny_run)
    manifest = read_manifest(tiny_run)
    assert list(rows["id"]) == list(manifest.loc[manifest["split"] == "test", "id"]) and set(
        found
    ) == set(MAIN)
    model = load_model(tiny_run, "fused")
    alone = model.predict(read_inputs(rows.iloc[[2]], tiny_run.folder / "dataset"), verbose=0)
    np.testing.assert_allclose(found["fused"][2], alone[0], atol=1e-4)


def test_histories_tell_how_sure_networks_are_of_the_test_rows(tiny_run: Run) -> None:
    _, found = predict_test(tiny_run)
    for name in MAIN:
        told = read_json(tiny_run.folder / "models" / f"{name}.json")["test_percent"]
        percents = [int(told[place : place + 2]) for place in range(0, len(told), 2)]
        # Cut off, not rounded; in 16 bits training may have seen it otherwise by a little.
        assert found[name].max(axis=1) == pytest.approx(0.005 + np.array(percents) / 100, abs=0.01)


def test_probabilities_are_written_in_two_digits_each() -> None:
    assert write_percents(np.array([0.0, 0.0312, 0.25, 0.999, 1.0])) == "0003259999"


def test_models_are_saved_with_what_was_seen(tiny_run: Run) -> None:
    for name, title in zip(MAIN, ("ParallelNet", "speech only", "image only"), strict=True):
        told = read_json(tiny_run.folder / "models" / f"{name}.json")
        assert told["title"] == title and told["precision"] in ("float32", "mixed_bfloat16")
    assert isinstance(load_model(tiny_run, "fused").get_layer("late_fusion"), WeightedAddition)


@pytest.mark.parametrize("classes", [2, 4])
def test_kappa_over_batches_is_scikit_learns_over_all(classes: int) -> None:
    rng = np.random.default_rng(classes)
    labels, scores = rng.integers(0, classes, 90), rng.random((90, classes))
    scores[np.arange(90), labels] += 0.3
    kappa, eye = metrics.Kappa(classes), np.eye(classes, dtype=np.float32)
    for start in range(0, 90, 32):
        kappa.update_state(eye[labels[start : start + 32]], scores[start : start + 32])
    assert float(kappa.result()) == pytest.approx(
        cohen_kappa_score(labels, scores.argmax(axis=1)), abs=1e-5
    )
    kappa.reset_state()
    kappa.update_state(eye[[0, 0]], eye[[0, 0]])
    assert abs(float(kappa.result())) < 1e-5  # one class only: nothing beyond chance
