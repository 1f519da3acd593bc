"""Fixtures of the explorer's tests, for those of its report."""

from tests.sierlib.explorer.conftest import photo, speech_once, spoken  # noqa: F401
