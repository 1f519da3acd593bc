"""Coverage-guided fuzzing of the five parsers that read strangers' files, with atheris.

The parsers are those of tables, texts, recordings, pictures and IEMOCAP's folders. Each is fuzzed
in a process of its own (``python -m benchmarks.torture.fuzz PARSER SECONDS FOLDER``), beginning
with good inputs. What it must not do is `corruption`'s: raise anything but its refusal, take over 5
s or 1 GB. An input that makes it is kept in ``runs/torture/<parser>``, and becomes a test.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from sierlib.keys import PACKAGE

ROOT = PACKAGE.parent
FINDINGS = ROOT / "runs" / "torture"

#: What is looked into for new paths: the project, and what it reads files with in Python.
INSTRUMENTED = ["sierlib", "PIL", "soundfile", "ftfy", "emoji", "csv", "html"]
MAX_BYTES = 8192  # of an input
#: Kinds of findings by how libFuzzer, or `fuzz_parser`, names their files.
_FILES = {"finding": "crashed", "crash": "crashed", "timeout": "slow", "oom": "large"}
#: Of recordings: files are short where the sound is.
SMALL_FORMATS = (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"),
                 ("AIFF", "PCM_16"))  # fmt: skip
_RESTARTS = 20  # after findings that end the process


# ----------------------------------------------------------------------------- the five parsers
def parse_table(data: bytes, folder: Path) -> None:
    """List pairs; every line with something in it belongs to one record, and is accounted for."""
    from sierlib.data.corpora import pairs, rows
    from sierlib.data.tables import Table

    path = folder / "pairs.csv"
    path.write_bytes(data)
    corpus = pairs.load(path)
    records = list(Table(path, pairs.LAYOUT, ["image", "text or audio"], rows.SHAPES))
    assert len(records) == len(corpus.items) + len(corpus.quarantined), "rows lost"
    for record, following in zip(records, records[1:], strict=False):
        assert record.line <= record.last < following.line, "lines in two records"


def parse_text(data: bytes, folder: Path) -> None:
    """Clean a text for speaking, and as a transcript; what is clean stays as it is."""
    from sierlib.data import speech
    from sierlib.data.corpora import Unusable

    text = data.decode("utf-8", "surrogateescape")
    with suppress(Unusable):
        speech.clean_transcript(text)
    cleaned = speech.clean_text(text)
    assert speech.clean_text(cleaned) == cleaned, "cleaned again it is another"


def parse_recording(data: bytes, folder: Path) -> None:
    """Read a recording: finite, and within full scale."""
    from sierlib.data.speech import read_audio

    path = folder / "sound.wav"
    path.write_bytes(data)
    assert np.abs(read_audio(path)).max(initial=0) <= 1.001, "beyond full scale"


def parse_picture(data: bytes, folder: Path) -> None:
    """Read a picture."""
    from sierlib.data.images import read_image

    path = folder / "picture.jpg"
    path.write_bytes(data)
    assert read_image(path).shape == (128, 128, 3)


def parse_iemocap(data: bytes, folder: Path) -> None:
    """List a folder of IEMOCAP whose evaluations and transcript are the data."""
    from sierlib.data.corpora import iemocap

    for name in ("EmoEvaluation", "transcriptions"):
        place = folder / "Session1/dialog" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "Ses01F_impro01.txt").write_bytes(data)
    iemocap.load(folder)


def _write_seeds(parser: str, folder: Path) -> None:
    """Write the good inputs to begin with."""
    import soundfile
    from PIL import Image

    from benchmarks.torture import good, pictures, tables, texts

    rng = np.random.default_rng(0)
    seeds: list[bytes] = []
    if parser == "tables":
        for end in tables.LINE_ENDS:
            tables.make_spelling(folder.parent, rng, end)
            seeds.append((folder.parent / "pairs.csv").read_bytes()[:2000])
        seeds += [seeds[0].decode().encode(code, "replace") for code in ("cp1252", "utf-16")]
    elif parser == "texts":
        seeds += [good.draw_sentence(rng).encode() for _ in range(5)]
        seeds += [(each * 5).encode("utf-8", "surrogatepass") for each in texts.STUFF.values()]
    elif parser == "recordings":
        for form, kind in SMALL_FORMATS:
            out = io.BytesIO()
            soundfile.write(out, good.draw_sound(rng, 8000)[:1600], 8000, kind, format=form)
            seeds.append(out.getvalue())
    elif parser == "pictures":
        picture = Image.fromarray(good.draw_picture(rng, 16))
        for kind in pictures.COMMON:
            out = io.BytesIO()
            picture.save(out, kind)
            seeds.append(out.getvalue())
    else:
        seeds.append(
            b"[6.29 - 8.23]\tSes01F_impro01_F000\tang\t[2.5, 2.5, 2.5]\n"
            b"Ses01F_impro01_F000 [006.29-008.23]: Excuse me.\n"
        )
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number}").write_bytes(seed)


PARSERS: dict[str, Callable[[bytes, Path], None]] = {
    "tables": parse_table,
    "texts": parse_text,
    "recordings": parse_recording,
    "pictures": parse_picture,
    "IEMOCAP": parse_iemocap,
}


# ----------------------------------------------------------------------- in a process of its own
def fuzz_parser(parser: str, seconds: int, findings: Path, seed: int) -> None:
    """Fuzz a parser; libFuzzer ends the process."""
    import atheris

    from benchmarks.torture.corruption import MEGABYTES, SECONDS, measure, start_measuring

    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=INSTRUMENTED):
        import emoji  # noqa: F401
        import ftfy  # noqa: F401
        import soundfile  # noqa: F401
        from PIL import Image

        from sierlib.data import images, speech  # noqa: F401
        from sierlib.data.corpora import iemocap, pairs  # noqa: F401

        Image.init()  # which loads its formats

    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    seeds, work = folder / "seeds", folder / "work"
    seeds.mkdir()
    work.mkdir()
    _write_seeds(parser, seeds)
    parse = PARSERS[parser]

    for path in sorted(seeds.iterdir())[:3]:
        parse(path.read_bytes(), work)  # loads what is loaded once, and is good

    def try_input(data: bytes) -> None:
        before = start_measuring()
        try:
            parse(data, work)
        except (ValueError, FileNotFoundError) as refusal:
            # `Unusable` and what adapters document; anything more special is a surprise.
            documented = type(refusal) in (ValueError, FileNotFoundError)
            if not documented and type(refusal).__name__ != "Unusable":
                _keep(findings, data, refusal)
        except Exception as error:
            _keep(findings, data, error)
        if measure(before)[0] > SECONDS:
            (findings / f"timeout-{len(data)}").write_bytes(data)

    options = {
        "max_total_time": seconds,
        "timeout": 12 * int(SECONDS),  # of the clock, which on a busy machine says little
        "rss_limit_mb": MEGABYTES,
        "max_len": MAX_BYTES,
        "artifact_prefix": f"{findings}/",
        "seed": seed + 1,  # 0 would mean any
    }
    arguments = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(seeds)], try_input)
    atheris.Fuzz()


def _keep(findings: Path, data: bytes, error: Exception) -> None:
    """Keep an input that led to an exception, one for each place that raises."""
    from benchmarks.torture.corruption import describe

    said = describe(error)
    place = hashlib.sha256(said.partition(": ")[0].encode()).hexdigest()[:12]
    path = findings / f"finding-{place}"
    if not path.exists():
        path.write_bytes(data)
        path.with_suffix(".txt").write_text(said, encoding="utf-8")


# ------------------------------------------------------------------------------ in the main process
def _fuzz(parser: str, seconds: float, seed: int) -> dict[str, Any]:
    """Fuzz a parser for so long, anew after what ends the process; return what was found."""
    findings = FINDINGS / parser
    findings.mkdir(parents=True, exist_ok=True)
    for old in findings.iterdir():
        old.unlink()
    runs, spent, ends = 0, 0.0, []
    for attempt in range(_RESTARTS):
        left = round(seconds - spent)
        if left < 1:
            break
        command = [sys.executable, "-m", "benchmarks.torture.fuzz", parser, str(left)]
        done = subprocess.run(
            [*command, str(findings), str(seed + attempt)],
            cwd=ROOT, capture_output=True, text=True, errors="replace", check=False,
            start_new_session=True,
        )  # fmt: skip
        counted = re.findall(r"^(?:Done |#)(\d+)", done.stderr, re.MULTILINE)
        lasted = re.findall(r"^Done \d+ runs in (\d+) second", done.stderr, re.MULTILINE)
        runs += int(counted[-1]) if counted else 0
        spent += float(lasted[-1]) if lasted else seconds / _RESTARTS
        if done.returncode:
            ends.append(done.stderr.strip().splitlines()[-1][:200])
            if not counted:  # it did not even begin
                raise RuntimeError(f"fuzzing {parser}: {done.stderr[-2000:]}")
    found = [path for path in sorted(findings.iterdir()) if path.suffix != ".txt"]
    kinds = [_FILES.get(path.name.partition("-")[0], "crashed") for path in found]
    return {
        "executions": runs,
        "seconds": spent,
        "findings": len(found),
        "kinds": kinds,
        "files": [str(path.relative_to(ROOT)) for path in found],
    }


def run(full: bool, seed: int) -> dict[str, Any]:
    """Fuzz each parser for one minute, or ten with `full`; return executions and findings.

    Raises
    ------
    ModuleNotFoundError
        Where atheris is missing; one line says how to install it.
    """
    if find_spec("atheris") is None:
        raise ModuleNotFoundError(
            "atheris is missing, which there is for Linux and Python 3.11 to 3.13: "
            "pip install 'atheris>=3,<4'"
        )
    start = time.perf_counter()
    seconds = 600 if full else 60
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        found = list(pool.map(lambda parser: _fuzz(parser, seconds, seed), PARSERS))
    parsers = dict(zip(PARSERS, found, strict=True))
    kinds = [kind for each in found for kind in each.pop("kinds")]
    return {
        "tried": sum(each["executions"] for each in found),
        "outcomes": {"findings": len(kinds)},
        "parsers": parsers,
        **{word: kinds.count(word) for word in ("crashed", "slow", "large")},
        "faults": [file for each in found for file in each.pop("files")],
        "seconds": round(time.perf_counter() - start, 1),
    }


if __name__ == "__main__":
    fuzz_parser(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
