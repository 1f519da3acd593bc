"""Keys change with what they are made of, and with nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sierlib import settings
from sierlib.keys import PACKAGE, digest, source_key

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)


@given(first=JSON, second=JSON)
def test_a_digest_is_the_same_exactly_for_what_json_says_the_same(
    first: object, second: object
) -> None:
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert (digest(first) == digest(second)) == same
    assert len(digest(first)) == 12


def test_the_order_of_a_dict_does_not_matter() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest("a", "b") != digest("b", "a")


#: The stages of a run, and the module whose imports tell what each depends on.
STAGES = {
    "arrays": "sierlib.data.shards",
    "teachers": "sierlib.experiment.teachers",
    "labels": "sierlib.experiment.labels",
    "networks": "sierlib.experiment.train",
}


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, which keys are made of as long as the test runs."""
    copy = tmp_path / "sierlib"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    found = SimpleNamespace(submodule_search_locations=[str(copy)])
    monkeypatch.setattr("sierlib.keys.find_spec", lambda _: found)
    return copy


def _changed_stages(path: Path, text: str) -> set[str]:
    """The stages that are computed anew when a file of the package has this text."""
    before = {stage: source_key(module) for stage, module in STAGES.items()}
    path.write_text(text, encoding="utf-8")
    return {stage for stage, module in STAGES.items() if source_key(module) != before[stage]}


@pytest.mark.parametrize(
    ("edited", "computed_anew"),
    [
        ("data/speech/voice.py", {"arrays", "teachers", "labels", "networks"}),
        ("data/corpora/fi.py", {"arrays", "teachers", "labels", "networks"}),
        ("data/feed.py", {"teachers", "labels", "networks"}),
        # Scores are stored with each network and teacher.
        ("experiment/scores.py", {"teachers", "labels", "networks"}),
        ("networks/metrics.py", {"teachers", "labels", "networks"}),
        ("networks/losses.py", {"teachers", "labels", "networks"}),
        ("networks/backbones.py", {"teachers", "labels", "networks"}),
        ("experiment/teachers.py", {"teachers", "labels"}),
        ("experiment/label_rule.py", {"labels", "networks"}),
        # Other labels make other networks by the manifest's key, not by the code.
        ("experiment/labels.py", {"labels"}),
        ("experiment/models.py", {"networks"}),
        ("experiment/train.py", {"networks"}),
        ("shapley/explain.py", set()),
        ("shapley/value_function.py", set()),
        ("explorer/widget.py", set()),
        ("explorer/explorer.js", set()),
    ],
)
def test_an_edit_computes_anew_the_stages_that_import_it(
    copied: Path, edited: str, computed_anew: set[str]
) -> None:
    text = (copied / edited).read_text(encoding="utf-8")
    assert _changed_stages(copied / edited, f"{text}\nEDITED = True\n") == computed_anew


def test_comments_docstrings_and_layout_compute_nothing_anew(copied: Path) -> None:
    path = copied / "experiment" / "scores.py"
    text = path.read_text(encoding="utf-8")
    reworded = text.replace('"""Scores', '"""Some scores', 1).replace("\n\n\n", "\n\n\n\n# Why.\n")
    assert reworded != text and not _changed_stages(path, reworded)


def test_a_profile_is_no_part_of_the_code_but_a_constant_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = source_key("sierlib.experiment.train")
    monkeypatch.setitem(settings.PROFILES, "another", settings.profile("smoke"))
    assert source_key("sierlib.experiment.train") == before
    monkeypatch.setattr(settings, "FOCAL_WEIGHT", 2.0)
    assert source_key("sierlib.experiment.train") != before


@pytest.mark.parametrize("edited", ["explorer.js", "inpage/tryout.js"])
def test_a_page_depends_on_the_explorers_javascript(copied: Path, edited: str) -> None:
    before = source_key("sierlib.explorer.widget")
    (copied / "explorer" / edited).write_text("edited")
    assert source_key("sierlib.explorer.widget") != before
