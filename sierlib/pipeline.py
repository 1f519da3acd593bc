"""From notebooks to a book: execute what is out of date, stage, build."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient.exceptions import DeadKernelError

from sierlib import runs
from sierlib.runs import Run

ROOT = runs.PACKAGE.parent

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

#: What stands at the end of every notebook's page.
_DOWNLOADS = (
    ":::{{container}} noprint\nThe button at the top of this page downloads the notebook as it was executed; "
    "{{download}}`this is the notebook without outputs <../bare/{name}.ipynb>`, to run yourself, and "
    "{{download}}`these are the numbers on this page <../book/results/{name}.json>`.\n:::"
)

_PAGES = ("_config.yml", "_toc.yml", "book")


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


def executed(run: Run, name: str) -> Path:
    """Return where a run keeps a notebook's executed copy."""
    return run.folder / "notebooks" / f"{name}.ipynb"


def notebook_key(run: Run, name: str) -> str:
    """Return a hash of all that an executed notebook depends on: itself, the package, and what came before."""
    source = (ROOT / "notebooks" / f"{name}.ipynb").read_bytes()
    before = [notebook_key(run, needed) for needed in NEEDS[name]]
    shown = _recorded_key(run) if name in _SHOWS_RECORDED else ""
    return runs.digest(source.decode(), runs.source_key([""]), before, _parameters(run), _inputs_key(run), shown)


def _recorded_key(run: Run) -> str:
    """Return the state of the recorded studies that stand in for what a profile does not train."""
    from sierlib import studies

    place = studies.stand_in_place(run)
    if place is None:
        return ""
    return runs.digest([(str(path.relative_to(place)), path.read_text()) for path in sorted(place.rglob("*.json"))])


def _inputs_key(run: Run) -> list[str]:
    """Return the state of the files behind the data specs, so that a changed corpus is read again."""
    from sierlib.corpora import fingerprint

    keys = []
    for spec in (run.data, run.ser, run.ier):
        path = Path(spec.partition(":")[2].partition("?")[0])
        if spec == "synthetic":
            keys.append("")
        elif path.is_file():
            keys.append(fingerprint({path, *_named_in(path)} if spec.startswith("pairs:") else {path}))
        else:
            keys.append(fingerprint(sorted(entry for entry in path.rglob("*") if entry.is_file())))
    return keys


def _named_in(pairs: Path) -> set[Path]:
    """Return the pictures and recordings that a CSV of pairs names and that are there."""
    with pairs.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    named = {pairs.parent / row[key].strip() for row in rows for key in ("image", "audio") if row.get(key)}
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


def up_to_date(run: Run, name: str) -> bool:
    """Tell whether a notebook's executed copy and results are what executing it now would give."""
    results = run.folder / "results" / f"{name}.json"
    return (
        executed(run, name).is_file()
        and results.is_file()
        and run.current(f"notebooks/{name}", notebook_key(run, name))
    )


def execute(run: Run, name: str) -> Path:
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

    target = executed(run, name)
    if up_to_date(run, name):
        print(f"{name}: up to date", file=sys.stderr)
        return target
    key = notebook_key(run, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f"{name}.half.ipynb")
    start = time.time()
    print(f"{name}: running", file=sys.stderr, flush=True)
    # Kernels inherit the environment: quiet TensorFlow, and let the notebook find the package anywhere.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
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
            f"notebook {name} failed: its kernel died, most often for want of memory\nits half-executed copy is {half}"
        ) from error
    os.replace(half, target)
    run.done(f"notebooks/{name}", key)
    print(f"{name}: done in {time.time() - start:.0f} s", file=sys.stderr, flush=True)
    return target


@contextmanager
def _kernels_log_to(path: Path) -> Iterator[None]:
    """Send what kernels' libraries write to descriptor 2 to a file, and leave our own stderr to progress."""
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


def check(run: Run) -> None:
    """Stop before any work when the profile demands what cannot be had here.

    Raises
    ------
    WeightsUnavailable
        For ImageNet weights.
    """
    if run.profile.weights == "imagenet-required":
        from sierlib import backbones, specs

        for kind in specs.backbones_of(run.profile):
            if kind in backbones.PUBLISHED:
                backbones.imagenet(kind)


def execute_with_needs(run: Run, name: str) -> Path:
    """Execute a notebook after those it needs, each only where it is out of date."""
    check(run)
    for needed in NEEDS[name]:
        execute_with_needs(run, needed)
    return execute(run, name)


def refuse_outdated(run: Run) -> None:
    """Stop where a notebook's outputs are older than the code that made them, naming what to run again."""
    old = [name for name in NEEDS if not up_to_date(run, name)]
    if old:
        raise BuildFailed(
            f"out of date: {', '.join(old)}; run `sier run {old[0]}` with the same settings, then build again"
        )


def _clean(notebook: Any, stamp: dict[str, Any]) -> None:
    """Put the stamp in the place of what papermill wrote, which names folders of this machine, and drop live widgets.

    A widget needs its kernel, and its state would be written whole into the page. Where nothing but text stands in for
    it, as for a progress bar that would be seen at 0 % for ever, the output goes with it.
    """
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["stamp"] = stamp
    for cell in notebook.cells:
        for output in list(cell.get("outputs", ())):
            live = output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
            if live is not None and not output["data"].keys() - {"text/plain"}:
                cell["outputs"].remove(output)


