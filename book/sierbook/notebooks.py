"""From notebooks to a book: execute what is out of date, stage, build."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import DeadKernelError

from sierbook.shortage import explain_shortage
from sierlib.files import ensure_folder, explain_failure, hold, replacing
from sierlib.keys import PACKAGE, digest, imported_names, source_key
from sierlib.machine import count_workers
from sierlib.run import Run

ROOT = PACKAGE.parent

#: Libraries that would tell their makers of their use are asked not to.
_SILENT = {"DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

#: What each notebook needs to have run before it.
NEEDS: dict[str, tuple[str, ...]] = {
    "01-dataset": (),
    "02-training": ("01-dataset",),
    "03-ablation": ("02-training",),
    "04-results": ("03-ablation",),
    "05-interpretability": ("02-training",),
    "06-explorer": ("05-interpretability",),
    "07-experiment": ("02-training",),
    "08-explanations": ("02-training",),
    "09-together": ("02-training",),
    "10-own-model": ("02-training",),
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
    its data, what was recorded where it shows that, and what is to be shown of real corpora.
    """
    source = (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
    code = source_key(*_imports_of(source), packages=("sierlib", "sierbook"))
    before = [notebook_key(run, needed) for needed in NEEDS[name]]
    shown = _recorded_key(run) if name in _SHOWS_RECORDED else ""
    if name == "04-results":
        shown = _seeds_key(run)
    wishes = os.environ.get("SIER_SHOW", "")
    return digest(source, code, before, _parameters(run), _inputs_key(run), shown, wishes)


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
    from sierlib.keys import digest

    place = recorded.stand_in_place(run)
    if place is None:
        return ""
    files = sorted(path for path in place.rglob("*") if path.suffix in (".json", ".csv"))
    return digest(
        [(str(path.relative_to(place)), path.read_text(encoding="utf-8")) for path in files]
    )


def _seeds_key(run: Run) -> str:
    """Return the state of the recorded seeds of a run's profile."""
    from sierbook import recorded, seeds
    from sierlib.keys import digest

    return digest(seeds.read_seeds(run, recorded.RECORDED / run.profile.name))


def _inputs_key(run: Run) -> list[str]:
    """Return the state of the files behind the data specs, so that a changed corpus is read
    again."""
    from sierlib.data.corpora.items import fingerprint

    keys = []
    for spec in (run.data, run.ser, run.ier):
        path = Path(spec.partition(":")[2].partition("?")[0])
        if ":" not in spec:  # generated
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
    return run.current(f"notebooks/{name}", notebook_key(run, name))


def _files_of(run: Run, name: str) -> list[Path]:
    """Return what pages are made of that a notebook leaves."""
    files = [executed_copy(run, name), run.folder / "results" / f"{name}.json"]
    if name == "05-interpretability":
        files += sorted((run.folder / "explanations").glob("*.*"))
    return files


def _forget_damaged(run: Run) -> None:
    """Forget artefacts whose files are not as they were written, and what was executed from them.

    What a notebook left is its own. Of anything else it is not known which notebooks have read it:
    all are executed again, which computes again what was damaged only.
    """
    for name in run.artefacts():
        if run.key_of(name) and run.is_intact(name):
            continue
        _say(f"{name}: damaged since it was made, and made again")
        run.forget(name)
        if not name.startswith("notebooks/"):
            for needed in NEEDS:
                run.forget(f"notebooks/{needed}")


# ---------------------------------------------------------------------------------- one notebook
def find_packages() -> dict[str, str]:
    """Return the environment in which another Python finds both packages wherever it works, and
    reads and writes UTF-8."""
    paths = [str(ROOT), str(ROOT / "book"), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUTF8": "1"}


class _Kernels:
    """The kernels of notebooks that run side by side, so that an interruption can end them all."""

    def __init__(self) -> None:
        self.managers: list[AsyncKernelManager] = []
        self.closed = False

    def manager(self, log: Path) -> type[AsyncKernelManager]:
        """Return a class of kernel managers for nbclient, which makes the manager itself.

        A kernel's libraries write to descriptor 2 past all that Python could catch; there they find
        the file `log`, so that our own stderr is left to progress.
        """
        kernels = self

        class Manager(AsyncKernelManager):
            async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
                if kernels.closed:
                    raise RuntimeError("no kernel is started any more")
                environment = {
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                    **_SILENT,
                    **os.environ,
                    **find_packages(),
                }
                environment.pop("MPLBACKEND", None)  # figures are shown, whatever holds elsewhere
                with open(log, "w", encoding="utf-8") as stream:
                    await super().start_kernel(stderr=stream, env=environment, **options)
                kernels.managers.append(self)

        return Manager

    def end(self) -> None:
        """Kill every kernel with its workers, and let none be started; nbclient finds them dead."""
        self.closed = True
        for manager in self.managers:
            process: Any = manager.provisioner
            if manager.has_kernel and process.pid:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # a kernel leads a group of its own


def _run_papermill(run: Run, name: str, key: str, kernels: _Kernels) -> None:
    """Execute a notebook, and put its copy in place with the key that it was made with."""
    target = executed_copy(run, name)
    ensure_folder(target.parent)
    half = target.with_name(f"{name}.half.ipynb")
    start = time.time()
    _say(f"{name}: running")
    with explain_failure(half):
        _fill_copy(run, name, half, kernels)
    with replacing(target) as partial:
        os.replace(half, partial)
    run.done(f"notebooks/{name}", key, *_files_of(run, name))
    _say(f"{name}: done in {time.time() - start:.0f} s")


def _fill_copy(run: Run, name: str, half: Path, kernels: _Kernels) -> None:
    """Execute a notebook into a copy, which is there as far as it came where that fails."""
    import papermill

    bar = {"desc": name, "unit": "cell", "leave": False}
    log = executed_copy(run, name).with_suffix(".log")
    try:
        papermill.execute_notebook(
            ROOT / "notebooks" / f"{name}.ipynb",
            half,
            parameters=_parameters(run),
            kernel_name="python3",
            # In a file, as in continuous integration, lines say enough.
            progress_bar=bar if sys.stderr.isatty() else False,
            kernel_manager_class=kernels.manager(log),
            extra_arguments=["--IPKernelApp.capture_fd_output=False"],  # or it were on the page
            # Only the kernel works in the run's folder: papermill's `cwd` would move this whole
            # process, and with it the notebooks that run side by side.
            resources={"metadata": {"path": str(run.folder)}},
        )
    except papermill.PapermillExecutionError as error:
        raise NotebookFailed(
            f"notebook {name} failed in cell {error.exec_count}: {error.ename}: {error.evalue}\n"
            f"its half-executed copy is {half}{explain_shortage(error, run.profile)}"
        ) from error
    except DeadKernelError as error:
        raise NotebookFailed(
            f"notebook {name} failed: its kernel died, most often for want of memory\nits "
            f"half-executed copy is {half}"
        ) from error
    finally:
        ensure_event_loop().close()  # this thread's, which nbclient leaves open


def _say(line: str) -> None:
    """Write a line to stderr, above the progress bars that may be there."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)


# -------------------------------------------------------------------------------- all notebooks
def check_weights(run: Run) -> None:
    """Stop before any work when the profile demands what cannot be had here.

    Raises
    ------
    WeightsUnavailable
        For weights that it starts from.
    """
    if run.profile.pictures or run.profile.speech:
        from sierlib.networks import pretrained

        pretrained.require_weights(run.profile)
    if run.profile.weights == "imagenet-required":
        from sierlib.experiment.models import list_backbones
        from sierlib.networks import backbones

        for kind in list_backbones(run.profile):
            if kind in backbones.PUBLISHED:
                backbones.imagenet(kind)


def tell_cost(run: Run) -> None:
    """Say what memory and time training at full width takes, before it starts."""
    if run.profile.width < 1:
        return
    from sierbook import cost

    asked = [sys.executable, "-m", cost.__name__, run.profile.name, str(cost.count_rows(run))]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, **find_packages()}
    told = subprocess.run(asked, capture_output=True, text=True, check=False, env=environment)
    for line in told.stdout.splitlines():
        _say(line)


def _prepare(run: Run) -> None:
    """Stop where something is missing, and say what will take long."""
    check_weights(run)
    if run.profile.width == 1 and not is_up_to_date(run, "02-training"):
        tell_cost(run)


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
    _execute(run, [name])
    return executed_copy(run, name)


def execute_with_needs(run: Run, name: str) -> Path:
    """Execute a notebook after those it needs, each only where it is out of date."""
    wanted = {name}
    for later in reversed(NEEDS):  # what a notebook needs comes before it
        if later in wanted:
            wanted.update(NEEDS[later])
    _prepare(run)
    _execute(run, [each for each in NEEDS if each in wanted])
    return executed_copy(run, name)


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
    """Execute every notebook that is out of date; those that do not need each other side by side.

    Raises
    ------
    NotebookFailed
        When a cell fails; what ran beside that notebook has come to its end by then, and is kept.
    """
    _prepare(run)
    _execute(run, list(NEEDS))


def _execute(run: Run, names: Sequence[str]) -> None:
    """Execute notebooks, each as soon as those that it needs are there and there is room.

    As many run at once as networks are trained at once: one where there is a GPU, whose memory a
    kernel takes whole.
    """
    with hold(run.folder):
        _forget_damaged(run)
        _execute_ready(run, names)


def _execute_ready(run: Run, names: Sequence[str]) -> None:
    waiting, at_once = list(names), count_workers()
    awaited = {needed for name in names for needed in NEEDS[name]}
    running: dict[Future[None], str] = {}
    failed: list[BaseException] = []
    kernels = _Kernels()
    with ThreadPoolExecutor(len(names)) as pool:
        try:
            while running or (waiting and not failed):
                missing = {*waiting, *running.values()}
                ready = [name for name in waiting if not missing & {*NEEDS[name]}]
                room = 0 if failed else at_once - len(running)
                # First those that others wait for, then the last one: explaining takes longest.
                ready.sort(key=lambda name: (name in awaited, name), reverse=True)
                for name in ready[:room]:
                    waiting.remove(name)
                    # Keys are made here: Python 3.11 cannot parse code in several threads at once.
                    if is_up_to_date(run, name):
                        _say(f"{name}: up to date")
                        continue
                    key = notebook_key(run, name)
                    running[pool.submit(_run_papermill, run, name, key, kernels)] = name
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    if error := future.exception():
                        failed.append(error)
                        if running:
                            others = " and ".join(running.values())
                            _say(f"{name}: failed; {others} will end before it is said why")
        except BaseException:  # an interruption, which threads do not see
            kernels.end()
            raise
    if failed:
        raise failed[0]
