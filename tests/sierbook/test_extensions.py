"""Pages made of made-up results: what is missing is said, and no frame is empty."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from sierbook import lessons, numbers
from sierbook.extensions import bench, engine, gpu, scale, transfer
from tests.forged import ANGER, HAPPY, SAD, asked_of_explanations, audited, evaluated, in_plain

ROOT = Path(__file__).parents[2]
PAGES = {
    "index": "# Answers\n\n```{fusion-answer}\n```\n"
    + "".join(f"\n```{{answer}} {name}\n```\n" for name in ("labels", "fusion", "explanations")),
    "claims": "# Claims\n\n```{claims-origin}\n```\n\n```{claims-ledger}\n```\n",
    **dict.fromkeys(("07-experiment", "08-explanations"), "# Findings\n\n```{findings}\n```\n"),
    "environment": "# Runs\n\n```{result-table}\n```\n\n```{network-table}\n```\n\n"
    "```{version-table}\n```\n\n```{gpu-run}\n```\n\n```{bench-table}\n```\n",
    "real": "# Real\n\n```{transfer-answer}\n```\n"
    + "".join(f"\n```{{transfer-table}} {name}\n```\n" for name in transfer.PARTS),
    "robustness": "# Bad data\n"
    + "".join(
        f"\n```{{torture-table}} {name}\n```\n"
        for name in ("stages", "kinds", "reasons", "faults", "parsers")
    ),
}


def _all_of(evaluation: dict[str, Any], teachers: bool = True) -> dict[str, Any]:
    """Results of the notebooks that say most, by notebook, of the rows of one evaluation."""
    rows, planted = evaluation["scores"]["labels"]["fused"]["n"], "truth" in evaluation["scores"]
    return {
        "04-results": evaluation,
        "07-experiment": audited(rows, planted, teachers),
        "08-explanations": asked_of_explanations(rows, planted),
    }


#: What a corpus may lack, and results that it then leaves.
EVALUATIONS: dict[str, dict[str, Any]] = {
    "without planted truth": evaluated([ANGER, HAPPY, SAD] * 9, [ANGER, HAPPY, HAPPY] * 9),
    "without teachers": evaluated([ANGER, HAPPY] * 9, [ANGER, HAPPY] * 9, teachers=False),
    "with two classes": evaluated([ANGER, HAPPY] * 9, [ANGER, HAPPY] * 9, [HAPPY, ANGER] * 9),
    "with one sample": evaluated([HAPPY], [HAPPY]),
}
CORPORA = {kind: _all_of(found, kind != "without teachers") for kind, found in EVALUATIONS.items()}


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], dict[str, str]]:
    """Build pages from results by notebook; a warning is an error."""

    def build(results: dict[str, Any]) -> dict[str, str]:
        source = tmp_path_factory.mktemp("pages")
        place = source / "book" / "results"
        place.mkdir(parents=True)
        for name, file in results.items():
            (place / f"{name}.json").write_text(json.dumps(file), encoding="utf-8")
        shutil.copy(ROOT / "book" / "model-card.md", source)
        card = (source / "model-card.md").read_text(encoding="utf-8")
        card = re.sub(
            r"{doc}`([^<]*) <[^>]*>`|\[\]\([^)]*\)", r"\1", card
        )  # pages that are not here
        for name, text in {**PAGES, "model-card": card}.items():
            (source / f"{name}.md").write_text(
                f"---\norphan: true\n---\n\n{text}", encoding="utf-8"
            )
        kinds = ("results", "answers", "claims", "torture", "gpu", "bench", "transfer")
        settings = {
            "extensions": ["myst_parser", *(f"sierbook.extensions.{kind}" for kind in kinds)],
        }
        with docutils_namespace():
            app = Sphinx(
                source, None, source / "out", source / "trees", "html", settings,
                status=None, warning=None, warningiserror=True,
            )  # fmt: skip
            app.build()
        return {
            page.stem: page.read_text(encoding="utf-8") for page in (source / "out").glob("*.html")
        }

    return build


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.mark.parametrize("kind", CORPORA)
def test_a_page_says_what_a_corpus_lacks(
    kind: str, render: Callable[[dict[str, Any]], dict[str, str]]
) -> None:
    pages = render(CORPORA[kind])
    for name, page in pages.items():
        assert not re.search(r"\bnan\b|\bNone\b", text_of(page)), name
        assert "<tbody>\n</tbody>" not in page, name
    card, index = text_of(pages["model-card"]), text_of(pages["index"])
    truth = "truth" in EVALUATIONS[kind]["scores"]
    assert ("no ground truth" in index) != truth
    assert ("there is none in these data" in pages["model-card"]) or kind == "with one sample"
    assert "of no test row" in card
    assert ("Nobody knows of" in index) != truth
    assert "Nothing has run" not in index and "No results yet" not in index
    assert ("the labels that it brought" in index) == (kind == "without teachers")


@pytest.mark.parametrize("kind", CORPORA)
def test_findings_and_lessons_say_what_a_corpus_lacks(
    kind: str, render: Callable[[dict[str, Any]], dict[str, str]]
) -> None:
    pages = render(CORPORA[kind])
    truth = "truth" in EVALUATIONS[kind]["scores"]
    experiment, explanations = pages["07-experiment"], pages["08-explanations"]
    for page in (experiment, explanations):
        assert page.count("<strong>") == 5 and "data-key=" in page
    assert ("no teacher was asked" in text_of(experiment)) == (kind == "without teachers")
    assert ("nothing was planted" in text_of(experiment)) != truth
    assert ("Nobody knows of" in text_of(explanations)) != truth
    assert ("No test row shows" in text_of(experiment)) == (kind == "with one sample")
    assert ("No block lost its weights" in text_of(explanations)) == (kind == "with one sample")
    for name, results in CORPORA[kind].items():
        said = in_plain(lessons.LESSONS[name](results))
        assert said and all(sentence.endswith(".") for sentence in said)
        assert not re.search(r"\bnan\b|\bNone\b|\b1 \w+s\b", " ".join(said)), said


def test_before_anything_has_run_every_page_says_so(
    render: Callable[[dict[str, Any]], dict[str, str]],
) -> None:
    pages = render({})
    assert text_of(pages["index"]).count("No results yet") == 4
    assert "No results yet" in text_of(pages["model-card"])
    assert "not yet computed" in pages["model-card"]
    assert "Nothing has been computed yet" in text_of(pages["claims"])
    assert text_of(pages["robustness"]).count("Nothing is recorded yet") == 5
    for command in ("make bench", "python benchmarks/gpu.py"):
        said = f"Nothing is recorded yet. It will be here after {command} ."  # tags leave blanks
        assert said in text_of(pages["environment"])
    for_each = text_of(pages["real"]).count("here after python -m benchmarks.transfer")
    assert for_each == 1 + len(transfer.PARTS)


def test_a_number_has_its_key_wherever_a_page_shows_it(
    render: Callable[[dict[str, Any]], dict[str, str]],
) -> None:
    pages = render(CORPORA["with two classes"])
    key = "accuracy; fused; test; truth; this run"
    for name in ("index", "model-card"):
        found = {mark[1]: float(mark[0]) for mark in numbers.MARK.findall(pages[name])}
        assert found[key] == 0.0, name
    assert "&lt;data" not in "".join(pages.values())
    assert re.search(r'aria-label="[^"<]*planted emotion in 0%', pages["index"])


def test_the_engine_s_table_has_rows_for_a_rival_only_where_one_was_measured() -> None:
    def time(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 1, "high": value + 1, "n": 5}

    found: dict[str, Any] = {
        "milliseconds": {name: time(30) for name in engine.NAMES},
        "differences": {"probability": 5e-7, "region": 3e-7},
        "samples": 8,
        "depth": 4,
    }
    plain = engine.list_rows(found)
    assert not any("onnxruntime" in cell for row in plain for cell in row)
    found["milliseconds"]["longest task"] = {"value": 0, "low": 0, "high": 0, "n": 5}
    found["rival"] = {
        "name": "onnxruntime-web 1.30.0",
        "milliseconds": {"ours": time(30), "rival": time(60)},
        "ratio": {"value": 2, "low": 1.5, "high": 2.5, "n": 5},
        "difference": 7e-9,
        "bytes": {"ours": 26_000, "rival": 14_300_000},
    }
    added = engine.list_rows(found)[len(plain) :]
    told = [" ".join(row) for row in engine.list_rows(found)]
    assert len(added) == 6 and len({len(row) for row in engine.list_rows(found)}) == 1
    assert any("stands still" in row and "under 50 ms" in row for row in told)
    assert "Its time, ours being 1 2.00 1.50 to 2.50" in told


def _built(
    items: int, workers: int, seconds: float, memory: float = 400.0, kind: str = "processes"
):
    return {
        "items": items,
        "workers": workers,
        "kind": kind,
        "seconds": seconds,
        "memory_mb": memory,
        "mb": items / 40,
    }


def test_the_curve_of_builds_says_what_known_times_come_to() -> None:
    found = {
        "loop_ms": [40.0, 30.0, 50.0],
        "slope": 1.0,
        "builds": [
            _built(1_000, 1, 41),
            _built(1_000, 2, 30),
            _built(1_000, 2, 20),
            _built(1_000, 2, 22, 440),
            _built(1_000, 2, 60, kind="dask"),
            _built(10_000, 2, 250, 480),
        ],
    }
    assert [(each["items"], each["seconds"]) for each in scale.grown(found)] == [
        (1_000, 22),
        (10_000, 250),
    ]
    said = scale.describe(found)
    # 25 ms an item by two: a loop of 40 ms would need 20. 80,893 pairs at 50 ms a core.
    assert "2 processes do 40 items a second: 0.80 of 2 times" in said
    assert "Memory is 1.20 times that of 1,000 items" in said
    assert "80,893 pairs would take 34 minutes with 2, 8 minutes with 8" in said
    rows = scale.list_rows(found)
    assert len({len(row) for row in rows}) == 1
    assert ["1,000", "2 processes", "3", "22 s", "45.5", "400 MB", "25 MB"] in rows
    assert any(row[1] == "2 workers of a Dask cluster" for row in rows)


def test_the_table_of_waits_tells_which_aims_are_met() -> None:
    def told(value: float) -> dict[str, float]:
        return {"value": value, "low": value / 2, "high": value * 2, "n": 5}

    beside = {"other": "a library", "theirs": told(2), "ratio": told(1.2)}
    alone = {"other": None, "theirs": None, "ratio": None}
    found: dict[str, Any] = {
        "date": "2020-02-02",
        "device": "CPU (Some chip, 2 cores)",
        "rows": [
            {"what": "A thing", "size": "9 pairs", "ours": told(2.4), "aim": 1.1, **beside},
            {"what": "`sier --help`", "size": "", "ours": told(0.2), "aim": 0.5, **alone},
            {"what": "Python", "size": "", "ours": told(0.0125), "aim": None, **alone},
        ],
    }
    said = bench.describe(found)
    assert "Measured on 2020-02-02 on CPU (Some chip, 2 cores). A ratio is ours" in said
    assert "within each of 5 turns" in said and "1 of 2 aims are met" in said
    rows = bench.list_rows(found)
    assert rows[1] == [
        "A thing",
        "1.20 (0.60 to 2.40)",
        "at most 1.1, missed",
        "2.40 s (1.20 to 4.80)",
        "a library: 2.00 s",
        "9 pairs",
    ]
    assert rows[2][:3] == ["sier's help", "–", "at most 0.5 s, met"]
    assert rows[3][1:] == ["–", "–", "0.013 s (0.0063 to 0.025)", "–", "–"]
    assert len({len(row) for row in rows}) == 1


def _trained(title: str, seconds: float, accuracy: float) -> dict[str, Any]:
    return {
        "title": title,
        "seconds": seconds,
        "seconds_per_epoch": seconds / 10,
        "epochs": 10,
        "parameters": 1_234_567,
        "precision": "float32",
        "accuracy": {"value": accuracy},
        "macro_f1": accuracy - 0.1,
    }


def test_a_gpu_run_says_where_it_was_recorded_and_averages_seeds() -> None:
    found: dict[str, Any] = {
        "device": "Some GPU",
        "tiny": False,
        "provenance": {"date": "2020-02-02", "versions": {"jax": "1.2", "keras": "3.4"}},
        "pairs": {"n": 10_000, "cores": 16, "seconds": 50.0},
        "networks": {
            "fused": _trained("ParallelNet", 20, 0.8),
            "ser": _trained("speech only", 10, 0.5),
            "fused-repeat1": _trained("ParallelNet", 40, 0.9),
        },
        "full_width": _trained("full width", 60, 0.7) | {"device_memory_mb": 4_000.4},
        "explanations": {"n": 200, "seconds": 50.0, "per_second": 5.0},
    }
    said = gpu.describe(found)
    assert said.startswith("Recorded on Some GPU, 2020-02-02, with jax 1.2 and keras 3.4.")
    assert "Full width took at most 4,000 MB of the device." in said and "tiny" not in said
    rows = gpu.list_rows(found)
    assert rows[1] == ["Pairs built", "10,000 on 16 cores", "50.0 s for all", "200.0 a second"] + [
        "–",
        "–",
    ]
    done = "2 seeds, 1,234,567 parameters, float32"
    assert rows[2] == ["ParallelNet", done, "30.0 s", "3.00 s an epoch", "0.850", "0.750"]
    assert [row[0] for row in rows[3:]] == ["speech only", "full width", "Pairs explained"]
    assert rows[-1][3] == "5.0 a second" and len({len(row) for row in rows}) == 1


def test_a_gpu_run_that_ended_early_shows_what_there_was() -> None:
    half = {"title": "full width", "unfinished": True, "epochs": 3}
    found: dict[str, Any] = {
        "device": "CPU",
        "tiny": True,
        "provenance": {"date": "2020-02-02", "versions": {"jax": "1.2", "keras": "3.4"}},
        "pairs": {"n": 48, "cores": 2, "seconds": None},
        "networks": {},
        "full_width": half | {"seconds": 30.0, "seconds_per_epoch": 10.0},
        "explanations": None,
    }
    assert "All of it is tiny" in gpu.describe(found)
    _, pairs, wide = gpu.list_rows(found)
    assert pairs == ["Pairs built", "48 on 2 cores", "–", "–", "–", "–"]
    assert wide[1:4] == ["3 epochs, unfinished", "30.0 s", "10.00 s an epoch"]
