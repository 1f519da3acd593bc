"""The command line: results on stdout, everything else on stderr, 0 only when all was done."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sierlib import cli, labelling, pipeline, settings
from sierlib.pipeline import BuildFailed, NotebookFailed

COMMANDS = ("book", "run", "dataset")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert left.value.code == 0 and all(re.search(rf"^\s+{name}\s", said, re.M) for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_its_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    said = capsys.readouterr().out
    assert all(option in said for option in ("--profile", "--data", "--ser", "--ier", "--seed", "--run-dir"))
    assert ", ".join(settings.PROFILES) in " ".join(said.split())


def test_a_process_of_its_own_answers_a_wrong_profile_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sierlib.cli", "dataset", "--profile", "huge", "--run-dir", str(tmp_path / "run")],
        capture_output=True, text=True, check=False, cwd=pipeline.ROOT,
    )  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == "sier: unknown profile 'huge': choose one of smoke, quick, full, paper\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["book", "--data", "fi:x"], "unknown data spec 'fi:x'"),
        (["dataset", "--ser", "tweets:gone.tsv"], "there is nothing at"),
        (["run", "99"], "unknown notebook '99'"),
        (["run", "04", "--profile", "x"], "unknown profile 'x'"),
    ],
)
def test_wrong_settings_end_with_one_line_and_no_folder(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIER_RUNS", str(tmp_path / "runs"))
    assert cli.main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("sier: ") and said in captured.err
    assert captured.err.count("\n") == 1 and not (tmp_path / "runs").exists()


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run"], ["book", "--seed", "x"], ["book", "--fast"]])
def test_a_wrong_call_shows_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    captured = capsys.readouterr()
    assert left.value.code == 2 and captured.out == "" and "usage: sier" in captured.err


def test_dataset_prints_its_summary_as_json(
    tmp_path: Path, pairs_csv: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = pairs_csv(tmp_path / "corpus", ("gone", "gone.png", "some words", "sad"))
    assert (
        cli.main(["dataset", "--profile", "smoke", "--data", f"pairs:{path}", "--run-dir", str(tmp_path / "run")]) == 0
    )
    counts = json.loads(capsys.readouterr().out)
    assert (counts["rows"], counts["usable"], counts["quarantined"], counts["discarded"]) == (29, 28, 1, 0)
    assert (tmp_path / "run" / "dataset" / "manifest.csv").is_file()


@pytest.mark.parametrize(
    "problem", [NotebookFailed("notebook 04-results failed in cell 3"), BuildFailed("out of date: 04-results")]
)
def test_what_fails_is_told_and_the_exit_code_is_1(
    problem: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise problem

    monkeypatch.setattr(pipeline, "book", fail)
    assert cli.main(["book", "--profile", "smoke", "--run-dir", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == f"sier: {problem}\n"


def test_an_interruption_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(labelling, "build", interrupt)
    assert cli.main(["dataset", "--profile", "smoke", "--run-dir", str(tmp_path)]) == 130
    captured = capsys.readouterr()
    assert captured.out == "" and "interrupted" in captured.err and captured.err.count("\n") == 1


def test_settings_reach_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []
    monkeypatch.setattr(
        pipeline, "execute_with_needs", lambda run, name: seen.append((run, name)) or Path("copy.ipynb")
    )
    assert cli.main(["run", "4", "--profile", "smoke", "--seed", "9", "--run-dir", str(tmp_path)]) == 0
    run, name = seen[0]
    assert (run.profile.name, run.seed, run.folder, name) == ("smoke", 9, tmp_path, "04-results")
    assert capsys.readouterr().out == "copy.ipynb\n"
