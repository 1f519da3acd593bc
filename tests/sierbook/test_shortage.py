"""Want of memory is told apart from other errors."""

from __future__ import annotations

import pytest

from sierbook.shortage import explain_shortage
from sierlib import settings


@pytest.mark.parametrize(
    "message",
    [
        "ResourceExhaustedError: OOM when allocating tensor with shape[64,64,128,128]",
        "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8.5GiB",
    ],
)
def test_want_of_memory_is_told_what_to_change(message: str) -> None:
    said = explain_shortage(RuntimeError(message), settings.profile("smoke"))
    assert "set `batch` of profile smoke in sierlib/settings.py, now 16, to half of it" in said
    assert "SIER_WORKERS=1" in said
    assert not explain_shortage(ValueError("shape (3, 4)"), settings.profile("smoke"))
