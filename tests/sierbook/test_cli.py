"""The command line: results on stdout, everything else on stderr, 0 only when all was done."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from sierbook import cli, notebooks, recorded
from sierlib import settings
from sierlib.experiment.models import NETWORKS
from sierlib.files import write_json
from sierlib.run import Run

COMMANDS = ("book", "run", "dataset", "train", "record", "verify", "explain", "bench")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert left.value.code == 0 and all(
        re.search(rf"^\s+{name}\s", said, re.M) for name in COMMANDS
    )


@pytest.mark.parametrize("command", COMMANDS[:-2])
def test_every_command_explains_its_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    said = capsys.readouterr().out
    assert all(
        option in said
        for option in ("--profile", "--data", "--ser", "--ier", "--seed", "--run-dir")
    )
    assert ", ".join(settings.PROFILES) in " ".join(said.split())


def test_a_process_of_its_own_answers_a_wrong_profile_in_one_line(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "sierbook.cli", "dataset", "--profile", "huge", "--run-dir"]
    done = subprocess.run(
        [*call, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
        cwd=notebooks.ROOT,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert (
        done.stderr
        == "sier: unknown profile 'huge': choose one of smoke, quick, full, paper, pretrained\n"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("torch", "KERAS_BACKEND=torch: the book runs on tensorflow or jax"),
        ("jax", "KERAS_BACKEND=jax is not installed: .venv/bin/pip install jax"),
    ],
)
def test_a_backend_that_cannot_be_had_is_told_in_one_line(
    backend: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setattr(cli, "find_spec", lambda _: None)
    assert cli.main(["train", "fused", "--run-dir", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == f"sier: {said}\n"
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
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SIER_RUNS", str(tmp_path / "runs"))
    assert cli.main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("sier: ") and said in captured.err
    assert captured.err.count("\n") == 1 and not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["run"], ["book", "--seed", "x"], ["book", "--fast"]]
)
def test_a_wrong_call_shows_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    captured = capsys.readouterr()
    assert left.value.code == 2 and captured.out == "" and "usage: sier" in captured.err


def test_dataset_prints_its_summary_as_json(
    tmp_path: Path, pairs_csv: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = pairs_csv(tmp_path / "corpus", ("gone", "gone.png", "some words", "sad"))
    assert (
        cli.main(
            [
                "dataset",
                "--profile",
                "smoke",
                "--data",
                f"pairs:{path}",
                "--run-dir",
                str(tmp_path / "run"),
            ]
        )
        == 0
    )
    counts = json.loads(capsys.readouterr().out)
    assert (counts["rows"], counts["usable"], counts["quarantined"], counts["discarded"]) == (
        43,
        42,
        1,
        0,
    )
    assert (tmp_path / "run" / "dataset" / "manifest.csv").is_file()


def test_train_prints_how_the_network_validates(
    tiny_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(settings.PROFILES, "smoke", tiny_run.profile)
    monkeypatch.setattr(Run, "open", lambda *_: tiny_run)
    assert cli.main(["train", "ser", "--profile", "smoke"]) == 0
    scores = json.loads(capsys.readouterr().out)["ser"]
    assert (
        scores["n"] == sum(map(sum, scores["confusion"])) and 0 <= scores["accuracy"]["value"] <= 1
    )
    assert cli.main(["train", "both", "--profile", "smoke"]) == 1
    assert "unknown model 'both': choose one of fused, ser, ier" in capsys.readouterr().err


ACCURACY = {"value": 0.75, "low": 0.6, "high": 0.9, "n": 20}


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A run that gives one result, and the same result recorded; returns the recorded file."""
    from sierlib.run import Run

    def execute_all(run: Run) -> None:
        run.record("01-dataset", scores={"accuracy": ACCURACY})

    monkeypatch.setattr("sierbook.notebooks.execute_all", execute_all)
    monkeypatch.setattr("sierbook.recorded.RECORDED", tmp_path)
    before = Run.open("smoke", run_dir=tmp_path / "before")
    execute_all(before)
    (tmp_path / "smoke").mkdir()
    return Path(shutil.copy(before.folder / "results" / "01-dataset.json", tmp_path / "smoke"))


