"""The command line, `sier`: results on stdout, progress and warnings on stderr."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from sierbook.options import make_parser
from sierbook.shortage import explain_shortage
from sierlib import settings
from sierlib.files import hold
from sierlib.keys import PACKAGE
from sierlib.run import Run, resolve_spec

if TYPE_CHECKING:
    from sierbook.verify import Report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 only when all was done."""
    if arguments is None:
        _speak_utf8()
    options = make_parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _stopping_at_once(f"sier: interrupted; {_say_how_to_go_on(options)}"):
        return _work(options)


def _speak_utf8() -> None:
    """Begin again in Python's UTF-8 mode where the locale has another encoding for file names."""
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # of a path that is no UTF-8


def _say_how_to_go_on(options: argparse.Namespace) -> str:
    if options.command in ("explain", "bench") or (
        options.command == "verify" and not options.run_dir
    ):
        return "the same command begins anew"
    return "the same command goes on where this one stopped"


@contextmanager
def _stopping_at_once(line: str) -> Iterator[None]:
    """End this process and all that it has started when it is interrupted, with a last line.

    An exception would wait for threads and processes, and may be lost inside a library. What is
    written is whole at any moment.
    """

    told = os.dup(2)  # it is led elsewhere now and then

    def stop(number: int, _: object) -> None:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
        os.write(told, f"\n{line}\n".encode())
        os._exit(128 + number)

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        # In the background of a script a process is born deaf to one of them, and stays so.
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(told)


def _work(options: argparse.Namespace) -> int:
    """Do what is asked; return the exit code."""
    try:
        if options.command == "bench":
            return _bench(options.arguments)
        if options.command == "explain":
            return _explain(options)
        return _work_in_run(options)
    except (ValueError, OSError, RuntimeError) as problem:
        print(f"sier: {problem}", file=sys.stderr)
        return 1


def _import_tensorflow() -> None:
    """Import TensorFlow without the lines that its C++ parts write at that, where it computes."""
    if os.environ.get("KERAS_BACKEND") == "jax":
        # Kernels, too, are to find room on a GPU.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        return
    sys.stderr.flush()
    ours = os.dup(2)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        finally:
            os.dup2(ours, 2)
            os.close(ours)


def _leave_gpus() -> None:
    """Take nothing of a GPU's memory, which TensorFlow takes whole."""
    if tensorflow := sys.modules.get("tensorflow"):  # it is there, unless JAX computes
        with suppress(RuntimeError):  # something was computed before, as in tests
            tensorflow.config.set_visible_devices([], "GPU")


def _work_in_run(options: argparse.Namespace) -> int:
    """Do what is done in a run's folder; return the exit code."""
    from sierbook import notebooks

    # What can be refused is refused before there is a folder.
    _refuse_backend()
    name = notebooks.resolve_notebook(options.notebook) if options.command == "run" else ""
    if options.command == "verify" or getattr(options, "labels", "own") == "recorded":
        _refuse_unrecorded(options)
    if options.command == "verify" and not options.run_dir:
        options.run_dir = tempfile.mkdtemp(prefix="sier-verify-")
    run = Run.open(
        options.profile, options.data, options.ser, options.ier, options.seed, options.run_dir
    )
    with hold(run.folder):
        try:
            return _work_alone(options, run, name)
        except notebooks.NotebookFailed:
            raise
        except Exception as problem:
            # A library's own kind of error, for want of memory, is told in our words.
            if shortage := explain_shortage(problem, run.profile):
                raise RuntimeError(f"{str(problem).splitlines()[0]}{shortage}") from problem
            raise


def _work_alone(options: argparse.Namespace, run: Run, name: str) -> int:
    """Do what is done in a run's folder that no other process writes in."""
    from sierbook import notebooks, site

    _import_tensorflow()
    if options.command in ("run", "book", "verify"):
        _leave_gpus()  # to the kernels
    if options.command == "run":
        print(notebooks.execute_with_needs(run, name))
    elif options.command == "book":
        print(site.print_pdf(run) if options.pdf else site.make_book(run))
    elif options.command == "dataset":
        print(json.dumps(_build_dataset(run, options.labels), indent=1))
    elif options.command == "train":
        print(json.dumps(_train(run, options), indent=1))
    elif options.command == "explain-part":
        print(json.dumps(_explain_part(run, options), indent=1))
    elif options.command == "record":
        print(*_record(run), sep="\n")
    elif options.command == "verify":
        return _verify(run)
    return 0


def _refuse_backend() -> None:
    """Stop when networks cannot be computed by what ``$KERAS_BACKEND`` names."""
    name = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if name not in ("tensorflow", "jax"):
        raise ValueError(f"KERAS_BACKEND={name}: the book runs on tensorflow or jax")
    if not find_spec(name):
        raise ValueError(f"KERAS_BACKEND={name} is not installed: .venv/bin/pip install {name}")


