"""Runs: folders, and which of what is in them is still good."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sierlib import settings
from sierlib.files import NotWritten, hold, write_json, write_text
from sierlib.keys import digest, list_modules, source_key
from sierlib.run import Run


def _open(folder: Path, **changed: object) -> Run:
    return Run.open(**{"profile": "smoke", "run_dir": folder, **changed})  # type: ignore[arg-type]


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder in which this process may write nothing, whoever it belongs to."""
    folder, root = Path(tempfile.mkdtemp()), os.geteuid() == 0
    write_json(folder / "keys" / "a.json", {"key": "k", "files": {}})
    folder.chmod(0o555)
    if root:  # who may write everywhere
        os.setresuid(65534, 65534, 0)
    yield folder
    if root:
        os.setresuid(0, 0, 0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_run_can_be_read_and_says_why_it_is_not_written(read_only: Path) -> None:
    run = _open(read_only)
    with hold(run.folder):  # where nothing can be written, nobody is in the way
        assert run.current("a", "k")
    for work in (
        lambda: write_json(run.folder / "keys" / "a.json", 1),
        lambda: run.done("b", "k"),
        lambda: run.fresh_folder("dataset", "k"),
        lambda: _open(read_only / "another"),
    ):
        with pytest.raises(NotWritten, match=rf"{read_only}/.* \(Permission denied\): .*writable"):
            work()


def test_a_run_works_in_any_folder_and_locale(tmp_path: Path) -> None:
    folder = tmp_path / "läufe und Köpfe 悲"
    script = (
        "import sys; from sierlib.files import hold, write_text; from sierlib.run import Run\n"
        "run = Run.open('smoke', run_dir=sys.argv[1])\n"
        "with hold(run.folder):\n"
        "    write_text(run.folder / 'a.txt', 'é悲')\n"
        "    run.done('a', 'k', run.folder / 'a.txt')\n"
        "    run.record('04-results', said='é悲')\n"
        "print(run.current('a', 'k'), ascii(run.results('04-results')['said']))"
    )
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), str(folder)],
        env={**os.environ, **plain}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", ascii("é悲")]
    assert _open(folder).current("a", "k")
    assert (folder / "a.txt").read_text(encoding="utf-8") == "é悲"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"profile": "huge"}, "unknown profile 'huge': choose one of smoke, quick, full, paper"),
        (
            {"data": "fi:x"},
            "unknown data spec 'fi:x': choose one of synthetic, together, bt4sa:PATH, "
            "pairs:FILE.csv",
        ),
        ({"data": "bt4sa"}, "unknown data spec 'bt4sa'"),
        ({"data": "synthetic:"}, "unknown data spec 'synthetic:'"),
        (
            {"ser": "nothing"},
            "unknown ser spec 'nothing': choose one of synthetic, iemocap:PATH, tweets:FILE.tsv",
        ),
        ({"ier": "bt4sa:x"}, "unknown ier spec 'bt4sa:x': choose one of synthetic, fi:PATH"),
    ],
)
def test_an_unknown_setting_stops_before_any_work(
    changed: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError) as error:
        _open(tmp_path / "run", **changed)
    assert said in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_corpus_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        _open(tmp_path / "run", data=f"bt4sa:{tmp_path / 'gone'}")
    assert str(tmp_path / "gone") in str(error.value) and "bt4sa:PATH" in str(error.value)
    assert not (tmp_path / "run").exists()


def test_each_choice_of_settings_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIER_RUNS", str(tmp_path / "runs"))
    (tmp_path / "B T4SA").mkdir()
    specs = [{}, {"seed": 1}, {"profile": "quick"}, {"data": f"bt4sa:{tmp_path / 'B T4SA'}"}]
    folders = [Run.open(**{"profile": "smoke", **spec}).folder for spec in specs]
    assert len(set(folders)) == len(specs) and all(folder.is_dir() for folder in folders)
    assert {folder.parent for folder in folders} == {tmp_path / "runs"}
    assert Run.open("smoke").folder == folders[0]
    assert folders[0].name.startswith("smoke-synthetic-") and folders[3].name.startswith(
        "smoke-bt4sa-b-t4sa-"
    )


def test_a_relative_corpus_is_known_by_its_full_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fi").mkdir()
    monkeypatch.chdir(tmp_path)
    assert (
        _open(tmp_path / "run", ier="fi:fi?positive=all").ier
        == f"fi:{tmp_path / 'fi'}?positive=all"
    )


