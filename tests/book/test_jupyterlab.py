"""Notebook 06 as a reader has it: JupyterLab in a real browser, a kernel behind the explorer, one's
own pair."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

from sierbook import notebooks, site
from sierlib.run import Run
from tests import chromium

if site.find_chromium() is None:
    pytest.skip("no chromium: JupyterLab is not driven", allow_module_level=True)
pytest.importorskip("playwright.sync_api")

# A microphone that beeps, and that nobody is asked about.
MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SLOW = 240_000  # milliseconds: a kernel that loads TensorFlow on a busy machine


@pytest.fixture(scope="module")
def notebook(run: Run, index: Path, place: Path) -> Path:
    """A copy of the notebook that opens the smoke run, with a label linked to the explorer's
    threshold."""
    path = place / "lab" / "06-explorer.ipynb"
    shutil.rmtree(path.parent, ignore_errors=True)  # of an earlier session: the folder is kept
    path.parent.mkdir()
    copy = nbformat.read(notebooks.ROOT / "notebooks" / path.name, as_version=4)
    for cell in copy.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source += f"\nprofile, run_dir = {run.profile.name!r}, {str(run.folder)!r}"
        cell.source = cell.source.replace("Live(", "live = Live(")
    linked = (
        "from ipywidgets import Label, dlink",
        "heard = Label()",
        "dlink((live.explorer, 'threshold'), (heard, 'value'), str)",
        "display(live, heard)",
    )
    copy.cells = [*copy.cells[:-1], nbformat.v4.new_code_cell("\n".join(linked))]
    nbformat.write(copy, path)
    return path


@pytest.fixture(scope="module")
def lab(notebook: Path) -> Iterator[str]:
    """A JupyterLab that knows nothing of this machine's settings; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder, address = notebook.parent, f"http://127.0.0.1:{port}"
    homes = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
        "IPYTHONDIR",
    )
    command = [
        str(Path(sys.executable).with_name("jupyter-lab")),
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        f"--ServerApp.root_dir={folder}",
        "--IdentityProvider.token=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    environment = {
        **os.environ,
        **{name: str(folder / "home" / name) for name in homes},
        **notebooks.find_packages(),
    }
    news = folder / "home" / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / "apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false"}'
    )  # or it would ask
    with open(folder / "lab.log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"{address}/api/status", timeout=2)
                    break
                except OSError:
                    assert server.poll() is None, (folder / "lab.log").read_text()[-2000:]
                    time.sleep(0.5)
            yield address
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="module")
def page(lab: str, notebook: Path) -> Iterator[Any]:
    """The notebook, all its cells run."""
    with chromium.started(*MICROPHONE) as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(f"{lab}/lab/tree/{notebook.name}")
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=SLOW)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        page.locator(".widget-label").filter(has_text="30").last.wait_for(timeout=SLOW)
        yield page


def test_the_model_answers_in_the_browser(page: Any) -> None:
    assert page.get_by_role("button", name="Load the model").count() == 1, "below the live one only"
    tried = page.locator(".try")
    tried.get_by_role("button", name="Load the model").click()
    tried.locator("fieldset:not([disabled])").wait_for(timeout=SLOW)
    tried.get_by_label("how fine").select_option("1")
    tried.get_by_role("button", name="Explain").click()
    tried.locator(".told", has_text="regions add up to that.").wait_for(timeout=SLOW)
    tried.get_by_role("button", name="Show it in the explorer").click()
    page.locator(".explorer .title", has_text="yours 1").first.wait_for(timeout=SLOW)


def test_a_reader_brings_a_pair(page: Any, notebook: Path) -> None:
    live = (
        page.locator(".jp-OutputArea-output")
        .filter(has=page.get_by_text("Predict and explain"))
        .last
    )
    explorer = live.locator(".explorer:not(.try)")
    explorer.locator(".title").first.wait_for(timeout=SLOW)
    before = explorer.locator(".title").first.inner_text()

    # A control moves a trait in the kernel, and what is linked to it.
    explorer.get_by_label("Threshold").first.fill("55")
    page.locator(".widget-label").filter(has_text="55").last.wait_for(timeout=SLOW)

    def choose(path: Path) -> None:
        live.get_by_label("Photograph", exact=True).set_input_files(path)
        live.get_by_text(f"Photograph: {path.name}, uploaded").wait_for()

    # What cannot be read is said, and the view stays.
    bad = notebook.parent / "holiday.jpg"
    bad.write_text("no picture")
    choose(bad)
    live.locator("textarea").fill("What a wonderful day, we are all so happy.")
    live.get_by_text("Predict and explain").click()
    live.get_by_text("holiday.jpg: not an image").wait_for(timeout=SLOW)
    assert explorer.locator(".title").first.inner_text() == before

    # So is what Jupyter's connection would break at.
    large = notebook.parent / "large.png"
    large.write_bytes(bytes(12_000_000))
    live.get_by_label("Photograph", exact=True).set_input_files(large)
    live.get_by_text("large.png has 12.0 MB").first.wait_for()
    live.get_by_text("Predict and explain").click()
    explorer.get_by_text("give its path instead").first.wait_for(timeout=SLOW)

    # The same button with a picture that can be read.
    Image.effect_noise((300, 200), 80).convert("RGB").save(notebook.parent / "garden.png")
    choose(notebook.parent / "garden.png")
    live.get_by_text("Predict and explain").click()
    explorer.locator(".title").filter(has_text="garden").first.wait_for(timeout=SLOW)
    assert "wonderful" in explorer.locator(".sentence").first.inner_text()

    # And with a recording.
    live.get_by_text("my recording").click()
    live.get_by_role("button", name="Record", exact=True).first.click()
    page.wait_for_timeout(1500)
    live.get_by_role("button", name="Stop", exact=True).click()
    live.get_by_text("s recorded").wait_for(timeout=SLOW)
    live.get_by_text("Predict and explain").click()
    explorer.locator(".title").filter(has_text="garden 2").first.wait_for(timeout=SLOW)
    live.scroll_into_view_if_needed()
    page.screenshot(path=notebook.parent / "lab.png")
    assert "Traceback" not in page.inner_text(".jp-Notebook")
