"""The network in the reader's page, in JavaScript: what a worker runs, and what the page shows.

`sierbook.export` says what a network is written as, `worker.js` what it can be asked for,
`tryout.js` what a reader sees. `kernel.wat` is the source of what `kernel.js` holds compiled.
"""

from pathlib import Path


def find_scripts(folder: Path) -> list[Path]:
    """Return the scripts that hold a run's network (`sierbook.export`), in their order."""
    return sorted(folder.glob("explorer-model-*.js"))


def read(name: str) -> str:
    """Return one of the files here, such as "worker.js"."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
