"""Keys: hashes of settings, and of the code that a stage depends on, found from its imports.

Editing a figure computes nothing anew, editing a score does.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sierlib import settings

PACKAGE = Path(__file__).parent


def digest(*parts: Any) -> str:
    """Return 12 hex digits that change when any part does; parts are anything JSON can say."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def source_key(*modules: str, packages: Sequence[str] = ("sierlib",)) -> str:
    """Return a hash of the code that modules run: their own, and that of all they import.

    What a stage depends on is found from its imports, those inside functions too, directly or
    through others. Comments, layout and docstrings do not count. Of `sierlib.settings` the
    constants count, and no profile: a profile is part of keys by its values.

    Parameters
    ----------
    modules
        Dotted names, such as ``"sierlib.experiment.train"``.
    packages
        Those whose code counts; versions of libraries are the lock file's business.
    """
    code = [_hash_code(path, path.stat().st_mtime_ns) for path in code_files(modules, packages)]
    constants = {
        name: value
        for name, value in vars(settings).items()
        if name.isupper() and name not in ("PROFILES", "QUICK")
    }
    return digest(constants, code)


def code_files(modules: Iterable[str], packages: Sequence[str] = ("sierlib",)) -> list[Path]:
    """Return the files of modules and of all that they import, except `settings`.

    A package's files that are not Python, such as the explorer's JavaScript, count with it.
    """
    files: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _module_file(name) if name.partition(".")[0] in packages else None
        if name in files or path is None:  # no module: a function or a class that is imported
            continue
        files[name] = path
        waiting.append(name.rpartition(".")[0])  # importing a module runs its package first
        waiting += imported_names(path.read_text(encoding="utf-8"))
    files.pop(settings.__name__, None)
    assets: set[Path] = set()
    for path in files.values():
        if path.name == "__init__.py":
            assets |= {other for other in path.parent.iterdir() if other.suffix in _ASSETS}
    return sorted(assets.union(files.values()))


_ASSETS = (".js", ".css", ".html")


@cache  # every notebook's key looks at the same files
def imported_names(source: str) -> frozenset[str]:
    """Return what Python source imports, as dotted names of modules, functions or classes.

    Examples
    --------
    >>> sorted(imported_names("import os.path\\nfrom sierlib import run"))
    ['os.path', 'sierlib', 'sierlib.run']
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(names)


def list_modules() -> list[str]:
    """Return the dotted names of all modules of `sierlib`."""
    places = [path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py")]
    return [".".join(place.parts).removesuffix(".__init__") for place in places]


def _module_file(name: str) -> Path | None:
    """Return where a module's source lies, without importing it; None where there is no such."""
    top, *rest = name.split(".")
    spec = find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        return None
    place = Path(spec.submodule_search_locations[0]).joinpath(*rest)
    candidates = (place / "__init__.py", place.with_name(place.name + ".py"))
    return next((path for path in candidates if path.is_file()), None)


@cache
def _hash_code(path: Path, changed: int) -> str:
    """Return a hash of a file's code; `changed`, its time of change, is part of the cache's key."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return digest(text)
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(None)  # a docstring
    return digest(ast.dump(tree))
