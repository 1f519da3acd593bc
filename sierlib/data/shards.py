"""Encode a corpus into shards of arrays, in parallel and resumably.

A shard holds up to 64 items: a list of rows, and a file for each modality with the items' arrays,
each compressed, one after the other. It is complete when its list of rows is there, with the
checksums of these files, so an interrupted build goes on with the next one. Rows refer to arrays as
``<shard file>#<first byte>-<last>``.
"""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.data import images, speech
from sierlib.data.cluster import on_cluster
from sierlib.data.corpora import open_corpus
from sierlib.data.corpora.embedded import scenes
from sierlib.data.corpora.items import Corpus, Item, Unusable
from sierlib.files import checksum, read_record, replacing, write_json
from sierlib.keys import digest, source_key
from sierlib.machine import end_with_parent
from sierlib.run import Run

SHARD = 64  # items

COLUMNS = (
    "id",
    "text",
    "label",
    "speech",
    "image",
    "image_hash",
    "sound_hash",
    "seconds",
    "note",
    "reason",
    "path",
)


def item_text(item: Item) -> str:
    """Return an item's words: what is read aloud, or those of a recording's transcript.

    Raises `Unusable` where there are none.
    """
    if item.audio is not None:
        return speech.clean_transcript(item.text or "")
    return speech.clean_text(item.text or "")


def item_sound(item: Item) -> np.ndarray:
    """Return an item's sound, float32 (samples,) at 16 kHz: its recording, or its text spoken."""
    if item.audio is not None:
        return speech.read_audio(item.audio)
    return speech.speak(item_text(item), seed=item.seed)


def align_item(item: Item) -> list[speech.Word]:
    """Return when each word of an item's text is spoken in its sound."""
    return speech.align(item_sound(item), item_text(item))


def item_picture(item: Item, size: int = settings.SIZE) -> np.ndarray:
    """Return an item's picture, uint8 (size, size, 3): its photograph, or its scene drawn."""
    if item.image is not None:
        return images.read_image(item.image, size)
    return scenes.draw(item.scene or {}, size)


def _source_of(item: Item) -> str:
    return str(item.image or item.audio or "")


def _short_hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _encode_item(item: Item) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Encode one item: its row, and its arrays by modality, uint8.

    Raises `Unusable` where that cannot be done.
    """
    row: dict[str, Any] = {"id": item.id, "path": _source_of(item), "text": "", "label": item.label}
    arrays: dict[str, np.ndarray] = {}
    if item.image is not None or item.scene is not None:
        arrays["image"] = picture = item_picture(item)
        row["image_hash"] = _short_hash(_picture_bytes(item, picture))
    if item.text is not None or item.audio is not None:
        arrays["speech"] = _encode_speech(item, row)
    return row, arrays


def _picture_bytes(item: Item, picture: np.ndarray) -> bytes:
    """Return what tells two pictures apart: the file's bytes, or the drawn scene's pixels."""
    try:
        return item.image.read_bytes() if item.image else picture.tobytes()
    except OSError as error:
        raise Unusable("image file that may not be read") from error


def _encode_speech(item: Item, row: dict[str, Any]) -> np.ndarray:
    """Return an item's log-mel, and put into its row the text, its length and what to know of it.

    A note reads "<kind>: <which>", as a reason does.
    """
    if item.audio is None:
        row["text"], unspoken = speech.read_aloud(item.text or "")
        sound = speech.speak(row["text"], seed=item.seed)
        notes = [f"not spoken: {' '.join(unspoken[:10])}"] if unspoken else []
    else:
        with suppress(Unusable):  # a recording may do without words: it need not be spoken
            row["text"] = item_text(item)
        sound, notes = speech.read_recording(item.audio)
    if notes:
        row["note"] = "; ".join(notes)
    row["seconds"] = round(len(sound) / settings.SAMPLE_RATE, 3)
    mel = np.round(speech.log_mel(sound) * 255).astype(np.uint8)
    if not mel.any():
        raise Unusable("silent recording")
    if item.audio is not None:
        # Many recordings may say the same words: they are told apart by their sound.
        row["sound_hash"] = _short_hash(sound.tobytes())
        row["text"] = row["text"] or f"[recording {row['sound_hash']}]"
    return mel


def _rows_file(folder: Path, index: int) -> Path:
    """Return where a shard's list of rows lies."""
    return folder / f"rows-{index:05d}.json"


def _read_rows(folder: Path, index: int) -> list[dict[str, Any]] | None:
    """Return a shard's rows; None where they, or its arrays, are not as they were written."""
    record = read_record(_rows_file(folder, index))
    rows, files = record.get("rows"), record.get("files")
    if record.get("sum") != digest(rows, files):
        return None
    whole = all(checksum(folder / name) == told for name, told in (files or {}).items())
    return rows if whole else None


def _encode_shard(
    index: int, items: Sequence[Item], folder: Path
) -> tuple[int, list[dict[str, Any]]]:
    """Encode the items of one shard, write its arrays, then its list of rows; return the latter."""
    if multiprocessing.parent_process():
        end_with_parent()
    rows: list[dict[str, Any]] = []
    encoded: dict[str, list[tuple[dict[str, Any], np.ndarray]]] = {"speech": [], "image": []}
    for item in items:
        try:
            row, arrays = _encode_item(item)
        except Unusable as problem:
            rows.append({"id": item.id, "reason": str(problem), "path": _source_of(item)})
            continue
        for name, array in arrays.items():
            encoded[name].append((row, array))
        rows.append(row)
    files = {}
    for name, pairs in encoded.items():
        if pairs:
            path = folder / f"{name}-{index:05d}.bin"
            references = save_arrays([array for _, array in pairs], path)
            for (row, _), reference in zip(pairs, references, strict=True):
                row[name] = reference
            files[path.name] = checksum(path)
    sealed = {"rows": rows, "files": files, "sum": digest(rows, files)}
    write_json(_rows_file(folder, index), sealed)
    return index, rows


