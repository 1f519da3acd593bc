"""The command line, `sier`: results on stdout, progress and warnings on stderr."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sierlib import __version__, settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sier", description="Run and build the ParallelNet book.")
    parser.add_argument("--version", action="version", version=f"sier {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--profile", default="quick", help=f"one of {', '.join(settings.PROFILES)} (default: quick)")
    common.add_argument("--data", default="synthetic", help="pairs: synthetic, bt4sa:PATH or pairs:FILE.csv")
    common.add_argument("--ser", default="synthetic", help="speech teacher: synthetic, tweets:FILE.tsv or iemocap:PATH")
    common.add_argument("--ier", default="synthetic", help="image teacher: synthetic or fi:PATH[?positive=all]")
    common.add_argument("--seed", type=int, default=0, help="of every random choice (default: 0)")
    common.add_argument(
        "--run-dir", default=None, help="the run's folder (default: one below runs/, named by the settings)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("book", parents=[common], help="execute the notebooks that are out of date and build the book")
    run = commands.add_parser("run", parents=[common], help="execute one notebook, and those it needs")
    run.add_argument("notebook", help="its name or number, such as 04")
    commands.add_parser("dataset", parents=[common], help="build the data set and print its summary as JSON")
    train = commands.add_parser(
        "train", parents=[common], help="train one network on one fold and print how it validates"
    )
    train.add_argument("model", help="fused, ser or ier")
    train.add_argument("--fold", type=int, default=0, help="the fold that validates, 0 to 4 (default: 0)")
    explain = commands.add_parser(
        "explain", help="explain a photograph with a sentence or a recording of your own, as a folder with a page"
    )
    explain.add_argument("--model", required=True, help="a run's folder with a trained model, or a .keras file")
    explain.add_argument("--image", required=True, help="the photograph")
    explain.add_argument("--text", help="the sentence to speak; with --audio, what is said in the recording")
    explain.add_argument("--audio", help="a recording: WAV, FLAC, OGG, Opus, MP3 or AIFF")
    explain.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to write")
    explain.add_argument("--method", default="owen", help="owen, sampled or published (default: owen)")
    explain.add_argument("--depth", type=int, default=6, help="halvings inside a modality (default: 6)")
    explain.add_argument("--target", help="the class to show first (default: the predicted one)")
    explain.add_argument(
        "--percentile",
        type=float,
        default=settings.SILENCE_PERCENTILE,
        help="speech whose importance is below it is silenced (default: %(default)g)",
    )
    explain.add_argument("--seed", type=int, default=0, help="of the voice and of `sampled` (default: 0)")
    commands.add_parser(
        "record", parents=[common], help="keep the run's results in book/results, for the bare checkout"
    )
    return parser


def _explain(options: argparse.Namespace) -> None:
    """Explain one's own photograph and speech; print the prediction and where the page is."""
    folder = Path(options.output)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; -o expects a folder")
    from sierlib import report

    target = int(options.target) if (options.target or "").isdigit() else options.target
    own = report.explain_own(
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
    page = report.write(own, folder)
    print(f"{own.predicted} {own.probabilities[own.predicted]:.2f}", page, sep="\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 only when all was done."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        if options.command == "explain":
            _explain(options)
            return 0
        from sierlib import pipeline
        from sierlib.runs import Run

        name = pipeline.resolve_notebook(options.notebook) if options.command == "run" else None
        run = Run.open(options.profile, options.data, options.ser, options.ier, options.seed, options.run_dir)
        if name:
            print(pipeline.execute_with_needs(run, name))
        elif options.command == "book":
            print(pipeline.book(run))
        elif options.command == "record":
            print(*pipeline.record(run), sep="\n")
        elif options.command == "train":
            from sierlib import training

            _, history = training.train_model(run, options.model, options.fold)
            print(json.dumps(history["validation"], indent=1))
        else:
            from sierlib import labelling

            print(json.dumps(labelling.build(run), indent=1))
    except (ValueError, OSError, RuntimeError) as problem:
        print(f"sier: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        resumed = "" if options.command == "explain" else "; the same command goes on where this one stopped"
        print(f"sier: interrupted{resumed}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