def stage(run: Run) -> Path:
    """Lay out the book's source below the run: pages, executed notebooks, results.

    Raises
    ------
    BuildFailed
        When a notebook's outputs are older than the code that made them, naming what to run again.
    """
    refuse_outdated(run)
    place = run.folder / "book"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name in _PAGES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, place / name)
    (place / "notebooks").mkdir()
    shutil.copytree(ROOT / "notebooks", place / "bare", ignore=shutil.ignore_patterns("[!0-9]*"))
    for name in NEEDS:
        notebook = nbformat.read(executed(run, name), as_version=4)
        for cell in notebook.cells:
            # The default settings are left out: the cell after them has the run's own, folded away.
            for kind, seen in (("parameters", "remove-cell"), ("injected-parameters", "hide-input")):
                if kind in cell.metadata.get("tags", []):
                    cell.metadata["tags"] = [*cell.metadata["tags"], seen]
        notebook.cells.append(nbformat.v4.new_markdown_cell(_DOWNLOADS.format(name=name)))
        _clean(notebook, run.results(name).get("provenance", {}))
        nbformat.write(notebook, place / "notebooks" / f"{name}.ipynb")
    shutil.rmtree(place / "book" / "results", ignore_errors=True)
    shutil.copytree(run.folder / "results", place / "book" / "results")
    return place


def _pages_key(run: Run) -> str:
    pages = [path for name in _PAGES for path in sorted([ROOT / name, *(ROOT / name).rglob("*")]) if path.is_file()]
    text = [(str(path.relative_to(ROOT)), path.read_bytes().hex()) for path in pages if "__pycache__" not in path.parts]
    return runs.digest(text, [notebook_key(run, name) for name in NEEDS])


def _jupyter_book(run: Run, place: Path, output: Path, *options: str) -> None:
    """Run Jupyter Book on a staged source; warnings are errors."""
    log = run.folder / "book.log"
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        str(place),
        "--path-output",
        str(output),
        "-W",
        "--keep-going",
        *options,
    ]
    print("book: building", file=sys.stderr, flush=True)
    with open(log, "w", encoding="utf-8") as stream:
        status = subprocess.run(
            command, stdout=stream, stderr=subprocess.STDOUT, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ).returncode  # fmt: skip
    if status:
        lines = [line for line in log.read_text(encoding="utf-8").splitlines() if "WARNING" in line or "ERROR" in line]
        raise BuildFailed("\n".join([*lines[-10:], f"Jupyter Book failed; its output is {log}"]))


def build(run: Run, output: Path = ROOT) -> Path:
    """Render the run's book with Jupyter Book into ``_build/html``; warnings are errors.

    Returns
    -------
    pathlib.Path
        ``index.html``.
    """
    index = output / "_build" / "html" / "index.html"
    mark = output / "_build" / ".built"
    key = runs.digest(_pages_key(run), str(run.folder))
    if index.is_file() and mark.is_file() and mark.read_text() == key:
        print("book: up to date", file=sys.stderr)
        return index
    place = stage(run)
    shutil.rmtree(output / "_build", ignore_errors=True)
    _jupyter_book(run, place, output)
    if not index.is_file():
        raise BuildFailed(f"Jupyter Book wrote no {index}; its output is {run.folder / 'book.log'}")
    mark.write_text(key)
    return index


def execute_all(run: Run) -> None:
    """Execute every notebook that is out of date, in order."""
    check(run)
    for name in NEEDS:
        execute(run, name)


def book(run: Run, output: Path = ROOT) -> Path:
    """Execute every notebook that is out of date, in order, and build the book."""
    execute_all(run)
    return build(run, output)


def chromium() -> str | None:
    """Return where this machine's Chromium or Chrome lies."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pdf(run: Run, output: Path = ROOT) -> Path:
    """Execute what is out of date and print the whole book as one PDF with Chromium, into ``_build/book.pdf``.

    Raises
    ------
    BuildFailed
        When there is no Chromium, before any work.
    """
    browser = chromium()
    if browser is None:
        raise BuildFailed("no chromium on this machine: install it, or print the pages of _build/html from a browser")
    execute_all(run)
    pages, target = run.folder / "print", output / "_build" / "book.pdf"
    shutil.rmtree(pages, ignore_errors=True)
    _jupyter_book(run, stage(run), pages, "--builder", "custom", "--custom-builder", "singlehtml")
    # Sphinx writes links as if the page stood above the first page's folder.
    (written,) = (pages / "_build").glob("*/book/index.html")
    whole = written.parents[1] / "index.html"
    whole.write_text(written.read_text(encoding="utf-8").replace('href="book/index.html#', 'href="#'), encoding="utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    command += ["--virtual-time-budget=60000", f"--print-to-pdf={target}", whole.as_uri()]
    subprocess.run(command, check=True, capture_output=True)
    return target
