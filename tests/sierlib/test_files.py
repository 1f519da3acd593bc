"""Files are never half there, and a folder is one process's at a time."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sierlib.files import NotWritten, hold, read_json, replacing, write_json, write_text


def test_json_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"n": 1})
    assert [entry.name for entry in path.parent.iterdir()] == ["a.json"]

    class Unwritable:
        def __str__(self) -> str:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_json(path, {"n": 2, "bad": Unwritable()})
    assert read_json(path) == {"n": 1}

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_json(path, {"n": 3})
    assert read_json(path) == {"n": 1}


def test_a_full_disk_is_one_clear_line_and_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(NotWritten) as error:
            write_text(path, "x" * 5_000)
        with pytest.raises(NotWritten), replacing(tmp_path / "a.npy") as partial:
            np.save(partial, np.zeros(5_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = str(error.value)
    assert said.startswith(f"{path} could not be written (File too large): make room there")
    assert said.endswith("the same command goes on where this one stopped") and "\n" not in said
    assert [entry.name for entry in tmp_path.iterdir()] == [
        "a.txt"
    ] and path.read_text() == "before"


#: Holds a folder until it is killed.
HOLDER = """
import sys, time
from pathlib import Path
from sierlib.files import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_folder_is_of_one_process_until_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        (tmp_path / "keys" / ".part-1-a.json").write_text("{")
        with pytest.raises(RuntimeError) as error, hold(tmp_path):
            pytest.fail("held twice")
        said = str(error.value)
        assert said.startswith(f"{tmp_path} is being written by another process") and "wait" in said
    finally:
        holder.kill()
        holder.communicate()
    with hold(tmp_path):
        assert not list((tmp_path / "keys").iterdir())  # what it had begun
        # Its own processes, such as kernels of notebooks, write as well.
        script = HOLDER.replace("time.sleep(600)", "")
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert "SIER_HOLDS" not in os.environ or str(tmp_path) not in os.environ["SIER_HOLDS"]


def test_numbers_of_numpy_and_paths_are_written_as_json(tmp_path: Path) -> None:
    value = {
        "i": np.int64(3),
        "f": np.float32(0.5),
        "a": np.arange(3),
        "b": np.bool_(True),
        "p": Path("x"),
        "e": "é",
    }
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == {
        "i": 3,
        "f": 0.5,
        "a": [0, 1, 2],
        "b": True,
        "p": "x",
        "e": "é",
    }
    assert read_json(tmp_path / "none.json") is None
