"""Data specs: which there are, what they refuse, what they open."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sierlib import settings
from sierlib.data.corpora import Corpus, Item, Unusable, fi, open_corpus
from sierlib.data.corpora.items import find_file, fingerprint
from sierlib.run import DATA_SPECS, resolve_spec

SMOKE = settings.profile("smoke")


def _tweets(folder: Path) -> Path:
    (folder / "t.tsv").write_text("text\tlabel\nso glad\tjoy\nso angry\tanger\n", encoding="utf-8")
    return folder / "t.tsv"


@pytest.mark.parametrize("role", ["data", "ser", "ier"])
def test_the_embedded_corpus_serves_every_role(role: str) -> None:
    assert resolve_spec("synthetic", role) == "synthetic"
    corpus = open_corpus("synthetic", role, SMOKE, 0)
    assert (
        len(corpus.items)
        == {"data": SMOKE.pairs, "ser": SMOKE.speech_items, "ier": SMOKE.image_items}[role]
    )
    assert corpus.spec == "synthetic" and corpus.fingerprint and not corpus.quarantined
    assert len({item.id for item in corpus.items}) == len(corpus.items)


@pytest.mark.parametrize(
    ("spec", "role"),
    [
        ("", "data"),
        ("imagenet:x", "data"),
        ("tweets:x", "data"),
        ("synthetic:x", "data"),
        ("pairs", "data"),
        ("pairs:", "data"),
        ("fi:x", "ser"),
        ("iemocap", "ser"),
        ("pairs:x", "ier"),
        (":", "ier"),
        ("SYNTHETIC", "ier"),
    ],
)
def test_an_unknown_spec_is_told_which_exist(spec: str, role: str) -> None:
    with pytest.raises(ValueError, match=f"unknown {role} spec") as error:
        resolve_spec(spec, role)
    assert all(known in str(error.value) for known in DATA_SPECS[role].values())


def test_a_path_becomes_absolute_and_keeps_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tweets(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_spec("tweets:t.tsv", "ser") == f"tweets:{tmp_path / 't.tsv'}"
    assert resolve_spec("tweets:~/t.tsv", "ser") == f"tweets:{tmp_path / 't.tsv'}"
    assert resolve_spec("fi:.?positive=all", "ier") == f"fi:{tmp_path}?positive=all"
    once = resolve_spec("tweets:t.tsv", "ser")
    assert resolve_spec(once, "ser") == once


@pytest.mark.parametrize(
    ("spec", "role"), [("bt4sa:gone", "data"), ("iemocap:gone", "ser"), ("fi:gone", "ier")]
)
def test_a_path_where_nothing_is_gets_named(
    spec: str, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        resolve_spec(spec, role)
    assert str(tmp_path / "gone") in str(error.value) and DATA_SPECS[role][
        spec.split(":")[0]
    ] in str(error.value)


def test_a_link_to_itself_and_nobodys_home_are_paths_where_nothing_is(
    tmp_path: Path,
) -> None:
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    for path in (tmp_path / "loop.csv", "~nobody-of-this-name/t.csv", "x" * 5000):
        with pytest.raises(FileNotFoundError, match="there is nothing at"):
            resolve_spec(f"pairs:{path}", "data")


def test_a_real_corpus_is_opened_by_its_adapter(
    tmp_path: Path, pairs_csv: Callable[..., Path]
) -> None:
    corpus = open_corpus(f"tweets:{_tweets(tmp_path)}", "ser", SMOKE, 0)
    assert [item.label for item in corpus.items] == ["happy", "anger"]
    assert corpus.missing_classes() == ["hate", "sad"]
    assert len(open_corpus(f"pairs:{pairs_csv(tmp_path / 'p')}", "data", SMOKE, 0).items) == 42


@pytest.mark.parametrize("role", ["data", "ser", "ier"])
def test_the_embedded_corpus_has_the_profiles_vocabulary(role: str) -> None:
    whole = replace(SMOKE, emotion_words=15, emotion_shapes=6)
    found = [open_corpus("synthetic", role, profile, 0) for profile in (SMOKE, SMOKE, whole)]
    assert found[0].fingerprint == found[1].fingerprint != found[2].fingerprint
    with pytest.raises(ValueError, match="emotion_words=99: .* 3 to 15 words a class"):
        open_corpus("synthetic", role, replace(SMOKE, emotion_words=99), 0)


def test_a_real_corpus_is_read_whole_whatever_the_profiles_vocabulary(
    tmp_path: Path, pairs_csv: Callable[..., Path]
) -> None:
    other = replace(SMOKE, emotion_words=99, emotion_shapes=0)
    specs = {"ser": f"tweets:{_tweets(tmp_path)}", "data": f"pairs:{pairs_csv(tmp_path / 'p')}"}
    for role, spec in specs.items():
        usual, unusual = (open_corpus(spec, role, profile, 0) for profile in (SMOKE, other))
        assert usual.items == unusual.items and usual.fingerprint == unusual.fingerprint


def test_a_folder_of_another_layout_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="raw_tweets_text.csv"):
        open_corpus(f"bt4sa:{tmp_path}", "data", SMOKE, 0)


@pytest.mark.parametrize("option", ["shuffle=1", "file=other.tsv", "shuffle"])
def test_an_unknown_option_is_refused(option: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown option; tweets: takes none"):
        open_corpus(f"tweets:{_tweets(tmp_path)}?{option}", "ser", SMOKE, 0)
    with pytest.raises(ValueError, match=r"unknown option; fi: takes \?positive= or \?links="):
        open_corpus(f"fi:{tmp_path}?{option}", "ier", SMOKE, 0)


@pytest.mark.parametrize("whole_folder", [False, True])
def test_links_are_followed_when_the_user_says_so(
    tmp_path: Path, pairs_csv: Callable[..., Path], whole_folder: bool
) -> None:
    elsewhere = pairs_csv(tmp_path / "disk").parent
    root = tmp_path / "corpus"
    (root / "img").mkdir(parents=True)
    if whole_folder:
        (root / "img").rmdir()
        (root / "img").symlink_to(elsewhere)
    else:
        for path in elsewhere.glob("*.png"):
            (root / "img" / path.name).symlink_to(path)
    rows = "img/1.png,one\nimg/2.png,two\n../disk/3.png,three\nimg/../../disk/4.png,four\n"
    (root / "p.csv").write_text(f"image,text\n{rows}")
    with pytest.raises(ValueError, match="not one usable row .*a link; .links=follow at the end"):
        open_corpus(f"pairs:{root / 'p.csv'}", "data", SMOKE, 0)
    corpus = open_corpus(f"pairs:{root / 'p.csv'}?links=follow", "data", SMOKE, 0)
    assert [item.text for item in corpus.items] == ["one", "two"]
    # What a row asks for outside is refused even then: only the user's own links are followed.
    assert [reason for _, _, reason in corpus.quarantined] == [
        "path outside corpus/: line 4",
        "path outside corpus/: line 5",
    ]
    with pytest.raises(ValueError, match="links= is one of inside, follow"):
        open_corpus(f"pairs:{root / 'p.csv'}?links=yes", "data", SMOKE, 0)


def test_a_corpus_without_a_usable_row_says_what_was_seen_where(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("text\tlabel\nso glad\tfear\nwell\tfear\nnothing\n")
    with pytest.raises(ValueError) as error:
        open_corpus(f"tweets:{tmp_path / 't.tsv'}", "ser", SMOKE, 0)
    assert "\n" not in str(error.value)
    for told in ("2 with label of no class: line 2, 'fear'", "1 with too few fields: line 4"):
        assert told in str(error.value)
    (tmp_path / "t.tsv").write_text("text\tlabel\n")
    with pytest.raises(ValueError, match="not one usable row in it: it has none"):
        open_corpus(f"tweets:{tmp_path / 't.tsv'}", "ser", SMOKE, 0)


def test_tables_of_recordings_and_pictures_name_files_labels_and_speakers(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "a.png"):
        (tmp_path / name).touch()
    (tmp_path / "r.csv").write_text(
        "audio,label,speaker,text\na.wav,ANG,01,hi\nb.wav,happiness,,\nnone.wav,sad,02,\n"
    )
    corpus = open_corpus(f"recordings:{tmp_path / 'r.csv'}", "ser", SMOKE, 0)
    (item,) = corpus.items
    assert (item.id, item.audio, item.label) == ("recording-2", tmp_path / "a.wav", "anger")
    assert item.truth == {"speaker": "01"} and item.text is None and item.image is None
    assert [reason for _, _, reason in corpus.quarantined] == [
        "no speaker: line 3",
        "missing audio: line 4",
    ]
    (tmp_path / "p.csv").write_text("label;image\nDisgust;a.png\nneutral;a.png\n")
    corpus = open_corpus(f"pictures:{tmp_path / 'p.csv'}", "ier", SMOKE, 0)
    assert [(item.image, item.label) for item in corpus.items] == [(tmp_path / "a.png", "hate")]
    with pytest.raises(ValueError, match="columns .*; expected a CSV with the columns image and"):
        open_corpus(f"pictures:{tmp_path / 'r.csv'}", "ier", SMOKE, 0)


def test_a_bug_in_an_adapter_is_not_taken_for_an_unknown_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(root: Path, positive: str = "excitement") -> Corpus:
        raise TypeError(f"a bug beside {positive}")

    monkeypatch.setattr(fi, "load", load)
    with pytest.raises(TypeError, match="a bug beside all"):
        open_corpus(f"fi:{tmp_path}?positive=all", "ier", SMOKE, 0)


def test_the_fingerprint_changes_with_the_files(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text("one")
    before = fingerprint(paths)
    assert fingerprint(reversed(paths)) == before
    paths[0].write_text("longer")
    changed = fingerprint(paths)
    os.utime(paths[1], (1, 1))
    assert len({before, changed, fingerprint(paths), fingerprint(paths[:1])}) == 4


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus with a file in every folder, links that lead out, and a file beside it."""
    root = tmp_path_factory.mktemp("tree") / "corpus"
    for folder in (root, root / "a", root / "a" / "a", root / "b"):
        folder.mkdir()
        (folder / "c.jpg").touch()
    (root.parent / "c.jpg").touch()
    (root / "b" / "link.jpg").symlink_to(root.parent / "c.jpg")
    (root / "a" / "link.jpg").touch()
    (root / "b" / "a").symlink_to(root / "a" / "a")  # ".." behind it is another folder than here
    (root / "b" / "out").symlink_to(root.parent)
    return root


