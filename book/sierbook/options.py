"""What the command line, `sier`, can be asked."""

from __future__ import annotations

import argparse
from typing import Any

from sierlib import __version__, settings
from sierlib.run import DATA_SPECS


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line of `sier`."""
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
