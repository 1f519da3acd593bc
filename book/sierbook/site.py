"""From executed notebooks to pages: stage the sources, run Jupyter Book, print a PDF."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import nbformat

from sierbook import notebooks
from sierbook.extensions import hero
from sierbook.recorded import BENCH
from sierlib.explorer import inpage
from sierlib.files import (
    checksum,
    ensure_folder,
    explain_failure,
    hold,
    read_json,
    read_record,
    replacing,
    write_json,
    write_text,
)
from sierlib.keys import digest
from sierlib.run import Run

#: What stands at the end of every notebook's page.
_DOWNLOADS = (
    ":::{{container}} noprint\nThe button at the top of this page downloads the notebook as it was "
    "executed; "
    "{{download}}`this is the notebook without outputs <../bare/{name}.ipynb>`, to run yourself, "
    "and "
    "{{download}}`these are the numbers on this page <../book/results/{name}.json>`.\n:::"
)

# What pages are made of; they quote the package.
_PAGES = ("_config.yml", "_toc.yml", "book", "sierlib", BENCH)


def _clean(notebook: Any, stamp: dict[str, Any]) -> None:
    """Put the stamp in the place of what papermill wrote, which names folders of this machine, and
    drop live widgets.

    A widget needs its kernel, and its state would be written whole into the page. Where nothing but
    text stands in for it, as for a progress bar that would be seen at 0 % for ever, the output goes
    with it. So does Markdown that says nothing, whose name would be shown.
    """
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["stamp"] = stamp
    for cell in notebook.cells:
        for output in list(cell.get("outputs", ())):
            data = output.get("data", {})
            live = data.pop("application/vnd.jupyter.widget-view+json", None)
            only_text = live is not None and not data.keys() - {"text/plain"}
            if only_text or data.get("text/markdown") == "":
                cell["outputs"].remove(output)


def stage(run: Run) -> Path:
    """Lay out the book's source below the run: pages, executed notebooks, results.

    Raises
    ------
    BuildFailed
        When a notebook's outputs are older than the code that made them, naming what to run again.
    """
    notebooks.refuse_outdated(run)
    place = run.folder / "book"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name in _PAGES:
        source = notebooks.ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, place / name, ignore=shutil.ignore_patterns("sierbook", "__pycache__")
            )
        elif source.is_file():
            shutil.copy2(source, ensure_folder((place / name).parent) / source.name)
    (place / "notebooks").mkdir()
    shutil.copytree(
        notebooks.ROOT / "notebooks", place / "bare", ignore=shutil.ignore_patterns("[!0-9]*")
    )
    for name in notebooks.NEEDS:
        notebook = nbformat.read(notebooks.executed_copy(run, name), as_version=4)
        for cell in notebook.cells:
            # The default settings are left out: the cell after them has the run's own, folded away.
            for kind, seen in (
                ("parameters", "remove-cell"),
                ("injected-parameters", "hide-input"),
            ):
                if kind in cell.metadata.get("tags", []):
                    cell.metadata["tags"] = [*cell.metadata["tags"], seen]
        notebook.cells.append(
            nbformat.v4.new_markdown_cell(_DOWNLOADS.format(name=name), id="downloads")
        )
        _clean(notebook, run.results(name).get("provenance", {}))
        nbformat.write(notebook, place / "notebooks" / f"{name}.ipynb")
    shutil.rmtree(place / "book" / "results", ignore_errors=True)
    shutil.copytree(run.folder / "results", place / "book" / "results")
    for script in inpage.find_scripts(run.folder / "explanations"):  # loaded on demand
        shutil.copy2(script, place / "book" / "assets" / script.name)
    if samples := read_json(run.folder / "explanations" / "samples.json"):
        write_json(place / "book" / "results" / hero.FILE, samples[0])
    _hide_places(run, [*place.glob("notebooks/*.ipynb"), *place.glob("book/results/*.json")])
    return place


def _hide_places(run: Run, files: Iterable[Path]) -> None:
    """Name data by their file or folder alone: no page shows where on this machine they lie."""
    for file in files:
        text = file.read_text(encoding="utf-8")
        for spec in (run.data, run.ser, run.ier):
            kind, colon, path = spec.partition(":")
            text = text.replace(spec, f"{kind}{colon}{PurePath(path).name}")
        write_text(file, text)


def _pages_key(run: Run) -> str:
    pages = [
        path
        for name in _PAGES
        for path in sorted([notebooks.ROOT / name, *(notebooks.ROOT / name).rglob("*")])
        if path.is_file()
    ]
    text = [
        (str(path.relative_to(notebooks.ROOT)), path.read_bytes().hex())
        for path in pages
        if "__pycache__" not in path.parts
    ]
    return digest(text, [notebooks.notebook_key(run, name) for name in notebooks.NEEDS])


#: Jupyter Book, which does not go on writing when this process has been killed.
_JUPYTER_BOOK = """
from sierlib.machine import end_with_parent
end_with_parent()
from jupyter_book.cli.main import main
main()
"""


def _jupyter_book(run: Run, output: Path, *options: str) -> None:
    """Run Jupyter Book on the run's staged source, which is kept only where that fails; warnings
    are errors."""
    place, log = stage(run), run.folder / "book.log"
    command = [
        sys.executable,
        "-c",
        _JUPYTER_BOOK,
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
            env={**os.environ, **notebooks.find_packages()},
        ).returncode  # fmt: skip
    if status:
        lines = [
            line
            for line in log.read_text(encoding="utf-8").splitlines()
            if "WARNING" in line or "ERROR" in line
        ]
        raise notebooks.BuildFailed(
            "\n".join([*lines[-10:], f"Jupyter Book failed; its output is {log}"])
        )
    shutil.rmtree(place)


def build_book(run: Run, output: Path = notebooks.ROOT) -> Path:
    """Render the run's book with Jupyter Book into ``_build/html``; warnings are errors.

    Returns
    -------
    pathlib.Path
        ``index.html``.
    """
    built = output / "_build"
    html = built / "html"
    key = digest(_pages_key(run), str(run.folder))
    with hold(run.folder), hold(built), explain_failure(built):
        if read_record(built / _BUILT) == {"key": key, "pages": _sum_pages(html)}:
            print("book: up to date", file=sys.stderr)
            return html / "index.html"
        # Beside the pages that are there, which stay until the new ones are complete.
        part = built / "part"
        shutil.rmtree(part, ignore_errors=True)
        _jupyter_book(run, part)
        if not (part / "_build" / "html" / "index.html").is_file():
            raise notebooks.BuildFailed(
                f"Jupyter Book wrote no index.html; its output is {run.folder / 'book.log'}"
            )
        shutil.rmtree(html, ignore_errors=True)
        os.replace(part / "_build" / "html", html)
        shutil.rmtree(part)
        _conclude(built, key)
    return html / "index.html"


#: What is noted beside pages and PDF: what made them, and the checksum of what was made.
_BUILT, _PRINTED = ".built", ".printed"


def _sum_pages(html: Path) -> str:
    """Return a hash of all built pages."""
    files = sorted(path for path in html.rglob("*") if path.is_file())
    return digest([(str(path.relative_to(html)), checksum(path)) for path in files])


def _conclude(built: Path, key: str) -> None:
    """Put the PDF beside the pages, and show its link, where both are of the same book; then note
    what the pages are."""
    html, pdf = built / "html", built / "book.pdf"
    if read_record(built / _PRINTED) == {"key": key, "pdf": checksum(pdf)}:
        page = html / "book" / "citing.html"
        shutil.copy2(pdf, html / "book.pdf")
        shown = page.read_text(encoding="utf-8")
        write_text(page, shown.replace('id="whole-book" hidden', 'id="whole-book"'))
    write_json(built / _BUILT, {"key": key, "pages": _sum_pages(html)})


def make_book(run: Run, output: Path = notebooks.ROOT) -> Path:
    """Execute every notebook that is out of date, and build the book."""
    notebooks.execute_all(run)
    return build_book(run, output)


def find_chromium() -> str | None:
    """Return where this machine's Chromium or Chrome lies."""
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


