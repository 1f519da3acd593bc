"""Files that are whole or not there, their checksums, and folders that one process writes in."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

#: What a file's temporary name begins with, and what is in the environment of whoever may write.
_PART, _HOLDS = ".part-", "SIER_HOLDS"


class NotWritten(OSError):
    """A file could not be written; the message says which, why, and what to do."""


@contextmanager
def explain_failure(path: Path) -> Iterator[None]:
    """Say of an `OSError` raised inside which file it kept from being written, and what to do."""
    try:
        yield
    except NotWritten:
        raise
    except OSError as error:
        named = error.filename or path
        place = path if _PART in str(named) else named
        raise NotWritten(
            f"{place} could not be written ({error.strerror or error}): make room there or make it "
            "writable, then the same command goes on where this one stopped"
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside a path, and rename what was written there when all is on disk.

    So a reader, or who goes on after a crash, never sees half a file. The suffix stays: writers
    choose their format by it.

    Raises
    ------
    NotWritten
        Such as where the disk is full.
    """
    partial = ensure_folder(path.parent) / f"{_PART}{os.getpid()}-{path.name}"
    with explain_failure(path):
        try:
            yield partial
            with open(partial, "rb") as written:
                os.fsync(written.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, default=_as_plain) + "\n")


def checksum(path: Path) -> str:
    """Return 32 hex digits of a file's content, "" where it is not there.

    A file whose time of change is as before is not read again in the same process.
    """
    return _hash_content(path, path.stat().st_mtime_ns) if path.is_file() else ""


@cache
def _hash_content(path: Path, _changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep a folder to this process and those that it starts, for as long as they write in it.

    The system lets go of it when the process ends, however that is. Where nothing may be written
    there is nothing to keep.

    Raises
    ------
    RuntimeError
        Where another process has it.
    """
    before, place = os.environ.get(_HOLDS, ""), str(ensure_folder(folder).resolve())
    if place in before.split("\n") or not os.access(folder, os.W_OK):
        yield
        return
    with open(folder / ".lock", "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(
                f"{folder} is being written by another process: wait until that has ended, or work "
                "in another folder"
            ) from error
        # What a process that was killed has begun is of no use to anybody.
        for partial in folder.rglob(f"{_PART}*"):
            partial.unlink(missing_ok=True)
        os.environ[_HOLDS] = f"{before}\n{place}"
        try:
            yield
        finally:
            os.environ[_HOLDS] = before


def ensure_folder(folder: Path) -> Path:
    """Make a folder where there is none, and return it."""
    with explain_failure(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _as_plain(value: Any) -> Any:
    """Turn what JSON does not know into what it does."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)


def read_json(path: Path) -> Any:
    """Read JSON, or None where there is no such file.

    Raises
    ------
    ValueError
        When it is damaged.
    """
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): remove it") from error


def read_record(path: Path) -> dict[str, Any]:
    """Read what was noted of an artefact; empty where that is missing or damaged."""
    with suppress(ValueError):
        if isinstance(record := read_json(path), dict):
            return record
    return {}