def test_an_artefact_is_current_only_for_the_key_it_was_made_with(tmp_path: Path) -> None:
    run = _open(tmp_path)
    assert not run.current("models/fused", "k1") and run.key_of("models/fused") == ""
    run.done("models/fused", "k1")
    assert run.current("models/fused", "k1") and not run.current("models/fused", "k2")
    assert run.key_of("models/fused") == "k1"


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-3]),
        lambda path: path.write_bytes(b"\0" + path.read_bytes()[1:]),
    ],
)
@pytest.mark.parametrize("name", ["models/a.keras", "keys/models/a.json"])
def test_an_artefact_is_not_current_when_it_or_its_key_is_damaged(
    name: str, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    run = _open(tmp_path)
    model = tmp_path / "models" / "a.keras"
    write_text(model, "weights")
    run.done("models/a", "k", model)
    assert run.current("models/a", "k") and run.artefacts() == ["models/a"]
    damage(tmp_path / name)
    assert not run.current("models/a", "k")
    write_text(model, "weights")
    run.done("models/a", "k", model)
    assert run.current("models/a", "k")


def test_an_artefact_is_not_complete_without_a_file_of_it(tmp_path: Path) -> None:
    run = _open(tmp_path)
    run.done("models/a", "k", tmp_path / "never-written")
    assert not run.current("models/a", "k")


@pytest.mark.parametrize("content", [b'{"key": "k"', b"12", b'["key"]', b'{"key": 1}', b"\xff"])
def test_a_key_that_cannot_be_read_is_none(content: bytes, tmp_path: Path) -> None:
    run = _open(tmp_path)
    run.done("a", "k")
    (tmp_path / "keys" / "a.json").write_bytes(content)
    assert run.key_of("a") == "" and not run.current("a", "k")


def test_damaged_results_are_named(tmp_path: Path) -> None:
    run = _open(tmp_path)
    run.record("04-results", accuracy=1)
    path = tmp_path / "results" / "04-results.json"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=rf"{path} is damaged .*: remove it"):
        run.results("04-results")


def test_half_done_work_is_kept_for_the_same_key_and_removed_for_another(tmp_path: Path) -> None:
    run = _open(tmp_path)
    (run.fresh_folder("dataset", "k1") / "shard.npy").write_text("half")
    assert (run.fresh_folder("dataset", "k1") / "shard.npy").read_text() == "half"
    assert not (run.fresh_folder("dataset", "k2") / "shard.npy").exists()


def test_results_carry_what_made_them(tmp_path: Path) -> None:
    run = _open(tmp_path, seed=7)
    run.record("04-results", accuracy=np.float64(0.5))
    found = run.results("04-results")
    assert found["accuracy"] == 0.5 and found["notebook"] == "04-results"
    made = found["provenance"]
    assert (made["profile"], made["data"], made["ser"], made["ier"], made["seed"]) == (
        "smoke",
        "synthetic",
        "synthetic",
        "synthetic",
        7,
    )
    assert made["versions"]["keras"].startswith("3.") and made["machine"]["cores"] == os.cpu_count()
    assert (
        50 < made["peak_memory_mb"] < 100_000
        and made["seconds"] >= 0
        and made["source"] == source_key(*list_modules())
    )


def test_provenance_says_what_networks_are_computed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow  # noqa: F401

    monkeypatch.setenv("SIER_WORKERS", "1")
    made = _open(tmp_path).provenance()
    assert (
        made["precision"] in ("float32", "mixed_bfloat16")
        and made["gpu"] in (True, False)
        and made["workers"] == 1
    )


def test_provenance_does_not_import_tensorflow(tmp_path: Path) -> None:
    script = (
        "import sys; from sierlib.run import Run; made = Run.open('smoke', "
        "run_dir=sys.argv[1]).provenance(); "
        "print(made['precision'], made['gpu'], made['workers'], 'tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["None", "None", "None", "False"]


def test_missing_results_name_the_notebook_to_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"run notebooks/02-training\.ipynb first"):
        _open(tmp_path).results("02-training")


def test_keys_of_different_profiles_differ() -> None:
    smoke = settings.profile("smoke")
    assert digest(smoke.as_dict()) != digest(replace(smoke, epochs=3).as_dict())


@pytest.mark.parametrize(
    ("changed", "other"),
    [
        ({"epochs": 9}, True),
        ({"teacher_epochs": 9}, True),
        ({"pairs": 9}, True),
        ({"emotion_words": 9}, True),
        ({"explained_samples": 9, "repeats": 9, "studies": ("N2",), "name": "mine"}, False),
    ],
)
def test_runs_may_be_compared_unless_sizes_vocabulary_or_training_differ(
    changed: dict[str, Any], other: bool, tmp_path: Path
) -> None:
    run = _open(tmp_path)
    assert run.provenance()["recipe"] == run.recipe == replace(run, seed=9).recipe
    assert (replace(run, profile=replace(run.profile, **changed)).recipe != run.recipe) == other


def test_what_an_artefact_would_be_gone_on_from_goes_when_it_is_done(tmp_path: Path) -> None:
    run = _open(tmp_path)
    mine, other = run.unfinished("models/fused", "k" * 64), run.unfinished("models/fused-400", "k")
    old = run.unfinished("models/fused", "another")
    for path in (mine, other, old):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    assert mine != old
    run.done("models/fused", "k")
    assert not mine.exists() and not old.exists() and other.exists()
