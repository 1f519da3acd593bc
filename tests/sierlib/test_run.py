"""Runs: keys, folders, and files that are never half there."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sierlib import settings
from sierlib.files import NotWritten, hold, read_json, replacing, write_json, write_text
from sierlib.keys import PACKAGE, digest, list_modules, source_key
from sierlib.run import Run

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)


def _open(folder: Path, **changed: object) -> Run:
    return Run.open(**{"profile": "smoke", "run_dir": folder, **changed})  # type: ignore[arg-type]


@given(first=JSON, second=JSON)
def test_a_digest_is_the_same_exactly_for_what_json_says_the_same(
    first: object, second: object
) -> None:
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert (digest(first) == digest(second)) == same
    assert len(digest(first)) == 12


def test_the_order_of_a_dict_does_not_matter() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest("a", "b") != digest("b", "a")


#: The stages of a run, and the module whose imports tell what each depends on.
STAGES = {
    "arrays": "sierlib.data.shards",
    "teachers": "sierlib.experiment.teachers",
    "labels": "sierlib.experiment.labels",
    "networks": "sierlib.experiment.train",
}


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, which keys are made of as long as the test runs."""
    copy = tmp_path / "sierlib"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    found = SimpleNamespace(submodule_search_locations=[str(copy)])
    monkeypatch.setattr("sierlib.keys.find_spec", lambda _: found)
    return copy


def _changed_stages(path: Path, text: str) -> set[str]:
    """The stages that are computed anew when a file of the package has this text."""
    before = {stage: source_key(module) for stage, module in STAGES.items()}
    path.write_text(text, encoding="utf-8")
    return {stage for stage, module in STAGES.items() if source_key(module) != before[stage]}


@pytest.mark.parametrize(
    ("edited", "computed_anew"),
    [
        ("data/speech/voice.py", {"arrays", "teachers", "labels", "networks"}),
        ("data/corpora/fi.py", {"arrays", "teachers", "labels", "networks"}),
        ("data/feed.py", {"teachers", "labels", "networks"}),
        # Scores are stored with each network and teacher.
        ("experiment/scores.py", {"teachers", "labels", "networks"}),
        ("networks/metrics.py", {"teachers", "labels", "networks"}),
        ("networks/losses.py", {"teachers", "labels", "networks"}),
        ("networks/backbones.py", {"teachers", "labels", "networks"}),
        ("experiment/teachers.py", {"teachers", "labels"}),
        ("experiment/label_rule.py", {"labels", "networks"}),
        # Other labels make other networks by the manifest's key, not by the code.
        ("experiment/labels.py", {"labels"}),
        ("experiment/models.py", {"networks"}),
        ("experiment/train.py", {"networks"}),
        ("shapley/explain.py", set()),
        ("shapley/value_function.py", set()),
        ("explorer/page.py", set()),
        ("explorer/explorer.js", set()),
    ],
)
def test_an_edit_computes_anew_the_stages_that_import_it(
    copied: Path, edited: str, computed_anew: set[str]
) -> None:
    text = (copied / edited).read_text(encoding="utf-8")
    assert _changed_stages(copied / edited, f"{text}\nEDITED = True\n") == computed_anew


def test_comments_docstrings_and_layout_compute_nothing_anew(copied: Path) -> None:
    path = copied / "experiment" / "scores.py"
    text = path.read_text(encoding="utf-8")
    reworded = text.replace('"""Scores', '"""Some scores', 1).replace("\n\n\n", "\n\n\n\n# Why.\n")
    assert reworded != text and not _changed_stages(path, reworded)


def test_a_profile_is_no_part_of_the_code_but_a_constant_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = source_key("sierlib.experiment.train")
    monkeypatch.setitem(settings.PROFILES, "another", settings.profile("smoke"))
    assert source_key("sierlib.experiment.train") == before
    monkeypatch.setattr(settings, "FOCAL_WEIGHT", 2.0)
    assert source_key("sierlib.experiment.train") != before


def test_a_page_depends_on_the_explorers_javascript(copied: Path) -> None:
    before = source_key("sierlib.explorer.widget")
    (copied / "explorer" / "explorer.js").write_text("edited")
    assert source_key("sierlib.explorer.widget") != before


def test_json_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"n": 1})
    assert [entry.name for entry in path.parent.iterdir()] == ["a.json"]

    class Unwritable:
        def __str__(self) -> str:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_json(path, {"n": 2, "bad": Unwritable()})
    assert read_json(path) == {"n": 1}

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_json(path, {"n": 3})
    assert read_json(path) == {"n": 1}


def test_a_full_disk_is_one_clear_line_and_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(NotWritten) as error:
            write_text(path, "x" * 5_000)
        with pytest.raises(NotWritten), replacing(tmp_path / "a.npy") as partial:
            np.save(partial, np.zeros(5_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = str(error.value)
    assert said.startswith(f"{path} could not be written (File too large): make room there")
    assert said.endswith("the same command goes on where this one stopped") and "\n" not in said
    assert [entry.name for entry in tmp_path.iterdir()] == [
        "a.txt"
    ] and path.read_text() == "before"


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


#: Holds a folder until it is killed.
HOLDER = """
import sys, time
from pathlib import Path
from sierlib.files import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_folder_is_of_one_process_until_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        (tmp_path / "keys" / ".part-1-a.json").write_text("{")
        with pytest.raises(RuntimeError) as error, hold(tmp_path):
            pytest.fail("held twice")
        said = str(error.value)
        assert said.startswith(f"{tmp_path} is being written by another process") and "wait" in said
    finally:
        holder.kill()
        holder.communicate()
    with hold(tmp_path):
        assert not list((tmp_path / "keys").iterdir())  # what it had begun
        # Its own processes, such as kernels of notebooks, write as well.
        script = HOLDER.replace("time.sleep(600)", "")
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert "SIER_HOLDS" not in os.environ or str(tmp_path) not in os.environ["SIER_HOLDS"]


def test_a_run_works_in_any_folder_and_locale(tmp_path: Path) -> None:
    folder = tmp_path / "läufe und Köpfe 悲"
    script = (
        "import sys; from sierlib.run import Run, hold, write_text\n"
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


def test_numbers_of_numpy_and_paths_are_written_as_json(tmp_path: Path) -> None:
    value = {
        "i": np.int64(3),
        "f": np.float32(0.5),
        "a": np.arange(3),
        "b": np.bool_(True),
        "p": Path("x"),
        "e": "é",
    }
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == {
        "i": 3,
        "f": 0.5,
        "a": [0, 1, 2],
        "b": True,
        "p": "x",
        "e": "é",
    }
    assert read_json(tmp_path / "none.json") is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"profile": "huge"}, "unknown profile 'huge': choose one of smoke, quick, full, paper"),
        (
            {"data": "fi:x"},
            "unknown data spec 'fi:x': choose one of synthetic, bt4sa:PATH, pairs:FILE.csv",
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

    monkeypatch.setenv("SIER_WORKERS", "3")
    made = _open(tmp_path).provenance()
    assert (
        made["precision"] in ("float32", "mixed_bfloat16")
        and made["gpu"] in (True, False)
        and made["workers"] == 3
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
