"""The model in the page: the same numbers as Keras', from a page opened from disk."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from sierbook import site
from sierbook.export import export_model, round_weights, write_scripts
from sierlib import settings
from sierlib.data.speech import log_mel
from sierlib.explorer import inpage
from sierlib.explorer.widget import static_html
from sierlib.networks import parallel_net
from sierlib.shapley import explain
from tests import chromium
from tests.sierlib.explorer.test_widget import make_sample


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """ParallelNet, small, whose normalisations have seen something."""
    keras.utils.set_random_seed(3)
    network = parallel_net("smoke")
    chance = np.random.default_rng(0)
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape
            gamma, variance = chance.uniform(0.5, 2, (2, *count))
            beta, mean = chance.normal(0, 0.3, (2, *count))
            layer.set_weights([gamma, beta, mean, variance])
    for name in ("O_sp", "O_img", "O_mul"):  # far from sure of anything
        layer = network.get_layer(name)
        layer.set_weights([0.02 * values for values in layer.get_weights()])
    return network


@pytest.fixture(scope="module")
def pair() -> dict[str, np.ndarray]:
    """Speech that ends after two thirds of the window, and a picture."""
    chance = np.random.default_rng(1)
    speech = chance.random((128, 128, 1), np.float32)
    speech[:, 85:] = 0
    return {"speech": speech, "image": chance.random((128, 128, 3), np.float32)}


@pytest.fixture(scope="module")
def folder(model: keras.Model, pair: dict[str, np.ndarray], tmp_path_factory: Any) -> Path:
    """A page with the explorer, the model beside it."""
    place: Path = tmp_path_factory.mktemp("try")
    samples = [make_sample("s1"), make_sample("s2")]
    pictures = {sample["id"]: pair["image"] for sample in samples}
    about = {"profile": "smoke", "date": "2026-01-01"}
    write_scripts(place, model, pictures, about)
    scripts = [path.name for path in inpage.find_scripts(place)]
    page = static_html(samples, "e", model={"scripts": scripts, "megabytes": 1})
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><main>{page}</main>'
    )
    (place / "page.html").write_text(text, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """With a microphone and a camera that show something made up."""
    flags = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with chromium.started(*flags) as started:
        yield started


def test_a_network_that_the_engine_cannot_run_is_withheld(tmp_path: Path) -> None:
    inputs = [
        keras.Input((128, 128, channels), name=modality)
        for modality, channels in settings.CHANNELS.items()
    ]
    features = []
    for each in inputs:
        x = keras.layers.DepthwiseConv2D(3)(each)
        features.append(keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x)))
    outputs = keras.layers.Softmax()(keras.layers.Add()(features))
    old = tmp_path / "explorer-model-00.js"
    old.write_text("of another network")
    why = write_scripts(tmp_path, keras.Model(inputs, outputs), {}, {})
    assert why.startswith("the page's engine cannot run layer") and "DepthwiseConv2D" in why
    assert not old.exists()


def open_page(browser: Any, folder: Path) -> Any:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.complaints, opened.asked = [], []
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto((folder / "page.html").as_uri())
    return opened


@pytest.fixture
def page(browser: Any, folder: Path) -> Iterator[Any]:
    opened = open_page(browser, folder)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def loaded(browser: Any, folder: Path) -> Any:
    """A page whose model is loaded, for tests that only ask `sierlibLive`."""
    opened = open_page(browser, folder)
    opened.evaluate("() => sierlibLive.load()")
    return opened


def flat(pair: dict[str, np.ndarray]) -> dict[str, list[float]]:
    return {name: values.ravel().tolist() for name, values in pair.items()}


def test_probabilities_are_those_of_keras_with_the_same_weights(
    loaded: Any, model: keras.Model, pair: dict[str, np.ndarray]
) -> None:
    silence = {name: np.zeros_like(values) for name, values in pair.items()}
    for inputs in (pair, silence, {**pair, "speech": silence["speech"]}):
        expected = round_weights(model)({name: x[None] for name, x in inputs.items()}).numpy()[0]
        assert expected.max() < 0.9
        found = loaded.evaluate("(pair) => sierlibLive.predict(pair)", flat(inputs))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_owen_values_are_those_of_explain(
    loaded: Any, model: keras.Model, pair: dict[str, np.ndarray]
) -> None:
    expected = explain(round_weights(model), **pair, target=2, depth=3)
    call = "(pair) => sierlibLive.explain({...pair, target: 2, depth: 3})"
    found = loaded.evaluate(call, flat(pair))
    assert abs(expected.speech_value) > 1e-3 and abs(expected.image_value) > 1e-3
    for name, value in (("value", expected.value), ("base", expected.base_value)):
        assert found[name] == pytest.approx(value, abs=1e-5)
    assert found["interaction"] == pytest.approx(expected.interaction, abs=1e-5)
    for modality in settings.MODALITIES:
        regions = [region for region in expected.levels[3] if region.modality == modality]
        regions.sort(key=lambda region: (region.box[0], region.box[2]))
        values = [region.value for region in regions]
        np.testing.assert_allclose(found[modality], values, atol=1e-5)


@pytest.mark.parametrize("seconds", [0.3, 6.4, 8.0])
def test_the_log_mel_is_that_of_python(loaded: Any, seconds: float) -> None:
    chance = np.random.default_rng(7)
    t = np.arange(int(seconds * settings.SAMPLE_RATE)) / settings.SAMPLE_RATE
    sound = (0.3 * np.sin(2 * np.pi * (200 + 900 * t) * t) + chance.normal(0, 0.01, len(t))).astype(
        np.float32
    )
    found = loaded.evaluate(
        "async (sound) => Array.from(await sierlibLive.logMel(sound))", sound.tolist()
    )
    np.testing.assert_allclose(found, log_mel(sound).ravel(), atol=1e-3)


def test_without_simd_the_numbers_are_the_same(
    browser: Any, folder: Path, tmp_path: Path, model: keras.Model, pair: dict[str, np.ndarray]
) -> None:
    change_scripts(
        folder, tmp_path, lambda text: text.replace("WebAssembly.validate(bytes)", "false")
    )
    page = open_page(browser, tmp_path)
    tried = ready(page)
    tried.get_by_text("this browser lacks the fast instructions (SIMD)").wait_for()
    found = page.evaluate("(pair) => sierlibLive.predict(pair)", flat(pair))
    expected = round_weights(model)({name: x[None] for name, x in pair.items()}).numpy()[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    page.close()


def test_the_kernel_is_what_its_source_compiles_to() -> None:
    wasmtime = pytest.importorskip("wasmtime")
    compiled = wasmtime.wat2wasm(inpage.read("kernel.wat"))
    source = inpage.read("kernel.js")
    used = re.search(r'COMPILED = "([^"]+)"', source)
    assert used and base64.b64decode(used[1]) == bytes(compiled)


def test_a_layer_that_the_engine_does_not_know_is_named(model: keras.Model) -> None:
    inputs = {
        "speech": keras.Input((128, 128, 1), name="speech"),
        "image": keras.Input((128, 128, 3), name="image"),
    }
    features = []
    for x in inputs.values():
        x = keras.layers.GlobalAveragePooling2D(name=f"mean_{x.name}")(x)
        features.append(keras.layers.Dense(4)(x))
    output = keras.layers.Add()(features)
    with pytest.raises(ValueError, match=r"cannot run layer mean_(speech|image) \(GlobalAverage"):
        export_model(keras.Model(inputs, output))


def test_modalities_that_meet_at_once_are_refused() -> None:
    speech, image = (
        keras.Input((128, 128, channels), name=name) for name, channels in settings.CHANNELS.items()
    )
    joined = keras.layers.Flatten()(keras.layers.Concatenate()([speech, image]))
    network = keras.Model({"speech": speech, "image": image}, keras.layers.Dense(4)(joined))
    with pytest.raises(ValueError, match="no part of its own"):
        export_model(network)


def change_scripts(folder: Path, place: Path, change: Any) -> None:
    """Copy the page with its scripts, each changed; one that becomes empty is left out."""
    (place / "page.html").write_bytes((folder / "page.html").read_bytes())
    for path in inpage.find_scripts(folder):
        if text := change(path.read_text(encoding="utf-8")):
            (place / path.name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda text: text[: len(text) // 2], "is no model of this book, or it is cut off"),
        (lambda text: text.replace('push("', 'push("AAAA'), "cut off: "),
        (lambda text: re.sub(r'"checksum": "\w+"', '"checksum": "0"', text), "damaged"),
        (lambda text: "" if "weights.push" in text else text, "is not beside this page"),
        (lambda text: "", "is not beside this page"),
    ],
)
def test_a_damaged_model_is_one_line_and_the_page_stays(
    browser: Any, folder: Path, tmp_path: Path, change: Any, line: str
) -> None:
    change_scripts(folder, tmp_path, change)
    page = open_page(browser, tmp_path)
    page.get_by_role("button", name="Load the model").click()
    page.locator("#e .try .said", has_text=line).wait_for()
    assert page.locator("#e .try .scores tr").count() == 4
    assert page.get_by_role("progressbar").count() == 0
    page.close()


def test_inputs_that_the_network_does_not_take_are_refused(loaded: Any) -> None:
    call = "(pair) => sierlibLive.predict(pair).catch((error) => error.message)"
    assert "has 3 values; expected 16384" in loaded.evaluate(call, {"speech": [0, 0, 0]})
    speech = [0.0] * 16384
    assert "speech has the value 2" in loaded.evaluate(call, {"speech": [2, *speech[1:]]})
    assert "image has no values; expected 49152" in loaded.evaluate(call, {"speech": speech})


def test_progress_is_shown_while_the_model_is_loaded(page: Any, folder: Path) -> None:
    page.evaluate(
        """() => {
            const inside = (node, name) => node.shadowRoot.querySelector(name);
            const place = inside(document.querySelector("#e"), "[data-try]");
            const bar = inside(place, "progress");
            const watch = new MutationObserver(() => !bar.hidden && shown.push(bar.position));
            window.shown = [];
            watch.observe(bar, { attributes: true });
        }"""
    )
    ready(page)
    shown = page.evaluate("shown")
    assert shown[0] == -1, "as long as nothing is known of it, it says so"
    assert len(shown) > len(inpage.find_scripts(folder)) and shown == sorted(shown)
    assert page.get_by_role("progressbar").count() == 0


# --- by hand ---


def ready(page: Any) -> Any:
    page.get_by_role("button", name="Load the model").click()
    tried = page.locator("#e .try")
    tried.locator("fieldset:not([disabled])").wait_for()
    return tried


def scores(tried: Any) -> list[float]:
    tried.page.wait_for_timeout(50)
    tried.locator(".scores[aria-busy=false]").wait_for()
    return [float(text) for text in tried.locator(".scores td:last-child").all_inner_texts()]


def test_a_pair_of_ones_own_is_predicted_edited_explained_and_kept(
    page: Any, tmp_path: Path
) -> None:
    from PIL import Image
    from soundfile import write

    Image.effect_mandelbrot((300, 200), (-2, -1, 1, 1), 40).convert("RGB").save(
        tmp_path / "own.png"
    )
    chance = np.random.default_rng(0)
    write(tmp_path / "own.wav", chance.normal(0, 0.1, 40_000), 22_050)
    tried = ready(page)
    before = scores(tried)
    tried.get_by_label("or a file").set_input_files(tmp_path / "own.png")
    tried.get_by_label("or a recording").set_input_files(tmp_path / "own.wav")
    own = scores(tried)
    assert own != before and sum(own) == pytest.approx(1, abs=0.002)

    picture = tried.locator("canvas").first
    picture.focus()
    for key in (" ", *["ArrowRight"] * 8, " "):
        page.keyboard.press(key)
    assert scores(tried) != own
    tried.get_by_role("button", name="Put all back").click()
    assert scores(tried) == own

    tried.get_by_label("how fine").select_option("4")
    tried.get_by_role("button", name="Explain").click()
    tried.locator(".told", has_text="regions add up to that.").wait_for()
    with page.expect_download() as waiting:
        tried.get_by_role("button", name="Values (JSON)").click()
    values = json.loads(Path(waiting.value.path()).read_text(encoding="utf-8"))
    total = sum(values["speech"]["values"]) + sum(values["image"]["values"])
    assert total == pytest.approx(values["value"] - values["base"], abs=1e-5)
    tried.get_by_role("button", name="Show it in the explorer").click()
    page.locator("#e .title", has_text="yours 1").wait_for()
    assert page.complaints == []
    assert {url.split(":")[0] for url in page.asked} <= {"file", "blob", "data"}


def test_drawing_on_the_picture_and_along_the_speech_changes_the_answer(page: Any) -> None:
    tried = ready(page)
    seen = [scores(tried)]
    for place in (0, 1):
        box = tried.locator("canvas").nth(place).bounding_box()
        page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.3 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.7 * box["height"], steps=6)
        page.mouse.up()
        seen.append(scores(tried))
    assert seen[0] != seen[1] != seen[2]
    for expected in (seen[1], seen[0]):
        tried.get_by_role("button", name="Undo").click()
        assert scores(tried) == expected


def test_camera_and_microphone_give_a_pair(page: Any) -> None:
    tried = ready(page)
    before = scores(tried)
    tried.get_by_role("button", name="Camera").click()
    tried.get_by_role("button", name="Take this picture").click()
    after = scores(tried)
    assert after != before
    tried.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(1500)
    tried.get_by_role("button", name="Stop").click()
    tried.get_by_role("button", name="Record", exact=True).wait_for()
    assert scores(tried) != after
    assert page.complaints == []


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--use-fake-device-for-media-stream"], "cannot be used (Permission"),  # not allowed
        ([], "cannot be used (Requested device not found): choose a file"),
    ],
)
def test_without_camera_and_microphone_files_are_left(
    browser: Any, folder: Path, flags: list[str], line: str
) -> None:
    path = site.find_chromium()
    other = browser.browser_type.launch(executable_path=path, args=[*chromium.FLAGS, *flags])
    page = open_page(other, folder)
    tried = ready(page)
    before = scores(tried)
    for button, what in (("Record", "microphone"), ("Camera", "camera")):
        tried.get_by_role("button", name=button, exact=True).click()
        tried.locator(".said", has_text=f"The {what} {line}").wait_for()
        assert scores(tried) == before
    page.evaluate("() => Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    tried.get_by_role("button", name="Record", exact=True).click()
    tried.locator(".said", has_text="neither local nor https").wait_for()
    assert page.complaints == []
    other.close()


def test_what_cannot_be_read_is_one_line_and_what_was_on_view_stays(
    page: Any, tmp_path: Path
) -> None:
    from PIL import Image
    from soundfile import write

    tried = ready(page)
    before = scores(tried)
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    Image.new("1", (7100, 7100)).save(tmp_path / "vast.png")
    (tmp_path / "torn.wav").write_bytes(b"RIFF" + bytes(40))
    write(tmp_path / "long.wav", np.ones(121 * 8_000) * 0.1, 8_000)
    write(tmp_path / "silent.wav", np.zeros(16_000), 16_000)
    write(tmp_path / "short.wav", np.ones(160) * 0.1, 16_000)
    for label, name, line in (
        ("or a file", "photo.heic", "is a HEIC photograph"),
        ("or a file", "torn.png", "is damaged, too large, or of a kind"),
        ("or a file", "vast.png", "has 51 million pixels, and 50 are the most: make it smaller"),
        ("or a recording", "torn.wav", "cannot be decoded"),
        ("or a recording", "silent.wav", "is silent"),
        ("or a recording", "short.wav", "too short"),
        ("or a recording", "long.wav", "is 121 s long, and 120 s are the most"),
    ):
        tried.get_by_label(label).set_input_files(tmp_path / name)
        tried.locator(".said", has_text=line).wait_for()
        assert scores(tried) == before


def test_an_explanation_can_be_stopped(page: Any) -> None:
    tried = ready(page)
    tried.get_by_label("how fine").select_option("5")
    tried.get_by_role("button", name="Explain").click()
    tried.locator(".told", has_text="Level 2 of 5").wait_for()
    tried.get_by_role("button", name="Stop").click()
    tried.locator(".told", has_text="Stopped.").wait_for()
    assert tried.get_by_role("button", name="Explain").is_enabled()


def test_a_lost_worker_is_said_and_the_model_can_be_loaded_again(page: Any) -> None:
    page.add_init_script(
        "const Real = Worker; window.workers = [];"
        "window.Worker = class extends Real {"
        "  constructor(...given) { super(...given); workers.push(this); }"
        "};"
    )
    page.reload()
    tried = ready(page)
    page.evaluate("() => workers.forEach((worker) => worker.onerror(new Event('error')))")
    tried.get_by_label("of the sample").first.select_option(index=1)
    tried.locator(".said", has_text="worker was lost").wait_for()
    tried.get_by_role("button", name="Load the model").click()
    tried.locator("fieldset:not([disabled])").wait_for()
    assert sum(scores(tried)) == pytest.approx(1, abs=0.002)
