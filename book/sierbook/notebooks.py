"""From notebooks to a book: execute what is out of date, stage, build."""

from __future__ import annotations

import csv
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient.exceptions import DeadKernelError

from sierlib.run import PACKAGE, Run, digest, imported_names, source_key

ROOT = PACKAGE.parent

#: What each notebook needs to have run before it.
NEEDS: dict[str, tuple[str, ...]] = {
    "01-dataset": (),
    "02-training": ("01-dataset",),
    "03-ablation": ("02-training",),
    "04-results": ("03-ablation",),
    "05-interpretability": ("02-training",),
    "06-explorer": ("05-interpretability",),
    "07-trust": ("02-training",),
}

#: Notebooks that show recorded values; those that need them follow.
_SHOWS_RECORDED = ("02-training", "03-ablation")


class NotebookFailed(RuntimeError):
    """A notebook stopped with an error; the message names it, the cell and where its copy lies."""


class BuildFailed(RuntimeError):
    """Jupyter Book did not build, or what it was given is out of date."""


def resolve_notebook(name: str) -> str:
    """Return the full name of a notebook given by name, number or path, such as "04".

    Raises
    ------
    ValueError
        Listing the notebooks that exist.
    """
    wanted = Path(name).stem
    found = [known for known in NEEDS if known == wanted or known.split("-")[0] == wanted.zfill(2)]
    if not found:
        raise ValueError(f"unknown notebook {name!r}: choose one of {', '.join(NEEDS)}")
    return found[0]


def executed_copy(run: Run, name: str) -> Path:
    """Return where a run keeps a notebook's executed copy."""
    return run.folder / "notebooks" / f"{name}.ipynb"


def notebook_key(run: Run, name: str) -> str:
    """Return a hash of all that an executed notebook depends on.

    That is the notebook itself, the code that it imports, the notebooks it needs, the files behind
    its data, and what was recorded where it shows that.
    """
    source = (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
    code = source_key(*_imports_of(source), packages=("sierlib", "sierbook"))
    before = [notebook_key(run, needed) for needed in NEEDS[name]]
    shown = _recorded_key(run) if name in _SHOWS_RECORDED else ""
    return digest(source, code, before, _parameters(run), _inputs_key(run), shown)


def _imports_of(notebook: str) -> set[str]:
    """Return what the code cells of a notebook import, as dotted names."""
    cells = nbformat.reads(notebook, as_version=4).cells
    names: set[str] = set()
    for cell in cells:
        # What begins with % or ! is IPython's: the cell that fetches the package on Colab.
        if cell.cell_type == "code" and not re.search(r"^\s*[%!]", cell.source, re.MULTILINE):
            names |= imported_names(cell.source)
    return names


def _recorded_key(run: Run) -> str:
    """Return the state of the recorded studies that stand in for what a profile does not train."""
    from sierbook import recorded
    from sierlib.run import digest

    place = recorded.stand_in_place(run)
    if place is None:
        return ""
    return digest(
        [(str(path.relative_to(place)), path.read_text()) for path in sorted(place.rglob("*.json"))]
    )


def _inputs_key(run: Run) -> list[str]:
    """Return the state of the files behind the data specs, so that a changed corpus is read
    again."""
    from sierlib.data.corpora.items import fingerprint

    keys = []
    for spec in (run.data, run.ser, run.ier):
        path = Path(spec.partition(":")[2].partition("?")[0])
        if spec == "synthetic":
            keys.append("")
        elif path.is_file():
            keys.append(
                fingerprint({path, *_named_in(path)} if spec.startswith("pairs:") else {path})
            )
        else:
            keys.append(fingerprint(sorted(entry for entry in path.rglob("*") if entry.is_file())))
    return keys


def _named_in(pairs: Path) -> set[Path]:
    """Return the pictures and recordings that a CSV of pairs names and that are there."""
    with pairs.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    named = {
        pairs.parent / row[key].strip()
        for row in rows
        for key in ("image", "audio")
        if row.get(key)
    }
    return {path for path in named if path.is_file()}


def _parameters(run: Run) -> dict[str, Any]:
    return {
        "profile": run.profile.name,
        "data": run.data,
        "ser": run.ser,
        "ier": run.ier,
        "seed": run.seed,
        "run_dir": ".",  # kernels work in the run's folder, so that no page shows where that is
    }


def is_up_to_date(run: Run, name: str) -> bool:
    """Tell whether a notebook's executed copy and results are what executing it now would give."""
    results = run.folder / "results" / f"{name}.json"
    return (
        executed_copy(run, name).is_file()
        and results.is_file()
        and run.current(f"notebooks/{name}", notebook_key(run, name))
    )


def execute_notebook(run: Run, name: str) -> Path:
    """Execute a notebook by papermill, unless its copy is up to date.

    Returns
    -------
    pathlib.Path
        The executed copy.

    Raises
    ------
    NotebookFailed
        When a cell fails.
    """
    import papermill

    target = executed_copy(run, name)
    if is_up_to_date(run, name):
        print(f"{name}: up to date", file=sys.stderr)
        return target
    key = notebook_key(run, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f"{name}.half.ipynb")
    start = time.time()
    print(f"{name}: running", file=sys.stderr, flush=True)
    # Kernels inherit the environment: quiet TensorFlow, and let the notebook find the package
    # anywhere.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])
    )
    try:
        with _kernels_log_to(target.with_suffix(".log")):
            papermill.execute_notebook(
                ROOT / "notebooks" / f"{name}.ipynb",
                half,
                parameters=_parameters(run),
                kernel_name="python3",
                progress_bar={"desc": name, "unit": "cell"},
                cwd=str(run.folder),
            )
    except papermill.PapermillExecutionError as error:
        raise NotebookFailed(
            f"notebook {name} failed in cell {error.exec_count}: {error.ename}: {error.evalue}\n"
            f"its half-executed copy is {half}"
        ) from error
    except DeadKernelError as error:
        raise NotebookFailed(
            f"notebook {name} failed: its kernel died, most often for want of memory\nits "
            f"half-executed copy is {half}"
        ) from error
    os.replace(half, target)
    run.done(f"notebooks/{name}", key)
    print(f"{name}: done in {time.time() - start:.0f} s", file=sys.stderr, flush=True)
    return target


