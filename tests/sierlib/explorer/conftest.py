"""A photograph and speech of one's own, spoken and recognised once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from sierlib import settings
from sierlib.data import speech
from tests.sierlib.explorer.toys import TEXT

_RESULTS: dict[Any, Any] = {}


@pytest.fixture(scope="module")
def speech_once() -> Iterator[None]:
    """Speak and recognise the same thing once: most tests are about what happens around it."""

    def once(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(source: Any, **options: Any) -> Any:
            content = source if isinstance(source, str) else source.tobytes()
            key = (function.__name__, content, *options.items())
            if key not in _RESULTS:
                _RESULTS[key] = function(source, **options)
            return _RESULTS[key]

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speech, "speak", once(speech.speak))
        patch.setattr(speech, "recognise", once(speech.recognise))
        yield


@pytest.fixture(scope="package")
def spoken() -> np.ndarray:
    return speech.speak(TEXT)


@pytest.fixture(scope="package")
def photo(tmp_path_factory: pytest.TempPathFactory, paint: Callable[..., Path]) -> Path:
    return paint(tmp_path_factory.mktemp("photos") / "photo.jpg")


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Path]:
    def write(
        sound: np.ndarray, rate: int = settings.SAMPLE_RATE, name: str = "speech.wav"
    ) -> Path:
        soundfile.write(tmp_path / name, sound, rate)
        return tmp_path / name

    return write