def test_verify_passes_twice_and_fails_when_a_recorded_number_is_altered(
    verified: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert cli.main(["verify", "--profile", "smoke"]) == 0
        assert "all as recorded" in capsys.readouterr().out
    verified.write_text(verified.read_text().replace("0.75", "0.7500001"))
    assert cli.main(["verify", "--profile", "smoke"]) == 1
    said = capsys.readouterr().out
    assert "scores.accuracy.value: recorded 0.75" in said and "1 values differ" in said


def test_verify_says_what_cannot_be_compared_on_another_machine(
    verified: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = json.loads(verified.read_text())
    made["provenance"]["machine"]["processor"] = "another"
    write_json(verified, made)
    assert cli.main(["verify", "--profile", "smoke"]) == 0
    said = capsys.readouterr().out
    assert (
        "01-dataset: 1 of 1 values as can be expected on another machine" in said
        and "all as recorded;" in said
    )
    write_json(
        verified.with_name("models") / "fused.json",
        {"provenance": made["provenance"], "spec": NETWORKS["fused"].as_dict(), "test": {}},
    )
    assert cli.main(["verify", "--profile", "smoke"]) == 1
    assert "models/fused: 0 of 1" in capsys.readouterr().out
    shutil.rmtree(verified.with_name("models"))
    made["scores"]["accuracy"] |= {"low": 0.75, "high": 0.75}
    write_json(verified, made)
    assert cli.main(["verify", "--profile", "smoke"]) == 1  # nothing at all
    said = capsys.readouterr().out
    assert "01-dataset: nothing in it can be compared on another machine" in said
    assert "but not compared: 01-dataset" in said


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--seed", "1", "was recorded with seed 0, and"),
        ("--data", "pairs:{}", "was recorded with data synthetic, and"),
        ("--ser", "tweets:{}", "was recorded with ser synthetic, and"),
    ],
)
def test_verify_refuses_other_settings_than_were_recorded(
    option: str,
    value: str,
    said: str,
    verified: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: pytest.fail("a folder was made"))
    assert cli.main(["verify", "--profile", "smoke", option, value.format(verified)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert said in captured.err


def test_labels_that_were_not_recorded_are_refused_before_any_work(
    verified: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        "sierlib.experiment.labels.build_dataset", lambda *_: pytest.fail("a data set was built")
    )
    wanted = [
        "dataset",
        "--profile",
        "smoke",
        "--labels",
        "recorded",
        "--run-dir",
        str(tmp_path / "run"),
    ]
    assert cli.main([*wanted, "--seed", "3"]) == 1
    assert "was recorded with seed 0, and seed 3 was asked for" in capsys.readouterr().err
    assert cli.main(wanted) == 1
    assert "labels.csv is missing: `sier record --profile smoke`" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_data_set_goes_on_with_recorded_labels_and_networks_where_that_is_asked(
    verified: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def build_dataset(run: Run, labels: pd.DataFrame | None = None) -> dict[str, Any]:
        return {"labels": "own" if labels is None else list(labels.index)}

    monkeypatch.setattr("sierlib.experiment.labels.build_dataset", build_dataset)
    monkeypatch.setattr("sierbook.recorded.adopt_networks", lambda _, place: [place.parent.name])
    wanted = ["dataset", "--profile", "smoke", "--run-dir", str(tmp_path / "run")]
    for more in ([], ["--labels", "own"]):
        assert cli.main([*wanted, *more]) == 0
        assert json.loads(capsys.readouterr().out) == {"labels": "own"}

    # Pieces that gather go before those that are whole; a piece alone will do.
    header = "id,label,split,fold,winner\n"
    (verified.parent / recorded.LABELS).write_text(f"{header}whole,sad,train,0,ser\n")
    assert cli.main([*wanted, "--labels", "recorded"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"labels": ["whole"], "networks": [tmp_path.name]}
    begun = recorded.begun_place(verified.parent)
    (begun / "models").mkdir(parents=True)
    shutil.copy(verified, begun / "models" / "fused.json")
    (begun / recorded.LABELS).write_text(f"{header}begun,sad,train,0,ser\n")
    assert cli.main([*wanted, "--labels", "recorded"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"labels": ["begun"], "networks": ["begun"]}


def test_verify_knows_nothing_of_pieces_that_gather(
    verified: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = recorded.begun_place(verified.parent)
    begun.mkdir(parents=True)
    (begun / verified.name).write_text(verified.read_text().replace("0.75", "0.5"))
    assert cli.main(["verify", "--profile", "smoke"]) == 0
    assert "all as recorded" in capsys.readouterr().out


def test_record_names_what_was_written_and_what_was_left_out(
    tiny_run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sierbook.recorded.RECORDED", tmp_path)
    monkeypatch.setattr(Run, "open", lambda *_: tiny_run)
    assert cli.main(["record", "--profile", "smoke"]) == 0
    captured = capsys.readouterr()
    names = [Path(line).stem for line in captured.out.splitlines()]
    assert names == ["fused", "ier", "ser", "labels"]
    assert captured.err == f"left out, as out of date: {', '.join(notebooks.NEEDS)}\n"


def test_verify_without_anything_recorded_says_what_to_do_before_any_work(
    verified: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verified.unlink()
    assert cli.main(["verify", "--profile", "smoke"]) == 1
    assert "holds no recorded results: `sier record`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "problem",
    [
        notebooks.NotebookFailed("notebook 04-results failed in cell 3"),
        notebooks.BuildFailed("out of date: 04-results"),
    ],
)
def test_what_fails_is_told_and_the_exit_code_is_1(
    problem: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise problem

    monkeypatch.setattr("sierbook.site.make_book", fail)
    assert cli.main(["book", "--profile", "smoke", "--run-dir", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == f"sier: {problem}\n"


#: `sier book` whose work is to wait for a process that it has started.
WAITING = """
import subprocess, sys, threading, time
from sierbook import cli, site

def work(run):
    child = subprocess.Popen(["sleep", "600"])
    threading.Thread(target=time.sleep, args=(600,)).start()
    print(child.pid, flush=True)
    time.sleep(600)

site.make_book = work
cli._import_tensorflow = lambda: None
cli.main(["book", "--profile", "smoke", "--run-dir", sys.argv[1]])
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the process in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_all_at_once_and_says_how_to_go_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    call = [sys.executable, "-c", WAITING, str(tmp_path)]
    process = subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=notebooks.ROOT,
        # A process that a shell started in the background is born deaf to it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout
    child = process.stdout.readline().strip()
    process.send_signal(number)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert said == "\nsier: interrupted; the same command goes on where this one stopped\n"
    status = Path("/proc", child, "status")
    assert not status.is_file() or "zombie" in status.read_text()


def test_settings_reach_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []
    monkeypatch.setattr(
        "sierbook.notebooks.execute_with_needs",
        lambda run, name: seen.append((run, name)) or Path("copy.ipynb"),
    )
    assert (
        cli.main(["run", "4", "--profile", "smoke", "--seed", "9", "--run-dir", str(tmp_path)]) == 0
    )
    run, name = seen[0]
    assert (run.profile.name, run.seed, run.folder, name) == ("smoke", 9, tmp_path, "04-results")
    assert capsys.readouterr().out == "copy.ipynb\n"


def test_explain_prints_the_prediction_and_the_page(
    tiny_run: Run, tmp_path: Path, paint: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    call = [
        "explain",
        "--model",
        str(tiny_run.folder),
        "--image",
        str(paint(tmp_path / "a.jpg")),
        "--depth",
        "1",
    ]
    out = tmp_path / "out"
    assert cli.main([*call, "--text", "so happy today", "--target", "hate", "-o", str(out)]) == 0
    prediction, page = capsys.readouterr().out.splitlines()
    assert (
        re.fullmatch(rf"({'|'.join(settings.CLASSES)}) [01]\.\d\d", prediction)
        and Path(page) == out / "index.html"
    )
    assert json.loads((out / "prediction.json").read_text(encoding="utf-8"))["target"] == "hate"
    soundfile.write(tmp_path / "a.wav", np.zeros(150_000), 16_000)
    assert cli.main([*call, "--audio", str(tmp_path / "a.wav"), "-o", str(out)]) == 0
    said = capsys.readouterr().err.splitlines()
    assert "sier: speech of 9.4 s is longer than the window of 6.4 s: 3.0 s were cut" in said
    assert "sier: the recording is silent: no words were found" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "neither text nor audio was given"),
        (["--text", "@you"], "text without words"),
        (["--text", "hi", "--image", "gone.jpg"], "gone.jpg: missing image file"),
        (["--audio", "gone.wav"], "gone.wav: missing audio file"),
        (["--text", "hi", "--model", "gone"], "gone is missing; expected a run's folder"),
        (["--text", "hi", "--percentile", "200"], "percentile=200.0"),
        (["--text", "hi", "-o", "a.png"], "a.png is a file; -o expects a folder"),
    ],
)
def test_explain_refuses_in_one_line_and_writes_nothing(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    paint: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    paint(tmp_path / "a.png")
    assert cli.main(["explain", "--model", ".", "--image", "a.png", "-o", "out", *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("sier: ") and said in captured.err
    assert captured.err.count("\n") == 1 and [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_bench_runs_the_script_of_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sierbook.cli.PACKAGE", tmp_path / "sierlib")
    assert cli.main(["bench"]) == 1  # it is missing
    script = tmp_path / "benchmarks" / "bench_shapley.py"
    script.parent.mkdir()
    script.write_text("import sys; sys.exit(len(sys.argv))")
    assert cli.main(["bench", "--", "--width", "1"]) == 3
