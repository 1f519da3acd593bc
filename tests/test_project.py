"""The project's own files: environments in step, notebooks clean, constants the paper's."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from sierbook import notebooks
from sierlib import settings
from sierlib.keys import imported_names
from sierlib.networks import losses

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DEPENDENCIES: list[str] = PYPROJECT["project"]["dependencies"]
# Every module of both packages.
CODE = [
    *sorted((ROOT / "sierlib").rglob("*.py")),
    *sorted((ROOT / "book" / "sierbook").rglob("*.py")),
]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def _lock() -> dict[str, tuple[str, int]]:
    """Version and number of hashes by name."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]
    found = {}
    for entry in entries:
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", entry)
        assert match, f"not pinned: {entry.splitlines()[0]}"
        found[canonicalize_name(match[1])] = (
            match[2],
            len(re.findall(r"--hash=sha256:[0-9a-f]{64}", entry)),
        )
    return found


def _texts() -> Iterator[tuple[Path, str]]:
    """Every text file that is committed, or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        try:
            yield ROOT / name, (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue


# ------------------------------------------------------------------------------------- environments
def test_the_conda_environment_is_in_step_with_pyproject() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == "parallelnet-book"
    *conda, last = environment["dependencies"]
    assert conda == ["python=3.11", "pip"]
    assert last == {"pip": [*DEPENDENCIES, "-e ."]}


def test_every_python_that_is_promised_is_locked_and_tested() -> None:
    project = PYPROJECT["project"]
    promised = [line.rpartition(" ")[2] for line in project["classifiers"] if "Python ::" in line]
    allowed = SpecifierSet(project["requires-python"])
    assert promised == [each for each in (f"3.{minor}" for minor in range(99)) if each in allowed]
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(workflow)["jobs"]["test"]["strategy"]["matrix"]["python"] == promised
    # What the newest Python has no more, librosa's readers of sound take from packages.
    assert "standard-aifc" in _lock()


@pytest.mark.parametrize(
    "wanted", [*DEPENDENCIES, *PYPROJECT["project"]["optional-dependencies"]["dev"]]
)
def test_every_dependency_is_locked_to_a_version_that_fits(wanted: str) -> None:
    requirement = Requirement(wanted)
    version, hashes = _lock()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version, prereleases=True) and hashes >= 1


def test_everything_in_the_lock_has_hashes() -> None:
    assert [name for name, (_, hashes) in _lock().items() if not hashes] == []


def test_every_package_that_is_imported_is_declared() -> None:
    # Those of `make optional` are imported only where they are asked for.
    lines = [*DEPENDENCIES, *PYPROJECT["dependency-groups"]["optional"]]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    # By the name of its distribution, or of the one that cannot be without it.
    names = {
        "sklearn": "scikit-learn",
        "PIL": "pillow",
        "hibari": "hibari-tts",
        "nbformat": "papermill",
        "nbclient": "papermill",
        "jupyter_client": "papermill",
        "jupyter_core": "papermill",
        "traitlets": "ipywidgets",
        "IPython": "ipykernel",
        "docutils": "jupyter-book",
        "sphinx": "jupyter-book",
        "onnxruntime": "hibari-tts",
        "jax": "keras",  # imported only where it is Keras' backend
        "distributed": "joblib",  # imported only where $DASK names a cluster
    }
    used: set[str] = set()
    for path in CODE:
        for name in imported_names(path.read_text(encoding="utf-8")):
            used.add(name.partition(".")[0])
    outside = used - sys.stdlib_module_names - {"sierlib", "sierbook"}
    assert {names.get(name, name).replace("_", "-") for name in outside} <= declared


def test_every_package_is_shipped() -> None:
    folders = set()
    for base in (ROOT, ROOT / "book"):
        for path in base.glob("sier*/**/__init__.py"):
            folders.add(".".join(path.parent.relative_to(base).parts))
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == folders


# ---------------------------------------------------------------------------------------- notebooks
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebooks_hold_no_outputs_and_begin_with_their_settings(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert cells and all(not cell["outputs"] and cell["execution_count"] is None for cell in cells)
    assert "widgets" not in notebook["metadata"]
    parameters = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    assert parameters == cells[:1]
    source = "".join(parameters[0]["source"])
    assert all(
        re.search(rf"^{name} = ", source, re.M)
        for name in ("profile", "data", "ser", "ier", "seed", "run_dir")
    )
    assert notebook["cells"][0]["cell_type"] == "markdown" and notebook["cells"][0]["source"][
        0
    ].startswith("# ")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_functions_in_notebooks_are_short(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            for body in re.findall(r"^def .*\n(?:(?:[ \t].*)?\n?)*", "".join(cell["source"]), re.M):
                assert len(body.strip().splitlines()) <= 16, body.splitlines()[0]


def _drawing_cells() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Notebook, source and MyST-NB's options of every cell that draws."""
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and re.search(r"\b\w+_plots\.\w+\(", source):
                yield f"{path.stem}-{cell['id']}", source, cell["metadata"].get("mystnb", {})


DRAWING = list(_drawing_cells())
assert DRAWING  # else the test below would pass over nothing


