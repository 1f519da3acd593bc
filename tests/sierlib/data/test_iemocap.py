"""The IEMOCAP adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from sierlib.data.corpora import iemocap

CODES = ["neu", "ang", "hap", "exc", "dis", "sad", "xxx", "fru"]


def _turn(turn: str, code: str) -> str:
    return (
        f"[6.2901 - 8.2357]\t{turn}\t{code}\t[2.5000, 2.5000, 2.5000]\n"
        "C-E2:\tNeutral;\t()\nC-E4:\tAnger;\t(curious)\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
    )


def _dialog(
    root: Path, session: int, dialog: str, turns: dict[str, str], words: bool = True
) -> None:
    base = root / f"Session{session}"
    for folder in (
        "dialog/EmoEvaluation/Categorical",
        "dialog/transcriptions",
        f"sentences/wav/{dialog}",
    ):
        (base / folder).mkdir(parents=True, exist_ok=True)
    header = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    blocks = "".join(_turn(turn, code) for turn, code in turns.items())
    (base / f"dialog/EmoEvaluation/{dialog}.txt").write_text(header + blocks)
    (base / f"dialog/EmoEvaluation/Categorical/{dialog}_e1_cat.txt").write_text(
        f"{dialog}_F000 :Anger; ()\n"
    )
    for turn in turns:
        (base / f"sentences/wav/{dialog}/{turn}.wav").touch()
    if words:
        lines = [f"{turn} [006.2901-008.2357]: Excuse me, {turn[-1]}.\n" for turn in turns]
        (base / f"dialog/transcriptions/{dialog}.txt").write_text(
            "".join(["M: a remark\n", *lines])
        )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One dialogue in the first session and one in the last, which has no transcription."""
    _dialog(
        tmp_path,
        1,
        "Ses01F_impro01",
        {f"Ses01F_impro01_F00{n}": code for n, code in enumerate(CODES)},
    )
    _dialog(tmp_path, 5, "Ses05M_script01_1b", {"Ses05M_script01_1b_M000": "ang"}, words=False)
    return tmp_path


def test_turns_carry_label_words_and_speaker(root: Path) -> None:
    corpus = iemocap.load(root)
    assert [item.label for item in corpus.items] == [
        "anger",
        "happy",
        "happy",
        "hate",
        "sad",
        "anger",
    ]
    first, last = corpus.items[0], corpus.items[-1]
    assert (first.id, first.text, first.split) == ("Ses01F_impro01_F001", "Excuse me, 1.", None)
    assert first.truth == {"session": 1, "speaker": "F"}
    assert first.audio == root / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F001.wav"
    assert (last.id, last.text, last.truth) == (
        "Ses05M_script01_1b_M000",
        None,
        {"session": 5, "speaker": "M"},
    )
    assert corpus.notes == ["3 turns of other emotions left out: fru 1, neu 1, xxx 1"]
    assert not corpus.quarantined


def test_dirt_is_quarantined(root: Path) -> None:
    (root / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F001.wav").unlink()
    evaluations = root / "Session1/dialog/EmoEvaluation"
    with (evaluations / "Ses01F_impro01.txt").open("a") as file:
        file.write(_turn("Ses01F_impro01_F002", "sad") + "[1.0 - 2.0] torn line\n")
        file.write(_turn("../../Ses01F_impro01_F009", "sad"))
    (evaluations / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07[1.0 - 2.0]")
    corpus = iemocap.load(root)
    assert len(corpus.items) == 5
    assert {name: reason.split(":")[0] for name, _, reason in corpus.quarantined} == {
        "Ses01F_impro01_F001": "missing recording",
        "Ses01F_impro01_F002": "duplicate row",
        "Ses01F_impro01.txt:48": "line is not '[start - end]<TAB>turn<TAB>code'",
        "Ses01F_impro01.txt:49": "line is not '[start - end]<TAB>turn<TAB>code'",
    }


def test_a_recording_that_points_outside_is_quarantined(root: Path) -> None:
    wav = root / "Session5/sentences/wav/Ses05M_script01_1b/Ses05M_script01_1b_M000.wav"
    wav.unlink()
    wav.symlink_to(root / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F001.wav")
    assert [reason.split(":")[0] for _, _, reason in iemocap.load(root).quarantined] == [
        "path outside wav/"
    ]
    followed = iemocap.load(root, links="follow")
    assert len(followed.items) == 6 and not followed.quarantined


def test_missing_classes_are_noted(tmp_path: Path) -> None:
    _dialog(tmp_path, 2, "Ses02F_impro03", {"Ses02F_impro03_M000": "ang"})
    assert iemocap.load(tmp_path).notes == ["no turns of happy, hate, sad"]


def test_another_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match="Session<1-5>/dialog/EmoEvaluation/<dialog>.txt"
    ) as error:
        iemocap.load(tmp_path)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_a_session_without_evaluations_is_named(root: Path) -> None:
    (root / "Session4").mkdir()
    with pytest.raises(
        FileNotFoundError, match="no dialog/EmoEvaluation in .*Session4: IEMOCAP's layout"
    ) as error:
        iemocap.load(root)
    assert "\n" not in str(error.value)


def test_fingerprint_changes_with_a_recording(root: Path) -> None:
    before = iemocap.load(root).fingerprint
    (root / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F001.wav").write_bytes(b"sound")
    assert iemocap.load(root).fingerprint != before