@contextmanager
def _kernels_log_to(path: Path) -> Iterator[None]:
    """Send what kernels' libraries write to descriptor 2 to a file, and leave our own stderr to
    progress."""
    with open(path, "w", encoding="utf-8") as log:
        ours, before = os.dup(2), sys.stderr
        os.dup2(log.fileno(), 2)
        if before is sys.__stderr__:
            sys.stderr = os.fdopen(os.dup(ours), "w", buffering=1)
        try:
            yield
        finally:
            sys.stderr = before
            os.dup2(ours, 2)
            os.close(ours)


def check_weights(run: Run) -> None:
    """Stop before any work when the profile demands what cannot be had here.

    Raises
    ------
    WeightsUnavailable
        For ImageNet weights.
    """
    if run.profile.weights == "imagenet-required":
        from sierlib.experiment.models import list_backbones
        from sierlib.networks import backbones

        for kind in list_backbones(run.profile):
            if kind in backbones.PUBLISHED:
                backbones.imagenet(kind)


def execute_with_needs(run: Run, name: str) -> Path:
    """Execute a notebook after those it needs, each only where it is out of date."""
    check_weights(run)
    for needed in NEEDS[name]:
        execute_with_needs(run, needed)
    return execute_notebook(run, name)


def refuse_outdated(run: Run) -> None:
    """Stop where a notebook's outputs are older than the code that made them, naming what to run
    again."""
    old = [name for name in NEEDS if not is_up_to_date(run, name)]
    if old:
        raise BuildFailed(
            f"out of date: {', '.join(old)}; run `sier run {old[0]}` with the same settings, then "
            "build again"
        )


def execute_all(run: Run) -> None:
    """Execute every notebook that is out of date, in order."""
    check_weights(run)
    for name in NEEDS:
        execute_notebook(run, name)
