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

from sierlib import __version__, settings
from sierlib.files import hold
from sierlib.keys import PACKAGE
from sierlib.run import DATA_SPECS, Run, resolve_spec

if TYPE_CHECKING:
    from sierbook.verify import Report


# --------------------------------------------------------------------------------------- options
def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sier", description="Run and build the ParallelNet book.")
    parser.add_argument("--version", action="version", version=f"sier {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = _run_options("one below runs/, named by the settings")

    book = commands.add_parser(
        "book",
        parents=[common],
        help="execute the notebooks that are out of date and build the book",
    )
    book.add_argument(
        "--pdf", action="store_true", help="print it as one PDF instead, with Chromium"
    )
    run = commands.add_parser(
        "run", parents=[common], help="execute one notebook, and those it needs"
    )
    run.add_argument("notebook", help="its name or number, such as 04")
    dataset = commands.add_parser(
        "dataset", parents=[common], help="build the data set and print its summary as JSON"
    )
    dataset.add_argument(
        "--labels",
        choices=("own", "recorded"),
        default="own",
        help="recorded: those of book/recorded, to train pieces of a profile that another machine "
        "began (default: own)",
    )
    _add_train(commands, common)
    _add_explain(commands)
    _add_explain_part(commands, common)
    commands.add_parser(
        "record",
        parents=[common],
        help="keep what is up to date of the run in book/recorded, for pages and for `sier verify`",
    )
    commands.add_parser(
        "verify",
        parents=[_run_options("a new one for temporary files, so that nothing is read again")],
        help="run the profile anew and compare every result with the recorded one",
    )
    bench = commands.add_parser(
        "bench", help="time the explanations against the alternatives (from a checkout)"
    )
    bench.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="for benchmarks/bench_shapley.py; try -- --help"
    )
    return parser


def _run_options(folder: str) -> argparse.ArgumentParser:
    """Return the options of all commands that work in a run; `folder` says which by default."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--profile", default="quick", help=f"one of {', '.join(settings.PROFILES)} (default: quick)"
    )
    options.add_argument(
        "--data",
        default="synthetic",
        help=f"pairs: {_list_specs('data')} (default: synthetic)",
    )
    options.add_argument(
        "--ser",
        default="synthetic",
        help=f"speech teacher: {_list_specs('ser')} (default: synthetic)",
    )
    options.add_argument(
        "--ier",
        default="synthetic",
        help=f"image teacher: {_list_specs('ier')}; fi:PATH?positive=all takes in more of FI. "
        "?links=follow after a path follows links out of its folder (default: synthetic)",
    )
    options.add_argument("--seed", type=int, default=0, help="of every random choice (default: 0)")
    options.add_argument("--run-dir", help=f"the run's folder (default: {folder})")
    return options


def _list_specs(role: str) -> str:
    """Return the data specs of a role, as one reads them."""
    *others, last = DATA_SPECS[role].values()
    return f"{', '.join(others)} or {last}"


def _add_train(commands: Any, common: argparse.ArgumentParser) -> None:
    train = commands.add_parser(
        "train",
        parents=[common],
        help="train networks, two at once without a GPU, and print how they validate",
    )
    train.add_argument(
        "model", nargs="+", help='names such as fused, or of groups such as "Table 1", N2 or choice'
    )
    train.add_argument(
        "--fold", type=int, default=0, help="the fold that validates, 0 to 4 (default: 0)"
    )
    train.add_argument(
        "--repeat",
        type=int,
        default=0,
        help="which repetition, each from a seed of its own (default: 0)",
    )


def _add_explain(commands: Any) -> None:
    explain = commands.add_parser(
        "explain",
        help="explain a photograph with a sentence or a recording of your own, as a folder with a "
        "page",
    )
    explain.add_argument(
        "--model", required=True, help="a run's folder with a trained model, or a .keras file"
    )
    explain.add_argument("--image", required=True, help="the photograph")
    explain.add_argument(
        "--text", help="the sentence to speak; with --audio, what is said in the recording"
    )
    explain.add_argument("--audio", help="a recording: WAV, FLAC, OGG, Opus, MP3 or AIFF")
    explain.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to write")
    explain.add_argument(
        "--method", default="owen", help="owen, sampled or published (default: owen)"
    )
    explain.add_argument(
        "--depth", type=int, default=6, help="halvings inside a modality (default: 6)"
    )
    explain.add_argument("--target", help="the class to show first (default: the predicted one)")
    explain.add_argument(
        "--percentile",
        type=float,
        default=settings.SILENCE_PERCENTILE,
        help="speech whose importance is below it is silenced (default: %(default)g)",
    )
    explain.add_argument(
        "--seed", type=int, default=0, help="of the voice and of `sampled` (default: 0)"
    )


def _add_explain_part(commands: Any, common: argparse.ArgumentParser) -> None:
    part = commands.add_parser(
        "explain-part",
        parents=[common],
        help="explain all test rows of a run, several at once, and print where they are and how "
        "many a second",
    )
    part.add_argument("--network", default="fused", help="whose predictions (default: fused)")
    part.add_argument(
        "--part", default="test", help="train, validation or test rows (default: test)"
    )
    part.add_argument(
        "--depth", type=int, help="halvings inside a modality (default: the profile's)"
    )
    part.add_argument("--first", type=int, metavar="N", help="only the first N rows")


# -------------------------------------------------------------------------------------- commands
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 only when all was done."""
    if arguments is None:
        _speak_utf8()
    options = _parser().parse_args(arguments)
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
            if shortage := notebooks.explain_shortage(problem, run.profile):
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
