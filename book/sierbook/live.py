"""The explorer on a photograph and a sentence of one's own, in Jupyter.

One chooses or records, has it predicted and explained, and looks at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anywidget
import ipywidgets
import traitlets

from sierbook.deletion import scored_payload
from sierlib.explorer.pair import OwnPair, explain_own
from sierlib.explorer.payload import Payload
from sierlib.explorer.widget import Explorer

HERE = Path(__file__).parent

#: Where the speech comes from, and what the choice is called.
SOURCES = {"the voice says it": "voice", "my recording": "recording", "a file": "file"}


class Recorder(anywidget.AnyWidget):
    """A button that records from the microphone.

    Parameters
    ----------
    wav
        The last recording as a wav file, 16 kHz mono; empty before there is one.
    at_most
        Seconds after which it stops by itself.
    """

    _esm = HERE / "recorder.js"
    # A cast, for the browser's bytes arrive as a memoryview.
    wav = traitlets.CBytes(b"").tag(sync=True)
    at_most = traitlets.Int(30).tag(sync=True)


class Upload(anywidget.AnyWidget):
    """A file that is chosen or dropped in the browser, or named by its path.

    The path is one where the kernel runs. The last one counts.

    Parameters
    ----------
    what
        What it is called.
    accept
        As of an HTML file input, such as ``image/*``.
    name, content
        What was uploaded; empty where a path was given.
    path
        What was typed; empty where a file was uploaded.
    problem
        Why the file that was chosen last was not taken.
    at_most
        Bytes: Jupyter's web socket takes messages of 10 MiB, and breaks at larger ones without
        saying so.
    """

    _esm = HERE / "upload.js"
    what = traitlets.Unicode("File").tag(sync=True)
    accept = traitlets.Unicode("").tag(sync=True)
    name = traitlets.Unicode("").tag(sync=True)
    content = traitlets.CBytes(b"").tag(sync=True)  # a cast, as above
    path = traitlets.Unicode("").tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)
    at_most = traitlets.Int(9_000_000).tag(sync=True)

    def within(self, folder: Path) -> Path | None:
        """Return the file of that path, or what was uploaded, written to the folder.

        None where there is neither.

        Raises
        ------
        ValueError
            When the file that was chosen last was not taken.
        """
        if self.problem:
            raise ValueError(self.problem)
        if self.path.strip():
            return Path(self.path.strip()).expanduser()
        if not self.name:
            return None
        path = folder / Path(self.name).name
        path.write_bytes(self.content)
        return path


class Live(ipywidgets.VBox):
    """Predict and explain what a reader brings.

    Bad input is answered by one line, and what was shown before stays.

    Parameters
    ----------
    model
        As `sierlib.explorer.pair.explain_own` takes it.
    samples
        Shown in the explorer from the start.
    scripts
        As `Explorer` takes them: the model in the browser.
    depth, method, seed
        As `sierlib.shapley.explain` takes them.

    Its parts are `photograph`, `sentence`, `source`, `recorder`, `file`, `go` and `explorer`; new
    explanations stand first in the explorer's gallery.
    """

    def __init__(
        self,
        model: Any,
        samples: Iterable[Payload] = (),
        *,
        scripts: Sequence[Path] = (),
        depth: int = 6,
        method: str = "owen",
        seed: int = 0,
    ) -> None:
        self.model = model
        self.settings: dict[str, Any] = {"depth": depth, "method": method, "seed": seed}
        self.photograph = Upload(what="Photograph", accept="image/*")
        self.sentence = ipywidgets.Textarea(
            description="Sentence", placeholder="What is said, in English", layout={"width": "40em"}
        )
        self.source = ipywidgets.ToggleButtons(options=SOURCES, description="Speech")
        self.recorder = Recorder()
        self.file = Upload(what="Recording", accept="audio/*")
        self.go = ipywidgets.Button(
            description="Predict and explain", button_style="primary", layout={"width": "14em"}
        )
        self.explorer = Explorer(samples=list(samples), scripts=scripts)
        self.source.observe(self._show_source, "value")
        self.go.on_click(self.explain)
        self._show_source()
        inputs = [self.photograph, self.sentence, self.source, self.recorder, self.file]
        super().__init__([*inputs, self.go, self.explorer])

    def _show_source(self, _: Any = None) -> None:
        for name, widget in (("recording", self.recorder), ("file", self.file)):
            widget.layout.display = None if self.source.value == name else "none"

    def _show_progress(self, share: float) -> None:
        self.explorer.progress = share

    def explain(self, _: Any = None) -> None:
        """Predict and explain what was chosen, and show it."""
        self.go.disabled = True
        self.explorer.message = "Reading, speaking, aligning the words, explaining …"
        try:
            with TemporaryDirectory() as folder:
                try:
                    pair = explain_own(
                        self.model,
                        **self._collect_input(Path(folder)),
                        **self.settings,
                        progress=self._show_progress,
                    )
                except (ValueError, OSError) as problem:
                    self.explorer.message = str(problem).replace(f"{folder}/", "")
                    return
            self._show_pair(pair)
        finally:
            self.go.disabled = False
            self.explorer.progress = 0.0

    def _collect_input(self, folder: Path) -> dict[str, Any]:
        """Return what `explain_own` takes of what was chosen.

        Raises
        ------
        ValueError
            Naming what is still missing.
        """
        image = self.photograph.within(folder)
        audio = None
        text = self.sentence.value.strip()
        if image is None:
            raise ValueError("Choose a photograph first: upload one, or give its path.")
        if self.source.value == "file":
            audio = self.file.within(folder)
            if audio is None:
                raise ValueError("Choose a recording first, or let the voice speak the sentence.")
        elif self.source.value == "recording":
            if not self.recorder.wav:
                raise ValueError("Record something first, or let the voice speak the sentence.")
            audio = folder / "your recording.wav"
            audio.write_bytes(self.recorder.wav)
        elif not text:
            raise ValueError("Write a sentence for the voice to speak.")
        return {"image": image, "audio": audio, "text": self.sentence.value if text else None}

    def _show_pair(self, pair: OwnPair) -> None:
        payload = scored_payload(pair)
        # A name that is in the gallery already gets a number.
        names = {sample["id"] for sample in self.explorer.samples}
        for number in count(2):
            if payload["id"] not in names:
                break
            payload["id"] = f"{pair.name} {number}"
        with self.explorer.hold_sync():
            self.explorer.samples = [payload, *self.explorer.samples]
            self.explorer.sample = payload["id"]
        self.explorer.message = "; ".join(pair.notes)
