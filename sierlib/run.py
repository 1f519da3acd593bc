"""A run: its folder, and which of what is in it is still good.

An artefact is a folder or file that records, beside itself, the hash of everything it depends on:
its settings, its inputs' keys and the code of its stage, found from that stage's imports. It is
computed when that hash is new, and read otherwise; so editing a figure trains nothing again. The
checksums of its files stand with the hash: what was damaged since is computed again as well.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sierlib import settings
from sierlib.files import (
    checksum,
    ensure_folder,
    explain_failure,
    read_json,
    read_record,
    write_json,
)
from sierlib.keys import PACKAGE, digest, list_modules, source_key
from sierlib.machine import choose_precision, count_workers, describe_processor

#: Data specs by what they can be used for: pairs (`data`), the speech teacher, the image teacher.
DATA_SPECS: dict[str, dict[str, str]] = {
    "data": {
        "synthetic": "synthetic",
        "together": "together",
        "bt4sa": "bt4sa:PATH",
        "pairs": "pairs:FILE.csv",
    },
    "ser": {
        "synthetic": "synthetic",
        "iemocap": "iemocap:PATH",
        "tweets": "tweets:FILE.tsv",
        "recordings": "recordings:FILE.csv",
    },
    "ier": {"synthetic": "synthetic", "fi": "fi:PATH", "pictures": "pictures:FILE.csv"},
}


def resolve_spec(spec: str, role: str) -> str:
    """Check a data spec and make its path absolute, before any work is done.

    Parameters
    ----------
    spec
        Such as ``synthetic`` or ``fi:../fi?positive=all``.
    role
        "data", "ser" or "ier".

    Raises
    ------
    ValueError
        For a spec that does not exist or does not fit the role; the message lists those that do.
    FileNotFoundError
        When nothing is at its path.

    Examples
    --------
    >>> resolve_spec("synthetic", "data")
    'synthetic'
    """
    kind, colon, rest = spec.partition(":")
    known = DATA_SPECS[role]
    wants_path = ":" in known.get(kind, "")
    if kind not in known or bool(colon) != wants_path or bool(rest) != wants_path:
        raise ValueError(f"unknown {role} spec {spec!r}: choose one of {', '.join(known.values())}")
    if not rest:
        return spec
    place, question, options = rest.partition("?")
    path = Path(os.path.realpath(os.path.expanduser(place)))  # unlike Path's, they raise nothing
    if not os.path.exists(path):
        raise FileNotFoundError(
            f"{role}={spec}: there is nothing at {path}; {known[kind]} was expected"
        )
    return f"{kind}:{path}{question}{options}"


def name_corpus(data: Any) -> str:
    """Name a data spec, without the path in it.

    Examples
    --------
    >>> name_corpus("synthetic"), name_corpus("bt4sa:some/folder")
    ('embedded corpus', 'B-T4SA')
    """
    names = {
        "synthetic": "embedded corpus",
        "together": "pairs that speak together",
        "bt4sa": "B-T4SA",
        "pairs": "pairs from a file",
    }
    kind = str(data or "–").partition(":")[0]
    return names.get(kind, kind)


@dataclass
class Run:
    """One run of the book: a profile, three data specs, a seed, and a folder.

    Parameters
    ----------
    profile, data, ser, ier, seed
        What is run.
    folder
        Where; made when missing.
    """

    profile: settings.Profile
    data: str
    ser: str
    ier: str
    seed: int
    folder: Path
    started: float = field(default_factory=time.time)

    @classmethod
    def open(
        cls,
        profile: str = "quick",
        data: str = "synthetic",
        ser: str = "synthetic",
        ier: str = "synthetic",
        seed: int = 0,
        run_dir: str | Path | None = None,
    ) -> Run:
        """Check the settings and open the run's folder.

        `run_dir` is the folder itself; by default it is ``runs/<profile>-<slug of data>-<key>``
        below the project (or below ``$SIER_RUNS``).

        Raises
        ------
        ValueError
            For a setting of another type, or an unknown profile or data spec, in one line that says
            which exist.
        FileNotFoundError
            When a corpus is not where its spec says.
        """
        for value in (profile, data, ser, ier, run_dir or ""):
            if not isinstance(value, str | Path):
                raise ValueError(f"{value!r}: profile, data, ser, ier and run_dir are texts")
        if type(seed) is not int or not 0 <= seed < 2**32:
            raise ValueError(f"seed={seed!r}: a whole number from 0 to 4294967295 was expected")
        chosen = settings.profile(profile)
        data = resolve_spec(data, "data")
        ser = resolve_spec(ser, "ser")
        ier = resolve_spec(ier, "ier")
        if not run_dir:
            root = Path(os.environ.get("SIER_RUNS", PACKAGE.parent / "runs"))
            key = digest(chosen.as_dict(), data, ser, ier, seed)[:8]
            run_dir = root / f"{chosen.name}-{_slug_of(data)}-{key}"
        return cls(chosen, data, ser, ier, seed, ensure_folder(Path(run_dir).resolve()))

    def current(self, name: str, key: str) -> bool:
        """Tell whether the artefact `name` was made with this key, and its files are as they were
        then."""
        return self.key_of(name) == key and self.is_intact(name)

    def is_intact(self, name: str) -> bool:
        """Tell whether the files of the artefact `name` are as they were when it was completed."""
        files = self._record(name)["files"]
        return all(checksum(self.folder / file) == told != "" for file, told in files.items())

    def forget(self, name: str) -> None:
        """Let the artefact `name` no longer pass for complete."""
        with explain_failure(self._key_file(name)):
            self._key_file(name).unlink(missing_ok=True)

    def done(self, name: str, key: str, *files: Path) -> None:
        """Record that the artefact `name` is complete, and the checksums of its files."""
        sums = {str(file.relative_to(self.folder)): checksum(file) for file in files}
        write_json(self._key_file(name), {"key": key, "files": sums})
        for path in self.folder.glob(f"{name}.*.npz"):  # `unfinished`, of this key and of others
            path.unlink()

    def unfinished(self, name: str, key: str) -> Path:
        """Return where whoever makes the artefact `name` may keep what it would go on from, a
        ``.npz``; `done` removes it."""
        return self.folder / f"{name}.{key[:16]}.npz"

    def artefacts(self) -> list[str]:
        """Return the names of all artefacts that were completed."""
        keys = self.folder / "keys"
        return sorted(str(path.relative_to(keys).with_suffix("")) for path in keys.rglob("*.json"))

    def key_of(self, name: str) -> str:
        """Return the key an artefact was made with, "" where it is not there."""
        return self._record(name)["key"]

    def _record(self, name: str) -> dict[str, Any]:
        record = read_record(self._key_file(name))
        if isinstance(record.get("key"), str) and isinstance(record.get("files"), dict):
            return record
        return {"key": "", "files": {}}

    def _key_file(self, name: str) -> Path:
        return self.folder / "keys" / f"{name}.json"

    def fresh_folder(self, name: str, key: str) -> Path:
        """Return the artefact's folder to work in.

        It is emptied, unless it holds half-done work for this key.
        """
        place = self.folder / name
        mark = place / ".key"
        if read_record(mark).get("key") != key:
            with explain_failure(place):
                shutil.rmtree(ensure_folder(place))
            write_json(mark, {"key": key})
        return place

    @property
    def recipe(self) -> str:
        """12 hex digits that tell whether two runs may be compared: sizes of the embedded corpus
        and its vocabulary, and what the profile makes of teachers and networks."""
        profile = self.profile
        sizes = profile.pairs, profile.speech_items, profile.image_items
        vocabulary = profile.emotion_words, profile.emotion_shapes
        return digest(profile.recipe(), profile.for_teachers().recipe(), sizes, vocabulary)

    def provenance(self) -> dict[str, Any]:
        """Say what made a result: settings, versions, machine, date and the time taken so far."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        per_megabyte = 1024**2 if sys.platform == "darwin" else 1024  # bytes there, kilobytes here
        return {
            "profile": self.profile.name,
            "data": self.data,
            "ser": self.ser,
            "ier": self.ier,
            "seed": self.seed,
            "recipe": self.recipe,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "seconds": round(time.time() - self.started, 1),
            "peak_memory_mb": round(peak / per_megabyte),
            "source": source_key(*list_modules()),
            "python": platform.python_version(),
            "commit": _read_commit(),
            "lock": _hash_lock(),
            "versions": _read_versions(),
            "machine": describe_processor(),
            **self._computing(),
            "recorded": False,
        }

    def _computing(self) -> dict[str, Any]:
        """Say what decides how networks' sums are rounded, besides the machine.

        All of it is None where no network is in use.
        """
        if "keras" not in sys.modules:
            return dict.fromkeys(("backend", "precision", "gpu", "workers", "onednn"))
        import keras

        from sierlib.backend import find_gpus

        return {
            "backend": keras.backend.backend(),
            "precision": choose_precision(self.profile),
            "gpu": bool(find_gpus()),
            "workers": count_workers(),  # they share the processor's threads
            "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "1",
        }

    def record(self, notebook: str, **results: Any) -> dict[str, Any]:
        """Write ``results/<notebook>.json``: what the pages show of this notebook's numbers."""
        value = {"notebook": notebook, "provenance": self.provenance(), **results}
        write_json(self.folder / "results" / f"{notebook}.json", value)
        return value

    def results(self, notebook: str) -> dict[str, Any]:
        """Read the results another notebook of this run has recorded.

        Raises
        ------
        FileNotFoundError
            Naming the notebook to run first.
        """
        results = read_json(self.folder / "results" / f"{notebook}.json")
        if results is None:
            raise FileNotFoundError(
                f"{self.folder} has no results of {notebook}: run notebooks/{notebook}.ipynb first"
            )
        return results


def _slug_of(spec: str) -> str:
    """Turn a data spec into a part of a folder's name: its kind and the last part of its path."""
    short = re.sub(r"^(\w+:)?.*/(?=[^/])", r"\1", spec)
    return re.sub(r"[^A-Za-z0-9]+", "-", short).strip("-").lower()


def _read_versions() -> dict[str, str]:
    """Return the versions of what results depend on, as far as it is installed."""
    versions = {}
    for name in ("tensorflow", "jax", "keras", "librosa", "hibari-tts", "shap"):
        with suppress(PackageNotFoundError):  # of Keras' backends, one is enough
            versions[name] = version(name)
    return versions


def _read_commit() -> str | None:
    """Name the commit the code is at, with a plus sign where files have changed since.

    None outside a checkout.
    """
    try:
        commit = _ask_git("rev-parse", "--short=12", "HEAD")
        changes = _ask_git("status", "--porcelain", "sierlib", "notebooks")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+" if changes else commit


def _ask_git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _hash_lock() -> str | None:
    """Return 12 hex digits of the environment's lock file; None where it is not there."""
    path = PACKAGE.parent / "requirements.lock"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else None
