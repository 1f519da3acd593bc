"""The pipeline on notebooks of two cells: what runs, what is up to date, and what a failure
says."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import keras
import nbformat
import pytest

from sierbook import notebooks, recorded, site
from sierlib.files import hold, read_json, write_json
from sierlib.networks import backbones
from sierlib.run import Run

SETTINGS = """profile = "quick"
data = "synthetic"
ser = "synthetic"
ier = "synthetic"
seed = 0
run_dir = None"""
RECORD = """import json, os, pathlib
os.write(2, b"chatter of a library")
place = pathlib.Path(run_dir) / "results"
place.mkdir(exist_ok=True)
(place / "{name}.json").write_text(json.dumps({{"profile": profile, "seed": seed}}))
print("ran with", profile, seed, os.environ["MPLBACKEND"])"""


def _notebook(root: Path, name: str, *cells: str) -> None:
    made = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_code_cell(SETTINGS, metadata={"tags": ["parameters"]}),
                  *(nbformat.v4.new_code_cell(cell) for cell in cells)]  # fmt: skip
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (root / "notebooks").mkdir(exist_ok=True)
    nbformat.write(made, root / "notebooks" / f"{name}.ipynb")


TINY = {"01-first": (), "02-second": ("01-first",)}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two small notebooks, the second of which needs the first, and a run that has
    executed both."""
    place = tmp_path_factory.mktemp("template")
    root = place / "project"
    (root / "book").mkdir(parents=True)
    (root / "_config.yml").write_text("title: Tiny\n")
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (root / "book" / "index.md").write_text("# Tiny\n")
    (root / "sierlib").mkdir()
    (root / "sierlib" / "method.py").write_text("x = 1\n")
    for name in TINY:
        _notebook(root, name, RECORD.format(name=name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sierbook.notebooks.ROOT", root)
        patch.setattr("sierbook.notebooks.NEEDS", TINY)
        notebooks.execute_with_needs(Run.open("smoke", seed=5, run_dir=place / "run"), "02-second")
    return place


@pytest.fixture
def root(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project."""
    shutil.copytree(template / "project", tmp_path / "project")
    monkeypatch.setattr("sierbook.notebooks.ROOT", tmp_path / "project")
    monkeypatch.setattr("sierbook.notebooks.NEEDS", TINY)
    return tmp_path / "project"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of which nothing is executed yet."""
    return Run.open("smoke", seed=5, run_dir=tmp_path / "new")


@pytest.fixture
def executed(template: Path, root: Path, tmp_path: Path) -> Run:
    """A copy of the run that has executed both notebooks."""
    shutil.copytree(template / "run", tmp_path / "run")
    return Run.open("smoke", seed=5, run_dir=tmp_path / "run")


@pytest.mark.parametrize(
    "name", ["04", "4", "04-results", "notebooks/04-results.ipynb", "./04-results"]
)
def test_a_notebook_is_found_by_number_name_or_path(name: str) -> None:
    assert notebooks.resolve_notebook(name) == "04-results"


@pytest.mark.parametrize("name", ["11", "results", "", "04-result", "01-dataset-copy"])
def test_an_unknown_notebook_is_told_which_exist(name: str) -> None:
    with pytest.raises(ValueError, match="01-dataset, 02-training, .*06-explorer"):
        notebooks.resolve_notebook(name)


def test_every_notebook_that_is_needed_exists_and_comes_before() -> None:
    names = list(notebooks.NEEDS)
    for place, name in enumerate(names):
        assert (notebooks.ROOT / "notebooks" / f"{name}.ipynb").is_file()
        assert set(notebooks.NEEDS[name]) <= set(names[:place])


def test_a_notebook_runs_after_those_it_needs_with_the_runs_settings(executed: Run) -> None:
    for name in ("01-first", "02-second"):
        assert executed.results(name) == {"profile": "smoke", "seed": 5}
        cells = nbformat.read(notebooks.executed_copy(executed, name), as_version=4).cells
        assert "ran with smoke 5 module://matplotlib_inline" in cells[-1].outputs[0].text
        assert cells[-1].execution_count
        assert len(cells[-1].outputs) == 1  # what libraries write is not on the page
        log = notebooks.executed_copy(executed, name).with_suffix(".log")
        assert "chatter of a library" in log.read_text(encoding="utf-8")
        assert notebooks.is_up_to_date(executed, name)
    assert not list(executed.folder.rglob("*.half.ipynb"))


def test_what_is_up_to_date_is_not_run_again(
    executed: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [notebooks.executed_copy(executed, name) for name in notebooks.NEEDS]
    before = [path.stat().st_mtime_ns for path in paths]
    assert notebooks.execute_with_needs(executed, "02-second") == paths[1]
    assert [path.stat().st_mtime_ns for path in paths] == before
    captured = capsys.readouterr()
    assert "02-second: up to date" in captured.err and captured.out == ""


@pytest.mark.parametrize(
    "changed",
    [
        *("first notebook", "seed", "package", "nothing"),
        *("results", "copy", "damaged results", "damaged key"),
    ],
)
def test_a_change_reaches_all_that_depends_on_it(
    changed: str, executed: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if changed == "first notebook":
        _notebook(root, "01-first", "x = 1", RECORD.format(name="01-first"))
    elif changed == "seed":
        executed.seed = 6
    elif changed == "package":
        monkeypatch.setattr("sierbook.notebooks.source_key", lambda *_, **__: "edited")
    elif changed == "results":
        (executed.folder / "results" / "02-second.json").unlink()
    elif changed == "copy":
        notebooks.executed_copy(executed, "02-second").unlink()
    elif changed in ("damaged results", "damaged key"):
        place = "results" if "results" in changed else "keys/notebooks"
        path = executed.folder / place / "02-second.json"
        path.write_bytes(path.read_bytes()[:-5])
    found = [notebooks.is_up_to_date(executed, name) for name in notebooks.NEEDS]
    of_the_second = ("results", "copy", "damaged results", "damaged key")
    assert found == {
        "nothing": [True, True],
        **dict.fromkeys(of_the_second, [True, False]),
    }.get(changed, [False, False])


def test_a_changed_corpus_is_read_again(root: Path, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("text\tlabel\nso glad\tjoy\n")
    (tmp_path / "fi" / "anger").mkdir(parents=True)
    run = Run.open(
        "smoke",
        ser=f"tweets:{tmp_path / 't.tsv'}",
        ier=f"fi:{tmp_path / 'fi'}?positive=all",
        run_dir=tmp_path / "run",
    )
    keys = [notebooks.notebook_key(run, "02-second")]
    (tmp_path / "t.tsv").write_text("text\tlabel\nso very glad\tjoy\n")
    keys.append(notebooks.notebook_key(run, "02-second"))
    (tmp_path / "fi" / "anger" / "anger_0001.jpg").touch()
    keys.append(notebooks.notebook_key(run, "02-second"))
    (tmp_path / "p.csv").write_text("image, text\na.png, so glad\nnone.png, so sad\n")
    (tmp_path / "a.png").write_bytes(b"1")
    pairs = Run.open("smoke", data=f"pairs:{tmp_path / 'p.csv'}", run_dir=tmp_path / "pairs")
    before = notebooks.notebook_key(pairs, "02-second")
    (tmp_path / "a.png").write_bytes(b"22")
    assert notebooks.notebook_key(pairs, "02-second") != before
    assert len(set(keys)) == 3 and notebooks.notebook_key(run, "02-second") == keys[-1]


def test_demanded_weights_that_cannot_be_had_stop_before_any_work(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**_: object) -> None:
        raise Exception("URL fetch failure")

    for kind in ("VGG16", "VGG19"):
        monkeypatch.setattr(keras.applications, kind, unreachable)
    run = Run.open("paper", run_dir=tmp_path / "paper")
    for work in (site.make_book, lambda run: notebooks.execute_with_needs(run, "01-first")):
        with pytest.raises(backbones.WeightsUnavailable, match="ImageNet weights"):
            work(run)
    assert not (run.folder / "notebooks").exists()


def test_a_failure_names_notebook_cell_error_and_copy(root: Path, run: Run) -> None:
    _notebook(root, "01-first", "x = 1", "raise KeyError('no such column')")
    with pytest.raises(notebooks.NotebookFailed) as error:
        notebooks.execute_notebook(run, "01-first")
    said = str(error.value)
    assert "01-first" in said and "cell" in said and "KeyError" in said and "no such column" in said
    copy = next(run.folder.rglob("*half*.ipynb"))
    assert str(copy) in said
    assert any(
        "KeyError" in str(cell.get("outputs")) for cell in nbformat.read(copy, as_version=4).cells
    )
    assert not notebooks.executed_copy(run, "01-first").exists() and not notebooks.is_up_to_date(
        run, "01-first"
    )


def test_a_kernel_that_dies_is_a_failed_notebook(root: Path, run: Run) -> None:
    _notebook(root, "01-first", "import os; os._exit(1)")
    with pytest.raises(notebooks.NotebookFailed, match="01-first"):
        notebooks.execute_notebook(run, "01-first")


SIDES = {**TINY, "03-third": ("01-first",), "04-fourth": ("02-second",)}
#: Waits until another notebook has begun, as it has where both run side by side.
MEET = """import pathlib, time
place = pathlib.Path(run_dir)
(place / "{name}.begun").touch()
for _ in range(600):
    if (place / "{other}.begun").exists():
        break
    time.sleep(0.1)
assert (place / "{other}.begun").exists(), "alone"
"""


@pytest.fixture
def sides(root: Path, executed: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The run of a project in which two notebooks need the first, and a fourth the second."""
    monkeypatch.setattr("sierbook.notebooks.NEEDS", SIDES)
    monkeypatch.setenv("SIER_WORKERS", "2")
    second, third = "02-second", "03-third"
    for name, other in ((second, third), (third, second)):
        _notebook(root, name, MEET.format(name=name, other=other), RECORD.format(name=name))
    _notebook(root, "04-fourth", RECORD.format(name="04-fourth"))
    return executed


def test_notebooks_that_do_not_need_each_other_run_side_by_side(
    sides: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    here = os.getcwd()
    notebooks.execute_all(sides)
    assert all(notebooks.is_up_to_date(sides, name) for name in SIDES)
    assert os.getcwd() == here
    said = capsys.readouterr().err
    assert said.startswith("01-first: up to date\n")
    assert 0 < said.index("02-second: done") < said.index("04-fourth: running")


def test_one_runs_at_a_time_where_networks_are_trained_one_at_a_time(
    sides: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def execute(run: Run, name: str, *_: object) -> None:
        begun.append(name)
        time.sleep(0.2)
        begun.append(name)

    monkeypatch.setattr("sierbook.notebooks._run_papermill", execute)
    monkeypatch.setenv("SIER_WORKERS", "1")
    notebooks.execute_all(sides)
    assert begun[::2] == begun[1::2] and sorted(begun[::2]) == list(SIDES)[1:]


def test_what_runs_beside_a_failure_is_kept_and_nothing_new_is_begun(
    sides: Run, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meet = MEET.format(name="03-third", other="02-second")
    _notebook(root, "03-third", meet, "raise KeyError('no such column')")
    meet = MEET.format(name="02-second", other="03-third")
    _notebook(root, "02-second", meet, "time.sleep(3)", RECORD.format(name="02-second"))
    with pytest.raises(notebooks.NotebookFailed, match="notebook 03-third failed in cell 4"):
        notebooks.execute_all(sides)
    told = [notebooks.is_up_to_date(sides, name) for name in SIDES]
    assert told == [True, True, False, False]
    said = capsys.readouterr().err
    assert "03-third: failed; 02-second will end before it is said why" in said
    assert "04-fourth" not in said


def test_what_was_executed_from_a_damaged_artefact_is_executed_again(
    executed: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(
        "sierbook.notebooks._run_papermill", lambda _, name, *__: begun.append(name)
    )
    model = executed.folder / "models" / "fused.keras"
    model.parent.mkdir()
    model.write_bytes(b"weights")
    executed.done("models/fused", "k", model)
    notebooks.execute_all(executed)
    assert begun == []
    model.write_bytes(b"weight")
    notebooks.execute_all(executed)
    assert begun == list(TINY) and executed.key_of("models/fused") == ""
    assert "models/fused: damaged since it was made" in capsys.readouterr().err


def test_two_builds_do_not_write_one_folder(executed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with hold(executed.folder):
        monkeypatch.setenv("SIER_HOLDS", "")  # as in a process of its own
        with pytest.raises(RuntimeError, match=f"{executed.folder} is being written by another"):
            notebooks.execute_all(executed)


def test_a_damaged_page_is_built_again_and_a_failed_build_leaves_the_pages_that_were_there(
    executed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []

    def build(run: Run, place: Path, *_: str) -> None:
        built.append(place)
        (place / "_build" / "html").mkdir(parents=True)
        (place / "_build" / "html" / "index.html").write_text("built")

    monkeypatch.setattr("sierbook.site._jupyter_book", build)
    index = site.build_book(executed, tmp_path)
    assert site.build_book(executed, tmp_path) == index and len(built) == 1
    index.write_text("damaged")
    assert site.build_book(executed, tmp_path).read_text() == "built" and len(built) == 2
    index.write_text("old")

    def fail(*_: object) -> None:
        raise notebooks.BuildFailed("no")

    monkeypatch.setattr("sierbook.site._jupyter_book", fail)
    with pytest.raises(notebooks.BuildFailed):
        site.build_book(executed, tmp_path)
    assert index.read_text() == "old"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the kernels in /proc")
def test_an_interruption_ends_all_that_runs(sides: Run, root: Path) -> None:
    for name, other in (("02-second", "03-third"), ("03-third", "02-second")):
        meet = MEET.format(name=name, other=other)
        process = f"import os\n(place / '{name}.process').write_text(str(os.getpid()))"
        _notebook(root, name, meet, process, "time.sleep(600)")
    files = [sides.folder / f"{name}.process" for name in ("02-second", "03-third")]

    def interrupt() -> None:
        while not all(path.is_file() and path.read_text() for path in files):
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    # A process that a shell started in the background is born deaf to it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            notebooks.execute_all(sides)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not [path for path in files if Path("/proc", path.read_text()).is_dir()]
    assert notebooks.is_up_to_date(sides, "01-first")
    assert not notebooks.executed_copy(sides, "03-third").exists()


def test_a_notebook_that_failed_is_run_again(root: Path, run: Run) -> None:
    _notebook(root, "01-first", "1 / 0")
    with pytest.raises(notebooks.NotebookFailed):
        notebooks.execute_notebook(run, "01-first")
    _notebook(root, "01-first", RECORD.format(name="01-first"))
    assert notebooks.execute_notebook(run, "01-first").is_file() and notebooks.is_up_to_date(
        run, "01-first"
    )


def test_outdated_notebooks_are_not_staged(root: Path, run: Run) -> None:
    with pytest.raises(
        notebooks.BuildFailed, match="out of date: 01-first, 02-second; run `sier run 01-first`"
    ):
        site.stage(run)
    assert not (run.folder / "book").exists()


def test_the_book_is_staged_from_pages_copies_and_results(executed: Run, root: Path) -> None:
    (root / "book" / "results").mkdir()
    (root / "book" / "results" / "old.json").write_text("{}")
    copy = notebooks.executed_copy(
        executed, "02-second"
    )  # with what a live widget would leave in it
    notebook = nbformat.read(copy, as_version=4)
    assert notebook.metadata.papermill.output_path.startswith("/")
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "0"}, "text/plain": "Live()"}
    said = {"text/markdown": "", "text/plain": "<Markdown object>"}  # where there is nothing to say
    for data in (view, said):
        notebook.cells[-1].outputs.append(nbformat.v4.new_output("display_data", data))
    nbformat.write(notebook, copy)
    results = executed.folder / "results" / "02-second.json"
    write_json(results, {"provenance": {"profile": "smoke", "seed": 5}})
    name = "notebooks/02-second"
    executed.done(name, executed.key_of(name), copy, results)
    place = site.stage(executed)
    found = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    assert found == {
        "_config.yml",
        "_toc.yml",
        "book/index.md",
        "book/results/01-first.json",
        "book/results/02-second.json",
        "notebooks/01-first.ipynb",
        "notebooks/02-second.ipynb",
        "bare/01-first.ipynb",
        "bare/02-second.ipynb",
        "sierlib/method.py",
    }
    staged = nbformat.read(place / "notebooks" / "02-second.ipynb", as_version=4)
    assert "ran with smoke 5" in str(staged.cells[-2].outputs)
    assert "Live()" not in str(staged.cells) and "<Markdown object>" not in str(staged.cells)
    assert "../bare/02-second.ipynb" in staged.cells[-1].source
    assert "../book/results/02-second.json" in staged.cells[-1].source
    assert staged.metadata["stamp"] == {"profile": "smoke", "seed": 5}
    assert not {"papermill", "widgets"} & set(staged.metadata)
    assert (place / "bare" / "02-second.ipynb").read_bytes() == (
        root / "notebooks" / "02-second.ipynb"
    ).read_bytes()
    _notebook(root, "02-second", "y = 2", RECORD.format(name="02-second"))
    with pytest.raises(
        notebooks.BuildFailed, match="out of date: 02-second; run `sier run 02-second`"
    ):
        site.stage(executed)


def test_pages_do_not_say_where_data_lie(executed: Run, tmp_path: Path) -> None:
    there = tmp_path / "private" / "pairs.csv"
    run = replace(executed, data=f"pairs:{there}", ser=f"recordings:{there.parent}/")
    page, results = tmp_path / "page.ipynb", tmp_path / "results.json"
    page.write_text(json.dumps({"source": [f'data = "{run.data}"', f'ser = "{run.ser}"']}))
    write_json(results, {"provenance": {"data": run.data, "ier": run.ier}})
    site._hide_places(run, [page, results])
    assert "private/" not in page.read_text() + results.read_text()
    assert "pairs:pairs.csv" in page.read_text() and "recordings:private" in page.read_text()
    assert read_json(results) == {"provenance": {"data": "pairs:pairs.csv", "ier": run.ier}}


def test_recording_makes_nothing_stale_that_it_records(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run's own recorded files are no input of its notebooks; those of the run that stands in for
    others are."""
    monkeypatch.setattr("sierbook.recorded.RECORDED", tmp_path / "recorded")
    monkeypatch.setattr("sierbook.notebooks._SHOWS_RECORDED", ("01-first",))
    run = {name: Run.open(name, run_dir=tmp_path / name) for name in ("smoke", recorded.STAND_IN)}
    before = {name: notebooks.notebook_key(one, "02-second") for name, one in run.items()}
    write_json(tmp_path / "recorded" / recorded.STAND_IN / "models" / "fused.json", {"a": 1})
    after = {name: notebooks.notebook_key(one, "02-second") for name, one in run.items()}
    assert (
        before[recorded.STAND_IN] == after[recorded.STAND_IN] and before["smoke"] != after["smoke"]
    )
    (tmp_path / "recorded").rename(tmp_path / "moved")
    monkeypatch.setattr("sierbook.recorded.RECORDED", tmp_path / "moved")
    for path in (tmp_path / "moved").rglob("*.json"):
        path.touch()
    assert (
        notebooks.notebook_key(run["smoke"], "02-second") == after["smoke"]
    )  # neither place nor time counts


def test_a_notebook_that_wants_memory_says_so(root: Path, run: Run) -> None:
    _notebook(root, "01-first", "raise MemoryError('OOM when allocating tensor')")
    with pytest.raises(
        notebooks.NotebookFailed, match="failed in cell 3: MemoryError.*\n.*\n.*half of it"
    ):
        notebooks.execute_with_needs(run, "01-first")
