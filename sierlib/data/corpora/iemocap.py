"""IEMOCAP: acted and improvised dialogues with an emotion for every turn, for the speech teacher.

Busso et al., "IEMOCAP: Interactive emotional dyadic motion capture database" (2008).
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from sierlib import settings
from sierlib.data.corpora.items import Corpus, Item, Unusable, find_file, fingerprint, say_where
from sierlib.data.tables import Lines

LAYOUT = (
    "Session<1-5>/dialog/EmoEvaluation/<dialog>.txt, "
    "Session<1-5>/sentences/wav/<dialog>/<turn>.wav "
    "and Session<1-5>/dialog/transcriptions/<dialog>.txt"
)

# [6.2901 - 8.2357]<TAB>Ses01F_impro01_F000<TAB>neu<TAB>[2.5000, 2.5000, 2.5000]
_TURN = re.compile(
    r"\[\d+\.\d+ - \d+\.\d+\]\t"
    r"(?P<turn>(?P<dialog>Ses\d\d[FM]_\w+)_(?P<speaker>[FM])\w+)\t(?P<code>[a-z]{3})(\t.*)?"
)
# Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
_TRANSCRIPT = re.compile(r"(?P<turn>Ses\w+) \[[\d. -]+\]: ?(?P<text>.*)")


def load(root: str | Path, links: str = "inside") -> Corpus:
    """List the turns of an IEMOCAP folder.

    Parameters
    ----------
    root
        A folder with `LAYOUT`; transcriptions may be missing.
    links
        "follow" where recordings may be links that lead out of their folders.

    Returns
    -------
    Corpus
        Items with audio, label, text where there is a transcription, and ``truth`` with ``session``
        (1 to 5) and ``speaker`` ("F" or "M"), by which speaker-independent folds are made. Their id
        is the turn's name. Lines that do not parse, turns listed twice and turns without recording
        are quarantined. Notes count the turns of other emotions.

    Raises
    ------
    FileNotFoundError
        When a session lacks its folder of evaluations, or there is no session.
    """
    root = Path(root)
    evaluations = _find_evaluations(root)
    corpus = Corpus(f"iemocap:{root}", [])
    left_out: Counter[str] = Counter()
    places: dict[str, str] = {}  # where each turn was first listed
    files: list[Path] = []
    for session, path in evaluations:
        base = root / f"Session{session}"
        transcript = base / "dialog/transcriptions" / path.name
        texts = _read_transcript(transcript)
        # An edited label or transcript makes another corpus, so both count for its fingerprint.
        files += [path, transcript] if texts else [path]
        lines = Lines(path)
        for line in lines:
            if not line.text.startswith("["):  # the header, blank lines, the single raters' lines
                continue
            place = f"{path.name}:{line.number}"
            match = None if line.fault else _TURN.fullmatch(line.text)
            if match is None:
                reason = f"line is not '[start - end]<TAB>turn<TAB>code': {place}"
                corpus.quarantined.append((place, str(path), reason))
                continue
            # Other emotions are no faults: they are counted and left out. What is left has to be
            # listed once and to have its recording.
            turn, label = match["turn"], settings.relabel(match["code"])
            relative = f"{match['dialog']}/{turn}.wav"
            if label is None:
                left_out[match["code"]] += 1
            elif turn in places:
                reason = f"duplicate row: {place} repeats {places[turn]}"
                corpus.quarantined.append((turn, str(path), reason))
            else:
                try:
                    audio = find_file(base / "sentences/wav", relative, "recording", links)
                except Unusable as problem:
                    reason = say_where(str(problem), place)
                    corpus.quarantined.append((turn, relative, reason))
                else:
                    truth = {"session": session, "speaker": match["speaker"]}
                    item = Item(turn, texts.get(turn), audio, label=label, truth=truth)
                    corpus.items.append(item)
                    files.append(audio)
            places.setdefault(turn, place)
        corpus.notes += lines.notes
    corpus.fingerprint = fingerprint(files)
    if left_out:
        counts = ", ".join(f"{code} {n}" for code, n in sorted(left_out.items()))
        corpus.notes.append(f"{left_out.total()} turns of other emotions left out: {counts}")
    if missing := corpus.missing_classes():
        corpus.notes.append(f"no turns of {', '.join(missing)}")
    return corpus


def _find_evaluations(root: Path) -> list[tuple[int, Path]]:
    """Return the sessions' files of evaluations, each with its session's number."""
    evaluations = [
        (session, path)
        for session in range(1, 6)
        for path in sorted((root / f"Session{session}/dialog/EmoEvaluation").glob("*.txt"))
        # Archives made on a Mac carry a hidden "._<dialog>.txt" beside every file.
        if not path.name.startswith(".")
    ]
    if not evaluations:
        raise FileNotFoundError(
            f"{root} holds no Session<1-5>/dialog/EmoEvaluation/*.txt: IEMOCAP's layout is {LAYOUT}"
        )
    without = [
        str(folder)
        for folder in sorted(root.glob("Session[1-5]"))
        if not (folder / "dialog/EmoEvaluation").is_dir()
    ]
    if without:
        raise FileNotFoundError(
            f"no dialog/EmoEvaluation in {', '.join(without)}: IEMOCAP's layout is {LAYOUT}"
        )
    return evaluations


def _read_transcript(path: Path) -> dict[str, str]:
    """Return the words of every turn of a dialogue, by turn; none where it was not transcribed."""
    texts: dict[str, str] = {}
    for line in Lines(path) if path.is_file() else ():
        match = _TRANSCRIPT.fullmatch(line.text.strip())
        if match and match["text"].strip() and not line.fault:
            texts[match["turn"]] = match["text"].strip()
    return texts