def encode_corpus(corpus: Corpus, folder: Path, *, workers: int | None = None) -> pd.DataFrame:
    """Encode every item of a corpus into shards below a folder.

    Parameters
    ----------
    corpus
        What to encode.
    folder
        Holds what an interrupted call has already done; that is kept.
    workers
        Processes; by default one for each core, or all of a Dask cluster (`on_cluster`).

    Returns
    -------
    pandas.DataFrame
        A row for each item, in order; unusable ones have a `reason`, and those of which something
        is to be known a `note`.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    shards = [corpus.items[start : start + SHARD] for start in range(0, len(corpus.items), SHARD)]
    kept = [_read_rows(folder, index) for index in range(len(shards))]
    missing = [index for index, rows in enumerate(kept) if rows is None]
    if missing:
        jobs = (delayed(_encode_shard)(index, shards[index], folder) for index in missing)
        title = f"encode {corpus.spec.partition(':')[0]}"
        with nullcontext() if workers else on_cluster():
            pool = Parallel(n_jobs=workers or os.cpu_count() or 1, return_as="generator_unordered")
            for index, rows in tqdm(pool(jobs), total=len(missing), desc=title, unit="shard"):
                if not (here := _rows_file(folder, index)).is_file():
                    raise ValueError(
                        f"{here} was written by a worker and is not here: a run's folder has to be "
                        "on a disk that all machines of the cluster share"
                    )
                kept[index] = rows
    # A column that no row has, such as the reason where all can be used, is there and empty.
    frame = pd.DataFrame([row for rows in kept for row in rows or ()])
    for column in COLUMNS:
        if column not in frame:
            frame[column] = None
    return frame


def count_notes(notes: Iterable[str]) -> list[str]:
    """Count the notes on rows by their kind.

    Examples
    --------
    >>> count_notes(["not spoken: ♪", "silent channel: 1 of 2 left out; not spoken: 你好"])
    ['2 rows: not spoken', '1 row: silent channel']
    """
    kinds = Counter(each.partition(":")[0] for note in notes for each in note.split("; "))
    lines = []
    for kind, count in kinds.most_common():
        rows = "row" if count == 1 else "rows"
        lines.append(f"{count:,} {rows}: {kind}")
    return lines


def save_arrays(arrays: Sequence[np.ndarray], path: Path) -> list[str]:
    """Write arrays of bytes, (128, 128, channels) each, to a file; return references to them."""
    packed = [zlib.compress(array.tobytes(), 1) for array in arrays]
    ends = itertools.accumulate(map(len, packed), initial=0)
    with replacing(path) as partial:
        partial.write_bytes(b"".join(packed))
    return [f"{path.name}#{start}-{stop}" for start, stop in itertools.pairwise(ends)]


@lru_cache(maxsize=256)
def _open_shard(path: str, changed: int) -> np.ndarray:
    # The time of change is part of the key: a folder may be written again in the same process.
    return np.memmap(path, np.uint8, "r")


def load_arrays(references: Sequence[str], folder: Path) -> np.ndarray:
    """Read arrays by reference.

    Parameters
    ----------
    references
        As `save_arrays` gives them.
    folder
        Where the shards are.

    Returns
    -------
    numpy.ndarray
        uint8, (n, 128, 128, 1) for speech or (n, 128, 128, 3) for images; divide by 255 for the
        network.

    Raises
    ------
    ValueError
        Where a shard has been damaged since it was written.
    """
    if not references:
        return np.empty((0, settings.SIZE, settings.SIZE, 1), np.uint8)
    arrays = []
    shards: dict[str, np.ndarray] = {}
    for reference in references:
        name, _, place = reference.partition("#")
        path, (start, stop) = folder / name, map(int, place.split("-"))
        try:
            if name not in shards:
                shards[name] = _open_shard(str(path), path.stat().st_mtime_ns)
            array = np.frombuffer(zlib.decompress(shards[name][start:stop].tobytes()), np.uint8)
            arrays.append(array.reshape(settings.SIZE, settings.SIZE, -1))
        except (ValueError, zlib.error) as error:
            raise ValueError(
                f"{path} is damaged: remove it, and the same command writes it anew"
            ) from error
    return np.stack(arrays)


def encode_role(
    run: Run, role: str, *, workers: int | None = None
) -> tuple[Corpus, pd.DataFrame, Path]:
    """Return a corpus of the run and its encoded rows, encoding it unless that is up to date.

    Parameters
    ----------
    run
        The run.
    role
        "data" (into ``dataset/``), "ser" or "ier" (into ``teachers/<role>/``).

    Returns
    -------
    corpus, rows, folder
        `rows` as `encode_corpus` gives them; their notes, counted, are among the corpus's.
    """
    corpus = open_corpus(getattr(run, role), role, run.profile, run.seed)
    name = place = f"teachers/{role}"
    if role == "data":
        name, place = "arrays", "dataset"
    key = digest(corpus.spec, corpus.fingerprint, len(corpus.items), source_key(__name__))
    folder, current = run.folder / place, run.current(name, key)
    if not current:
        folder = run.fresh_folder(place, key)
    # Shards that are there are read, so this costs little where the artefact is up to date.
    rows = encode_corpus(corpus, folder, workers=workers)
    corpus.notes += count_notes(rows["note"].dropna())
    if not current:
        run.done(name, key, *sorted(folder.glob("*-?????.*")))
    return corpus, rows, folder
