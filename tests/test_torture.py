"""What `make torture` runs: its cases, what it calls a fault, its figures and their page."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.torture import __main__ as torture
from benchmarks.torture import corruption, good, pictures, sounds, tables, texts
from benchmarks.torture.corruption import Case, list_cases, summarise, try_case
from sierbook.extensions.torture import (
    list_faults,
    list_kinds,
    list_parsers,
    list_reasons,
    list_stages,
)
from sierlib.files import read_json


def test_ten_cases_end_as_used_or_with_a_reason() -> None:
    cases = list_cases({"pictures": 6, "tables": 4}, seed=1)
    figures = summarise([try_case(case) for case in cases])
    assert figures["tried"] == sum(figures["outcomes"].values()) == 10
    assert figures["faults"] == [] and torture.count_faults(figures) == 0
    assert {kind: each["tried"] for kind, each in figures["kinds"].items()} == {
        "pictures": 6,
        "tables": 4,
    }


def test_a_case_is_made_anew_from_its_seed(tmp_path: Path) -> None:
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        rng = np.random.default_rng(7)
        item = pictures.make_item("JPEG, bits flipped", tmp_path / name, rng)
        assert item.image is not None
        made.append(item.image.read_bytes())
    assert made[0] == made[1]
    assert texts.make_item("mixture, 1", tmp_path, np.random.default_rng(3)) == texts.make_item(
        "mixture, 1", tmp_path, np.random.default_rng(3)
    )


def test_with_enough_cases_every_way_of_damaging_is_tried() -> None:
    for module in (pictures, sounds, texts, tables):
        kind = module.__name__.rpartition(".")[2]
        cases = list_cases({kind: corruption.FULL * corruption.CASES[kind]}, seed=0)
        assert {case.name for case in cases} == set(module.MAKERS)
        assert len(set(cases)) == len(cases)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (RuntimeError("decoder"), "crashed"),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "no"), "crashed"),
        (ValueError("two\nlines"), "crashed"),
        (ValueError("pairs.csv, line 1: no"), "refused"),
    ],
)
def test_what_is_no_refusal_is_a_fault(
    error: Exception, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("sierlib.data.corpora.open_corpus", fail)
    outcome = try_case(Case("tables", "ragged", 0))
    assert outcome.word == word
    assert bool(summarise([outcome])["faults"]) == (word == "crashed")


def test_rows_that_nobody_accounts_for_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    from sierlib.data import corpora

    listed = corpora.open_corpus

    def lose(*arguments: Any) -> corpora.Corpus:
        corpus = listed(*arguments)
        corpus.items.pop()
        return corpus

    monkeypatch.setattr(corpora, "open_corpus", lose)
    outcome = try_case(Case("tables", "utf-8", 0))
    assert (outcome.word, outcome.reason) == ("lost", "29 of 30 rows are accounted for")


def test_time_and_memory_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("tables", "utf-8", 0)
    monkeypatch.setattr(corruption, "SECONDS", 0.0)
    assert try_case(case).word == "slow"
    monkeypatch.setattr(corruption, "SECONDS", 60.0)
    monkeypatch.setattr(corruption, "MEGABYTES", -1)
    assert try_case(case).word == "large"


def test_damage_by_bytes_takes_any_file() -> None:
    rng = np.random.default_rng(0)
    for damage in good.BYTE_DAMAGES.values():
        assert any(damage(bytes(range(256)), rng) != bytes(range(256)) for _ in range(20)) or (
            damage is good.convert_line_ends
        )


@pytest.mark.slow
def test_a_worker_that_dies_is_a_crash_and_another_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = corruption._Worker()
    try:
        worker.process.kill()
        worker.process.join()
        outcome = worker.try_case(Case("texts", "words", 0))
        assert (outcome.word, outcome.reason) == ("crashed", "the process died: exit code -9")
        assert worker.try_case(Case("texts", "mixture, 0", 0)).word == "used"
    finally:
        worker.end()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stage that takes no time; its figures may be changed."""
    figures = {"tried": 1200, "outcomes": {"used": 1200}, "crashed": 0, "lost": 0, "seconds": 1.5}
    module = types.ModuleType("benchmarks.torture.corruption")
    module.run = lambda full, seed: {**figures, "seed": seed}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return figures


def test_figures_are_printed_recorded_and_kept_beside_those_of_other_stages(
    stage: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torture, "RECORDED", tmp_path)
    assert torture.main(["--stage", "corruption", "--full", "--seed", "3", "--record"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["Stage", "Tried"]
    assert row.split()[:4] == ["corruption", "1,200", "0", "-"]
    stages = read_json(tmp_path / "torture.json")["stages"]
    made = stages["corruption"]["provenance"]
    assert made["full"] and made["seed"] == 3 and made["machine"]["cores"] and made["date"]
    torture.record({"fuzz": {"tried": 1, "seconds": 2.0}}, False, 0, tmp_path / "torture.json")
    stages = read_json(tmp_path / "torture.json")["stages"]
    assert list(stages) == ["corruption", "fuzz"] and stages["corruption"]["tried"] == 1200


@pytest.mark.parametrize("fault", torture.FAULTS)
def test_any_fault_ends_it_with_1(fault: str, stage: dict[str, Any]) -> None:
    stage[fault] = 1
    assert torture.main(["--stage", "corruption"]) == 1


def test_a_missing_fuzzer_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.torture.fuzz.find_spec", lambda name: None)
    assert torture.main(["--stage", "fuzz"]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "atheris" in line]
    assert len(said) == 1 and "pip install" in said[0]


def test_the_page_shows_the_recorded_figures() -> None:
    made = {"date": "2026-11-27", "full": True, "machine": {"cores": 2, "processor": "P"}}
    stages = {
        "corruption": {
            "tried": 2000, "crashed": 0, "slow": 1, "seconds": 90.0, "provenance": made,
            "kinds": {"texts": {"tried": 9, "used": 5, "quarantined": 3, "slow": 1}},
            "reasons": {"text without words": 3}, "faults": ["texts, tags, seed 1: slow: 6 s"],
        },
        "fuzz": {
            "tried": 10_000, "seconds": 60.0, "provenance": made | {"full": False},
            "parsers": {"table": {"executions": 10_000, "seconds": 60.0, "findings": 0}},
        },
    }  # fmt: skip
    head, damaged, fuzzed = list_stages(stages)
    assert len(head) == len(damaged) == len(fuzzed)
    assert damaged[:4] == ["Damaged items, in full", "2,000", "0", "1"]
    assert damaged[-2:] == ["1.5 min", "2026-11-27, 2 cores (P)"]
    assert fuzzed[:3] == ["Fuzzed parsers", "10,000", "–"]
    assert list_kinds(stages["corruption"])[1] == ["Texts", "9", "5", "3", "0", "1"]
    assert list_reasons(stages["corruption"])[1] == ["text without words", "3"]
    assert list_faults(stages)[1:] == [["Damaged items", "texts, tags, seed 1: slow: 6 s"]]
    assert list_faults({"fuzz": stages["fuzz"]})[1:] == [["All", "none"]]
    assert list_parsers(stages["fuzz"])[1] == ["table", "10,000", "1.0 min", "0"]
    assert [len(rows({})) for rows in (list_stages, list_kinds, list_reasons, list_parsers)] == [
        1, 1, 1, 1,
    ]  # fmt: skip