@pytest.mark.parametrize(
    ("source", "options"), [cell[1:] for cell in DRAWING], ids=[cell[0] for cell in DRAWING]
)
def test_every_figure_has_an_alternative_text_and_a_caption(
    source: str, options: dict[str, Any]
) -> None:
    assert len(options.get("image", {}).get("alt", "").strip()) >= 40
    figure, several = options.get("figure", {}), re.search(r"^(for|while) ", source, re.M)
    # A bold title and more than that; in a loop every figure gets it. One paragraph: a second would
    # be a legend.
    assert several or figure.get("caption")
    assert re.fullmatch(
        r"\*\*[^*\n]+[.?]\*\* [^\n]{40,}", figure.get("caption", "**None.** " + "-" * 40)
    )
    if "name" in figure:
        pages = [
            path.read_text(encoding="utf-8") for path in (*(ROOT / "book").glob("*.md"), *NOTEBOOKS)
        ]
        taken = [name for page in pages for name in re.findall(r":name: ([\w-]+)", page)]
        taken += [cell[2].get("figure", {}).get("name") for cell in DRAWING]
        assert not several and taken.count(figure["name"]) == 1


def test_the_pipeline_knows_every_notebook_and_so_does_the_table_of_contents() -> None:
    assert [path.stem for path in NOTEBOOKS] == list(notebooks.NEEDS)
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert all(f"notebooks/{name}" in contents for name in notebooks.NEEDS)


def test_every_entry_of_the_table_of_contents_exists() -> None:
    def files(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (str(node[key]) for key in ("root", "file") if key in node)
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                yield from files(child)

    entries = list(files(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))))
    assert len(entries) > 8 and len(set(entries)) == len(entries)
    missing = [
        name
        for name in entries
        if not any((ROOT / f"{name}{suffix}").is_file() for suffix in (".md", ".ipynb", ""))
    ]
    assert missing == []


# ------------------------------------------------------------------------------------- no traces
def test_no_file_names_the_folder_it_was_written_in() -> None:
    places = {str(ROOT)} | (
        {sys.prefix}
        if sys.prefix != sys.base_prefix and not Path(sys.prefix).is_relative_to(ROOT)
        else set()
    )
    pattern = re.compile(
        "|".join(
            [
                *(re.escape(place) + r"(?![\w-])" for place in places),
                r"/home/\w+/",
                r"/Users/\w+/",
                r"C:\\Users",
            ]
        )
    )
    own = Path(__file__)
    found = [
        str(path.relative_to(ROOT))
        for path, text in _texts()
        if path != own and pattern.search(text)
    ]
    assert found == []


def test_nothing_is_left_to_be_done_in_the_files() -> None:
    pattern = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
    suffixes = {".py", ".md", ".ipynb", ".js", ".css", ".yml", ".toml", ".cff"}
    assert [
        str(path.relative_to(ROOT))
        for path, text in _texts()
        if path.suffix in suffixes and pattern.search(text)
    ] == []


# ------------------------------------------------------------------------------- the paper's
# constants
def test_section_3_1_the_classes_and_the_rule() -> None:
    assert settings.CLASSES == ("anger", "happy", "hate", "sad")
    assert settings.PAPER_COUNTS == {"happy": 42_958, "sad": 13_621, "hate": 4_401, "anger": 19_913}
    assert sum(settings.PAPER_COUNTS.values()) == 80_893
    assert settings.LABEL_THRESHOLD == 0.5
    assert settings.RELABEL == {"excitement": "happy", "disgust": "hate"}


def test_section_3_2_and_3_3_sizes_and_silence() -> None:
    assert settings.SIZE == 128 and settings.SILENCE_PERCENTILE == 30


def test_section_4_2_training() -> None:
    assert (settings.TEST_SHARE, settings.FOLDS) == (0.3, 5)
    assert (settings.FOCAL_WEIGHT, settings.CROSS_ENTROPY_WEIGHT) == (1, 0.5)
    assert (
        losses.FocalCrossEntropy().get_config() | {"focal": 1.0, "cross_entropy": 0.5}
        == losses.FocalCrossEntropy().get_config()
    )
    paper = settings.profile("paper")
    assert (paper.batch, paper.learning_rate, paper.epochs) == (64, 8e-6, 30)
    assert (paper.patience_stop, paper.patience_plateau, paper.folds) == (5, 2, 5)
    assert (paper.width, paper.weights, paper.warmup, paper.augment) == (
        1.0,
        "imagenet-required",
        0,
        False,
    )
    assert paper.pairs == 80_893
    # What we add to the paper's training is left out.
    assert (paper.normalised, paper.absent, paper.class_weight) == (False, 0, 0)


def test_table_1() -> None:
    assert settings.PAPER_TABLE_1 == {
        "ser": 0.6017, "ier": 0.6693, "baseline1": 0.6393, "baseline2": 0.6181, "baseline3": 0.6770,
        "fused": 0.8329,
    }  # fmt: skip


@pytest.mark.parametrize(("asked", "found"), [(None, "1"), ("0", "0")])
def test_onednn_is_used_unless_somebody_says_otherwise(asked: str | None, found: str) -> None:
    given = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    told = subprocess.run(
        [sys.executable, "-c", "import sierlib, os; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"],
        env=given | ({"TF_ENABLE_ONEDNN_OPTS": asked} if asked else {}),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.strip() == found


# ------------------------------------------------------------------------------------ house style
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement, but not those of statements inside it."""
    waiting = list(ast.iter_child_nodes(statement))
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.stmt):
            yield node
            waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_statement_has_one_comprehension_and_text_no_conditions(path: Path) -> None:
    found = []
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(statement, ast.stmt):
            continue
        nodes = list(_expressions(statement))
        if sum(isinstance(node, COMPREHENSIONS) for node in nodes) > 1:
            found.append(f"line {statement.lineno}: more than one comprehension in a statement")
        for text in (node for node in nodes if isinstance(node, ast.JoinedStr)):
            if any(isinstance(node, ast.IfExp) for node in ast.walk(text)):
                found.append(f"line {text.lineno}: a condition inside an f-string")
    assert found == []
