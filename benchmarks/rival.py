"""onnxruntime-web, to be measured beside the page's own engine.

Nothing of it belongs to the project: what is fetched, from the registries that npm and pip are set
to, goes to a folder that git ignores. The network is the exported one, rounded weights included,
written as an ONNX graph. Its page is served from 127.0.0.1, because onnxruntime-web imports modules
in its worker, and a worker of a page opened from disk may not.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page

from sierbook.export import BLOCK
from sierlib import settings

VERSION, ONNX = "1.30.0", "1.23.2"
#: The glue, and the runtime. It computes in one thread: threads need shared memory, which a page
#: from disk does not have.
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")

WORKER = Path(__file__).with_suffix(".js")

#: Gives the page `rival(pair)`, which answers as `sierlibLive.predict` does.
START = """async ([worker, glue, runtime, network]) => {
  const address = URL.createObjectURL(new Blob([worker], { type: "text/javascript" }));
  const made = new Worker(address, { type: "module" });
  const ask = (given) => new Promise((resolve, reject) => {
    made.onmessage = ({ data: { found, error } }) => (error ? reject(error) : resolve(found));
    made.onerror = ({ message }) => reject(message);
    made.postMessage(given);
  });
  const bytes = Uint8Array.from(atob(network), (letter) => letter.charCodeAt(0));
  await ask({ glue, runtime, network: bytes });
  window.rival = async (pair) => Array.from(await ask(pair));
}"""


def fetch(folder: Path) -> Path | None:
    """Fetch package and graph writer into a folder, once; None where they cannot be had."""
    dist = folder / "package" / "dist"
    if not all((dist / name).is_file() for name in FILES):
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pip += ["--no-deps", "--target", str(folder / "python"), f"onnx=={ONNX}"]
        npm = ["npm", "pack", "--silent", f"onnxruntime-web@{VERSION}", "--pack-destination"]
        try:
            subprocess.run(pip, check=True)
            subprocess.run([*npm, str(folder)], check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"onnxruntime-web is not measured, for it cannot be had ({error})")
            return None
        with tarfile.open(folder / f"onnxruntime-web-{VERSION}.tgz") as package:
            package.extractall(folder, filter="data")
    sys.path.append(str(folder / "python"))
    return dist


def count_bytes(dist: Path) -> int:
    """Return how much of it a page has to load."""
    return sum((dist / name).stat().st_size for name in FILES)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def started(page: Page, dist: Path, network: bytes) -> Iterator[None]:
    """Start it in a page: `rival(pair)` there answers with four probabilities."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=dist))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    page.goto(address)
    files = [address + name for name in FILES]
    worker = WORKER.read_text(encoding="utf-8")
    page.evaluate(START, [worker, *files, base64.b64encode(network).decode()])
    yield
    server.shutdown()


class _Graph:
    """Nodes and constants, written step by step. Maps have their channels first, as ONNX wants."""

    def __init__(self, weights: bytes) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.maps: set[str] = set(settings.MODALITIES)

    def read(self, slot: Mapping[str, Any]) -> np.ndarray:
        values = np.frombuffer(self.weights, slot["type"], slot["count"], slot["at"])
        return values.astype(np.float32)

    def constant(self, values: np.ndarray) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **how: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], **how))
        return output

    def convolve(self, step: Mapping[str, Any], out: str) -> str:
        filters = step["shape"][-1]
        values, bias = self.read(step["weights"]), self.constant(self.read(step["bias"]))
        taps = len(values) // filters
        blocks = [
            values[at * taps : min(at + BLOCK, filters) * taps].reshape(taps, -1)
            for at in range(0, filters, BLOCK)
        ]
        kernel = np.concatenate(blocks, axis=1) * self.read(step["factor"])
        if len(step["shape"]) == 1:
            return self.node("Gemm", [*step["in"], self.constant(kernel), bias], out)
        kernel = kernel.reshape(*step["kernel"], -1, filters).transpose(3, 2, 0, 1)
        inputs = [*step["in"], self.constant(kernel), bias]
        return self.node("Conv", inputs, out, strides=step["stride"], pads=step["pad"])

    def flatten(self, name: str) -> str:
        """Return a tensor as a row, in the order of the exported network."""
        if name not in self.maps:
            return name
        last = self.node("Transpose", [name], f"{name}-last{len(self.nodes)}", perm=[0, 2, 3, 1])
        return self.node("Flatten", [last], f"{last}-flat")

    def add(self, step: Mapping[str, Any]) -> None:
        """Write a step of the exported network."""
        kind, inputs, out = step["op"], step["in"], step["out"]
        if len(step["shape"]) == 3:
            self.maps.add(out)
        else:
            inputs = [self.flatten(each) for each in inputs]
            step = {**step, "in": inputs}
        if kind == "convolve":
            made = self.convolve(step, f"{out}-linear" if step["relu"] else out)
            if step["relu"]:
                self.node("Relu", [made], out)
        elif kind == "pool":
            size, stride = step["size"], step["stride"]
            self.node("MaxPool", inputs, out, kernel_shape=size, strides=stride)
        elif kind == "scale":
            shape = (-1, 1, 1) if out in self.maps else (-1,)
            factor, shift = (
                self.constant(self.read(step[name]).reshape(shape)) for name in ("factor", "shift")
            )
            self.node("Add", [self.node("Mul", [*inputs, factor], f"{out}-scaled"), shift], out)
        elif kind == "mix":
            parts = [
                self.node("Mul", [each, self.constant(np.float32(share))], f"{out}-{k}")
                for k, (each, share) in enumerate(zip(inputs, step["weights"], strict=True))
            ]
            self.node("Sum", parts, out)
        else:
            names = {"relu": "Relu", "add": "Add", "multiply": "Mul", "softmax": "Softmax"}
            self.node(names[kind], inputs, out)


def write_onnx(exported: Mapping[str, Any]) -> bytes:
    """Write what `sierbook.export.export_model` gives as an ONNX graph.

    Its inputs `speech` and `image` are those of the page's engine, with a batch of one.
    """
    from onnx import TensorProto, helper

    graph, parts, inputs = _Graph(base64.b64decode(exported["weights"])), exported["parts"], []
    for name, channels in settings.CHANNELS.items():
        shape = (1, settings.SIZE, settings.SIZE, channels)
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        first = graph.node("Transpose", [name], f"{name}-first", perm=[0, 3, 1, 2])
        graph.maps.add(first)
        for step in parts[name]["steps"]:
            renamed = [first if each == name else each for each in step["in"]]
            graph.add({**step, "in": renamed})
    for step in parts["head"]["steps"]:
        graph.add(step)
    (out,) = parts["head"]["outputs"]
    outputs = [helper.make_tensor_value_info(out, TensorProto.FLOAT, (1, exported["classes"]))]
    made = helper.make_graph(graph.nodes, "ParallelNet", inputs, outputs, graph.constants)
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(made, opset_imports=[opset], ir_version=9)
    return bytes(model.SerializeToString())
