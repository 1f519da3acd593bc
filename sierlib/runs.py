"""A run: its folder, the keys of what is in it, and writing without halves.

An artefact is a folder or file that records, beside itself, the hash of everything it depends on: its
settings, its inputs' keys and the source of its stage's modules. It is computed when that hash is new, and
read otherwise; so editing `plots` trains nothing again.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sierlib import settings

PACKAGE = Path(__file__).parent


def digest(*parts: Any) -> str:
    """Return 12 hex digits that change when any part does; parts are anything JSON can say."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]


def source_key(modules: Iterable[str]) -> str:
    """Return a hash of the named modules' source, e.g. ``["speech", "corpora"]``; "" is the whole package."""
    files: list[Path] = []
    # Constants are part of every stage's code.
    constants = {name: value for name, value in vars(settings).items() if name.isupper() and name != "PROFILES"}
    for name in modules:
        place = PACKAGE / name
        files += (
            [path for path in place.rglob("*") if path.suffix in (".py", ".js", ".css", ".html")]
            if place.is_dir()
            else [place.with_suffix(".py")]
        )
    return digest(constants, [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(set(files))])


def write_json(path: Path, value: Any) -> None:
    """Write JSON through a temporary name, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(value, indent=1, default=_plain) + "\n", encoding="utf-8")
    os.replace(partial, path)


def ensure(folder: Path) -> Path:
    """Make a folder where there is none, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)


def read_json(path: Path) -> Any:
    """Read JSON, or None where there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


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

        `run_dir` is the folder itself; by default it is ``runs/<profile>-<slug of data>-<key>`` below the
        project (or below ``$SIER_RUNS``).

        Raises
        ------
        ValueError
            For an unknown profile or data spec, in one line that says which exist.
        FileNotFoundError
            When a corpus is not where its spec says.
        """
        from sierlib.corpora import resolve_spec

        chosen = settings.profile(profile)
        data, ser, ier = (resolve_spec(spec, role) for spec, role in ((data, "data"), (ser, "ser"), (ier, "ier")))
        if not run_dir:
            root = Path(os.environ.get("SIER_RUNS", PACKAGE.parent / "runs"))
            slug = re.sub(r"[^A-Za-z0-9]+", "-", re.sub(r"^(\w+:)?.*/(?=[^/])", r"\1", data)).strip("-").lower()
            run_dir = root / f"{chosen.name}-{slug}-{digest(chosen.as_dict(), data, ser, ier, seed)[:8]}"
        folder = Path(run_dir).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return cls(chosen, data, ser, ier, seed, folder)

    def current(self, name: str, key: str, *files: Path) -> bool:
        """Tell whether the artefact `name` was made with this key, and all its files are there."""
        made = read_json(self.folder / "keys" / f"{name}.json") == {"key": key}
        return made and all(file.is_file() for file in files)

    def forget(self, name: str) -> None:
        """Let the artefact `name` no longer pass for complete."""
        (self.folder / "keys" / f"{name}.json").unlink(missing_ok=True)

    def done(self, name: str, key: str) -> None:
        """Record that the artefact `name` is complete."""
        write_json(self.folder / "keys" / f"{name}.json", {"key": key})

    def key_of(self, name: str) -> str:
        """Return the key an artefact was made with, "" where it is not there."""
        return (read_json(self.folder / "keys" / f"{name}.json") or {"key": ""})["key"]

    def fresh_folder(self, name: str, key: str) -> Path:
        """Return the artefact's folder to work in, emptied unless it holds half-done work for this key."""
        place = self.folder / name
        mark = place / ".key"
        if not (mark.is_file() and mark.read_text() == key):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            mark.write_text(key)
        return place

    def provenance(self) -> dict[str, Any]:
        """Say what made a result: settings, versions, machine, date and the time taken so far."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
        return {
            "profile": self.profile.name,
            "data": self.data,
            "ser": self.ser,
            "ier": self.ier,
            "seed": self.seed,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "seconds": round(time.time() - self.started, 1),
            "peak_memory_mb": round(peak),
            "source": source_key([""]),
            "python": platform.python_version(),
            "commit": _commit(),
            "lock": _lock(),
            "versions": {name: version(name) for name in ("tensorflow", "keras", "librosa", "hibari-tts", "shap")},
            "machine": machine(),
            **self._computing(),
            "recorded": False,
        }

    def _computing(self) -> dict[str, Any]:
        """Say what decides how networks' sums are rounded, besides the machine; None where TensorFlow is not in use."""
        if "tensorflow" not in sys.modules:
            return dict.fromkeys(("precision", "gpu", "workers", "onednn"))
        import tensorflow as tf

        from sierlib import training, workers  # which import this module, and TensorFlow

        return {
            "precision": training.precision(self.profile),
            "gpu": bool(tf.config.list_physical_devices("GPU")),
            "workers": workers.count(),  # they share the processor's threads
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
        found = read_json(self.folder / "results" / f"{notebook}.json")
        if found is None:
            raise FileNotFoundError(f"{self.folder} has no results of {notebook}: run notebooks/{notebook}.ipynb first")
        return found


def _commit() -> str | None:
    """Name the commit the code is at, with a plus sign where files have changed since; None outside a checkout."""
    root = PACKAGE.parent
    try:
        told = [
            subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
            for words in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "sierlib", "notebooks"))
        ]
    except (OSError, subprocess.CalledProcessError):
        return None
    return told[0] + ("+" if told[1] else "")


def _lock() -> str | None:
    """Return 12 hex digits of the lock file that the environment was made from; None where it is not there."""
    path = PACKAGE.parent / "requirements.lock"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else None


def machine() -> dict[str, Any]:
    """Describe the processor: name, cores and the features that decide how numbers are rounded."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    name = re.search(r"model name\s*: (.*)", text)
    flags = sorted(set(re.findall(r"\b(?:avx2|avx512f|avx512_bf16|amx_bf16)\b", text)))
    return {
        "processor": name.group(1) if name else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "features": flags,
        "system": f"{platform.system()} {platform.machine()}",
    }
