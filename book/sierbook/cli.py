"""The command line, `sier`: results on stdout, progress and warnings on stderr."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sierlib import __version__, settings
from sierlib.run import PACKAGE, Run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sier", description="Run and build the ParallelNet book.")
    parser.add_argument("--version", action="version", version=f"sier {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--profile", default="quick", help=f"one of {', '.join(settings.PROFILES)} (default: quick)"
    )
    common.add_argument(
        "--data", default="synthetic", help="pairs: synthetic, bt4sa:PATH or pairs:FILE.csv"
    )
    common.add_argument(
        "--ser",
        default="synthetic",
        help="speech teacher: synthetic, tweets:FILE.tsv or iemocap:PATH",
    )
    common.add_argument(
        "--ier", default="synthetic", help="image teacher: synthetic or fi:PATH[?positive=all]"
    )
    common.add_argument("--seed", type=int, default=0, help="of every random choice (default: 0)")
    common.add_argument(
        "--run-dir",
        default=None,
        help="the run's folder (default: one below runs/, named by the settings)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
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
    built = commands.add_parser(
        "dataset", parents=[common], help="build the data set and print its summary as JSON"
    )
    built.add_argument(
        "--labels",
        choices=("own", "recorded"),
        default="own",
        help="recorded: those of book/recorded, to train pieces of a profile that another machine began (default: own)",
    )
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
    explain = commands.add_parser(
        "explain",
        help="explain a photograph with a sentence or a recording of your own, as a folder with a page",
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
    commands.add_parser(
        "record",
        parents=[common],
        help="keep the run's results in book/recorded, for pages and for `sier verify`",
    )
    commands.add_parser(
        "verify",
        parents=[common],
        help="run the profile anew and compare every result with the recorded one",
    )
    bench = commands.add_parser(
        "bench", help="time the explanations against the alternatives (from a checkout)"
    )
    bench.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="for benchmarks/bench_shapley.py; try -- --help"
    )
    return parser


def _bench(arguments: Sequence[str]) -> int:
    """Run the benchmark; its exit code."""
    script = PACKAGE.parent / "benchmarks" / "bench_shapley.py"
    if not script.is_file():
        raise FileNotFoundError(
            f"{script} is missing: `sier bench` runs from a checkout of the repository"
        )
    return subprocess.run(
        [sys.executable, script, *(each for each in arguments if each != "--")], check=False
    ).returncode


def _import_tensorflow() -> None:
    """Import TensorFlow without the lines that its C++ parts write to stderr before they can be
    told not to."""
    sys.stderr.flush()
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        ours = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        finally:
            os.dup2(ours, 2)
            os.close(ours)


def _explain(options: argparse.Namespace) -> None:
    """Explain one's own photograph and speech; print the prediction and where the page is."""
    folder = Path(options.output)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; -o expects a folder")
    from sierlib.explorer.page import write_page
    from sierlib.explorer.pair import explain_own

    target = int(options.target) if (options.target or "").isdigit() else options.target
    own = explain_own(
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
    for note in own.notes:
        print(f"sier: {note}", file=sys.stderr)
    page = write_page(own, folder)
    print(f"{own.predicted} {own.probabilities[own.predicted]:.2f}", page, sep="\n")


def _refuse_unrecorded(options: argparse.Namespace) -> None:
    """Stop before any work, and before there is a folder, when nothing was recorded with these
    settings."""
    from sierbook import recorded
    from sierlib import settings
    from sierlib.run import resolve_spec

    asked = {role: resolve_spec(getattr(options, role), role) for role in ("data", "ser", "ier")}
    place = recorded.RECORDED / settings.profile(options.profile).name
    refuse = recorded.refuse_others if options.command == "verify" else recorded.recorded_labels
    refuse(place, asked | {"seed": options.seed})


def _verify(run: Run) -> int:
    """Run the profile anew, print a table of what differs from what was recorded; 1 when anything
    does."""
    from sierbook import notebooks, recorded, verify

    notebooks.execute_all(run)
    reports = verify.against_recorded(run, recorded.RECORDED / run.profile.name)
    for name, report in reports.items():
        manner = (
            "equal to the recorded"
            if report.exact
            else "as can be expected on another machine or of other versions"
        )
        outside = len(report.differences)
        told = f"{report.compared - outside} of {report.compared} values {manner}"
        print(
            f"{name}: {told if report.compared else 'nothing in it can be compared on another machine'}"
        )
        print(*(f"  {line}" for line in report.differences), sep="\n", end="\n" if outside else "")
    failed = sum(len(report.differences) for report in reports.values())
    untold = ", ".join(name for name, report in reports.items() if not report.compared)
    passed = f"all as recorded, but not compared: {untold}" if untold else "all as recorded"
    print(f"verify: {f'{failed} values differ' if failed else passed}; the run is {run.folder}")
    return 0 if not failed and any(report.compared for report in reports.values()) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 only when all was done."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        if options.command in ("explain", "train", "dataset", "record", "verify"):
            _import_tensorflow()
        if options.command == "bench":
            return _bench(options.arguments)
        if options.command == "explain":
            _explain(options)
            return 0
        from sierbook import notebooks, recorded, site
        from sierlib.experiment.labels import build_dataset
        from sierlib.experiment.models import resolve_names
        from sierlib.experiment.train import train_all

        name = notebooks.resolve_notebook(options.notebook) if options.command == "run" else None
        if options.command == "verify" or getattr(options, "labels", "own") == "recorded":
            _refuse_unrecorded(options)
        if options.command == "verify" and not options.run_dir:
            # A folder of its own, so that nothing that is there already is read.
            options.run_dir = tempfile.mkdtemp(prefix="sier-verify-")
        run = Run.open(
            options.profile, options.data, options.ser, options.ier, options.seed, options.run_dir
        )
        if name:
            print(notebooks.execute_with_needs(run, name))
        elif options.command == "book":
            print(site.print_pdf(run) if options.pdf else site.make_book(run))
        elif options.command == "record":
            print(*recorded.record(run), sep="\n")
        elif options.command == "train":
            jobs = [(name, options.fold, options.repeat) for name in resolve_names(options.model)]
            histories = train_all(run, jobs)
            print(
                json.dumps(
                    {job[0]: history["validation"] for job, history in histories.items()}, indent=1
                )
            )
        elif options.command == "verify":
            return _verify(run)
        else:
            counts = build_dataset(run)
            print(
                json.dumps(
                    recorded.adopt(run) if options.labels == "recorded" else counts, indent=1
                )
            )
    except (ValueError, OSError, RuntimeError) as problem:
        print(f"sier: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        resumed = (
            ""
            if options.command == "explain"
            else "; the same command goes on where this one stopped"
        )
        print(f"sier: interrupted{resumed}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