def _refuse_unrecorded(options: argparse.Namespace) -> None:
    """Stop when nothing was recorded with these settings."""
    from sierbook import recorded

    profile = settings.profile(options.profile)
    place = recorded.find_place(profile.name)
    recipe = Run(profile, "", "", "", options.seed, PACKAGE).recipe
    asked: dict[str, Any] = {"seed": options.seed, "recipe": recipe}
    for role in ("data", "ser", "ier"):
        asked[role] = resolve_spec(getattr(options, role), role)
    if options.command == "verify":
        recorded.refuse_others(recorded.RECORDED / place.name, asked)
    else:
        recorded.recorded_labels(place, asked)


def _build_dataset(run: Run, labels: str) -> dict[str, Any]:
    """Build the data set; return its summary."""
    from sierbook import recorded
    from sierlib.experiment.labels import build_dataset

    if labels == "own":
        return build_dataset(run)
    place = recorded.find_place(run.profile.name)
    asked = {key: getattr(run, key) for key in recorded.COMMON}
    summary = build_dataset(run, recorded.recorded_labels(place, asked))
    return summary | {"networks": recorded.adopt_networks(run, place)}


def _train(run: Run, options: argparse.Namespace) -> dict[str, Any]:
    """Train networks; return how they validate, by name."""
    from sierbook import notebooks
    from sierlib.experiment.models import resolve_names
    from sierlib.experiment.train import train_all

    jobs = [(name, options.fold, options.repeat) for name in resolve_names(options.model)]
    notebooks.tell_cost(run)
    return {name: history["validation"] for (name, *_), history in train_all(run, jobs).items()}


def _explain_part(run: Run, options: argparse.Namespace) -> dict[str, Any]:
    """Explain a part of the data set; return where that is and how fast it was."""
    from sierbook.bulk import explain_part

    return explain_part(
        run, options.network, options.part, depth=options.depth, first=options.first
    )


def _record(run: Run) -> list[Path]:
    """Record what is up to date, and say on stderr which notebooks are not; return the files."""
    from sierbook import notebooks, recorded

    current = [name for name in notebooks.NEEDS if notebooks.is_up_to_date(run, name)]
    written = recorded.record(run, current, whole=len(current) == len(notebooks.NEEDS))
    if old := [name for name in notebooks.NEEDS if name not in current]:
        print(f"left out, as out of date: {', '.join(old)}", file=sys.stderr)
    return written


def _verify(run: Run) -> int:
    """Run the profile anew, print what differs from what was recorded; 1 when anything does."""
    from sierbook import notebooks, recorded, verify

    notebooks.execute_all(run)
    reports = verify.against_recorded(run, recorded.RECORDED / run.profile.name)
    for name, report in reports.items():
        print(f"{name}: {_summarize(report)}")
        for line in report.differences:
            print(f"  {line}")
    failed = sum(len(report.differences) for report in reports.values())
    print(f"verify: {_conclude(reports, failed)}; the run is {run.folder}")
    return 0 if not failed and any(report.compared for report in reports.values()) else 1


def _summarize(report: Report) -> str:
    """Say how many values of a file are as recorded, and in which sense."""
    if not report.compared:
        return "nothing in it can be compared on another machine"
    manner = "as can be expected on another machine or of other versions"
    if report.exact:
        manner = "equal to the recorded"
    return f"{report.compared - len(report.differences)} of {report.compared} values {manner}"


def _conclude(reports: Mapping[str, Report], failed: int) -> str:
    """Say whether all is as recorded."""
    if failed:
        return f"{failed} values differ"
    idle = ", ".join(name for name, report in reports.items() if not report.compared)
    return f"all as recorded, but not compared: {idle}" if idle else "all as recorded"


def _explain(options: argparse.Namespace) -> int:
    """Explain one's own photograph and speech; print the prediction and where the page is."""
    folder = Path(options.output)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; -o expects a folder")
    _import_tensorflow()
    from sierbook.report import write_page
    from sierlib.explorer.pair import explain_own

    target = int(options.target) if (options.target or "").isdigit() else options.target
    explained = explain_own(
        options.model,
        options.image,
        text=options.text,
        audio=options.audio,
        method=options.method,
        depth=options.depth,
        target=target,
        percentile=options.percentile,
        seed=options.seed,
    )
    for note in explained.notes:
        print(f"sier: {note}", file=sys.stderr)
    with hold(folder):
        page = write_page(explained, folder)
    print(f"{explained.predicted} {explained.probabilities[explained.predicted]:.2f}")
    print(page)
    return 0


def _bench(arguments: Sequence[str]) -> int:
    """Run the benchmark; return its exit code."""
    script = PACKAGE.parent / "benchmarks" / "bench_shapley.py"
    if not script.is_file():
        raise FileNotFoundError(
            f"{script} is missing: `sier bench` runs from a checkout of the repository"
        )
    options = [each for each in arguments if each != "--"]
    return subprocess.run([sys.executable, script, *options], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
