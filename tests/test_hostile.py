"""Nothing that strangers' files try gets in; `make torture` tries more of the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import numpy as np
import papermill
import pytest

from benchmarks.torture import hostile
from sierbook import notebooks
from sierbook.report import write_page
from sierlib.explorer.pair import OwnPair, explain_own
from sierlib.explorer.widget import static_html
from tests import chromium

#: All that strangers write as one text; a parser of HTML itself changes the two characters.
ALL = "\n".join(hostile.TEXTS).translate({0: None, 13: None})


@pytest.mark.filterwarnings("ignore:Glyph")  # a font may lack what strangers write
@pytest.mark.parametrize("group", hostile.GROUPS, ids=lambda group: group.__name__)
def test_nothing_is_let_in(group: Any, tmp_path: Path) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    with hostile.shut_network() as asked:
        ended = [
            (name, hostile.end(attempt)) for name, attempt in group(folder, random.Random(1), False)
        ]
    assert [each for each in ended if each[1].startswith(("let in", "crashed"))] == []
    assert ended and not asked


def test_a_try_that_succeeds_or_crashes_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def succeed() -> str:
        raise hostile.LetIn("it ran")

    def crash() -> str:
        raise KeyError("no such thing")

    def phone() -> str:
        import socket

        try:
            socket.create_connection(("evil.example", 80))
        except OSError:
            return "refused in a line"
        return "connected"

    tries = {"good": lambda: "quarantined", "bad": succeed, "worse": crash, "home": phone}
    monkeypatch.setattr(hostile, "GROUPS", (_group(tries),))
    found = hostile.run(full=False, seed=0)
    assert found["tried"] == 4 and found["let_in"] == 2
    assert found["outcomes"] == {"let in": 2, "quarantined": 1, "crashed": 1}
    *failed, last = found["faults"]
    assert failed == ["bad: let in: it ran", "worse: crashed: KeyError: 'no such thing'"]
    assert last.startswith("home: let in: the network was asked for ('evil.example', 80")


def _group(tries: dict[str, Any]) -> Any:
    def group(*_: Any) -> Iterator[Any]:
        yield from tries.items()

    return group


@pytest.mark.slow
def test_a_notebook_that_papermill_runs_alone_refuses_what_is_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in notebooks.find_packages().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(papermill.PapermillExecutionError) as stopped:
        papermill.execute_notebook(
            notebooks.ROOT / "notebooks" / "01-dataset.ipynb",
            tmp_path / "out.ipynb",
            parameters={
                "profile": "smoke",
                "seed": "0; import os",
                "run_dir": str(tmp_path / "run"),
            },
            kernel_name="python3",
            progress_bar=False,
        )
    assert stopped.value.ename == "ValueError" and "seed='0; import os'" in stopped.value.evalue
    assert not (tmp_path / "run").exists()


@pytest.fixture
def pair() -> OwnPair:
    picture = np.full((128, 128, 3), 90, np.uint8)
    return explain_own(hostile.by_hand, picture, text="so glad", depth=1)


@pytest.fixture
def visits() -> Iterator[list[str]]:
    """What a server at ``visits[0]`` was asked for, behind that address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    asked = [f"http://127.0.0.1:{server.server_port}"]
    Thread(target=server.serve_forever, daemon=True).start()
    yield asked
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Glyph")
def test_a_browser_runs_nothing_and_asks_nothing_of_what_strangers_wrote(
    pair: OwnPair, tmp_path: Path
) -> None:
    report = write_page(hostile.renamed(pair, ALL), tmp_path / "report")
    explorer = tmp_path / "explorer.html"
    panel = static_html([hostile.named(pair, text) for text in hostile.TEXTS], "explorer")
    explorer.write_text(f'<!doctype html><meta charset="utf-8">{panel}', encoding="utf-8")
    with chromium.started() as browser:
        page = browser.new_page()
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        for file in (report, report.parent / "sentence.html", explorer):
            page.goto(file.as_uri())
            for text in hostile.TEXTS if file == explorer else ():
                page.evaluate("(name) => { location.hash = `#explorer?${name}` }", _as_query(text))
                page.wait_for_timeout(50)
            page.wait_for_timeout(300)
            assert page.evaluate("window.pwned") is None and complaints == []
            assert page.url.partition("#")[0] == file.as_uri()
        assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
        page.goto(report.as_uri())
        shown = page.locator(".explorer").inner_text()
    assert all(" ".join(text.split()) in " ".join(shown.split()) for text in ALL.splitlines())


def _as_query(text: str) -> str:
    return urlencode({"sample": text})


@pytest.mark.slow
def test_the_policy_of_the_report_forbids_what_is_not_its_own(
    pair: OwnPair, visits: list[str], tmp_path: Path
) -> None:
    report = write_page(pair, tmp_path / "report")
    assert "unsafe" not in report.read_text(encoding="utf-8").partition("<style>")[0]
    with chromium.started() as browser:
        page = browser.new_page()
        page.goto(report.as_uri())
        page.locator(".explorer .sentence button").first.wait_for()
        # Even what had got into the page as markup would neither run nor load nor send anything.
        page.evaluate(
            """(address) => {
                const add = (tag, more) => document.body.append(
                    Object.assign(document.createElement(tag), more));
                add("script", { textContent: "window.pwned = 1" });
                add("script", { src: `${address}/script` });
                add("img", { src: `${address}/image` });
                add("iframe", { src: `${address}/frame` });
                add("style", { textContent: `@import "${address}/style";` });
                add("div", { innerHTML: "<b onclick='window.pwned = 1'>x</b>" });
                document.querySelector("b[onclick]").click();
                fetch(`${address}/fetch`).catch(() => 0);
            }""",
            visits[0],
        )
        page.wait_for_timeout(500)
        assert page.evaluate("window.pwned") is None and visits[1:] == []
        # The server is there: whoever is no part of the page reaches it.
        page.goto(f"{visits[0]}/reached")
    assert visits[1:2] == ["/reached"]