@given(
    parts=st.lists(
        st.sampled_from(["..", ".", "a", "b", "out", "corpus", "link.jpg", "c.jpg"]),
        min_size=1,
        max_size=6,
    )
)
def test_a_file_of_a_corpus_lies_in_its_folder(parts: list[str], tree: Path) -> None:
    try:
        found = find_file(tree, "/".join(parts), "image")
    except Unusable:
        return
    assert found.is_file() and found.resolve().is_relative_to(tree.resolve())


def test_a_link_that_is_hidden_behind_another_one_leads_nowhere(tree: Path) -> None:
    # As it is written this is a/link.jpg, which is inside; what would be read is b/link.jpg.
    assert (tree / "b/a/../link.jpg").resolve() == (tree / "a/link.jpg").resolve()
    with pytest.raises(Unusable, match="path outside corpus/: a link"):
        find_file(tree, "b/a/../link.jpg", "image")
    with pytest.raises(Unusable, match="path outside corpus/"):
        find_file(tree, "/etc/hostname", "image")


def test_what_the_book_says_makes_tables_of_four_known_corpora(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (Path(__file__).parents[3] / "book" / "reproduce.md").read_text(encoding="utf-8")
    script = said.partition("```python\nimport csv")[2].partition("```")[0]
    wanted = {
        "Actor_07/03-01-05-01-02-01-07.wav": ("anger", "Actor_07"),
        "AudioWAV/1001_DFA_HAP_XX.wav": ("happy", "1001"),
        "wav/03a01Tc.wav": ("sad", "03"),
        "train_splits/dia0_utt3.wav": ("hate", "Ross"),
        "Actor_07/03-01-08-01-02-01-07.wav": None,
        "AudioWAV/1001_DFA_NEU_XX.wav": None,
        "wav/03a01Aa.wav": None,
    }
    for name in wanted:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "train_sent_emo.csv").write_text(
        'Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID\n"No, no!",Ross,disgust,0,3\n'
    )
    monkeypatch.chdir(tmp_path)
    exec(f"import csv{script}", {})
    corpus = open_corpus("recordings:recordings.csv", "ser", SMOKE, 0)
    found = {
        str(item.audio.relative_to(tmp_path)): (item.label, (item.truth or {})["speaker"])
        for item in corpus.items
        if item.audio
    }
    assert found == {name: told for name, told in wanted.items() if told}
    assert {reason.partition(":")[0] for _, _, reason in corpus.quarantined} == {
        "label of no class"
    }


def test_missing_classes_are_those_without_an_item() -> None:
    assert Corpus("x", [Item("a", label="sad"), Item("b", label=None)]).missing_classes() == [
        "anger",
        "happy",
        "hate",
    ]