def print_pdf(run: Run, output: Path = notebooks.ROOT) -> Path:
    """Execute what is out of date and print the whole book as one PDF with Chromium, into
    ``_build/book.pdf``.

    Raises
    ------
    BuildFailed
        When there is no Chromium, before any work.
    """
    browser = find_chromium()
    if browser is None:
        raise notebooks.BuildFailed(
            "no chromium on this machine: install it, or print the pages of _build/html from a "
            "browser"
        )
    notebooks.execute_all(run)
    built = output / "_build"
    with hold(run.folder), hold(built), explain_failure(built):
        key = digest(_pages_key(run), str(run.folder))
        _print_pages(browser, _write_whole(run), built / "book.pdf")
        shutil.rmtree(run.folder / "print")
        write_json(built / _PRINTED, {"key": key, "pdf": checksum(built / "book.pdf")})
        pages = _sum_pages(built / "html")
        if read_record(built / _BUILT) == {"key": key, "pages": pages}:
            _conclude(built, key)
    return built / "book.pdf"


def _write_whole(run: Run) -> Path:
    """Write the whole book as one page."""
    pages = run.folder / "print"
    shutil.rmtree(pages, ignore_errors=True)
    _jupyter_book(run, pages, "--builder", "custom", "--custom-builder", "singlehtml")
    # Sphinx writes links as if the page stood above the first page's folder.
    (written,) = (pages / "_build").glob("*/book/index.html")
    whole = written.parents[1] / "index.html"
    text = written.read_text(encoding="utf-8")
    write_text(whole, text.replace('href="book/index.html#', 'href="#'))
    return whole


def _print_pages(browser: str, page: Path, target: Path) -> None:
    """Print a page as PDF."""
    with replacing(target) as partial:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        command += ["--virtual-time-budget=60000", f"--print-to-pdf={partial}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)
