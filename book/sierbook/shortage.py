"""What to do where a device has too little memory."""

from __future__ import annotations

from typing import Any

from sierlib.settings import Profile

#: Parts of the message of an error for want of memory, of TensorFlow and of JAX.
_OUT_OF_MEMORY = ("OOM when allocating", "ResourceExhausted", "RESOURCE_EXHAUSTED", "out of memory")


def explain_shortage(message: Any, profile: Profile) -> str:
    """Say what to do about an error for want of memory; "" where it is another one."""
    if not any(part in str(message) for part in _OUT_OF_MEMORY):
        return ""
    return (
        "\nthe device's memory does not hold what is computed at once: let less run beside it "
        f"(SIER_WORKERS=1), or where a network is trained set `batch` of profile {profile.name} in "
        f"sierlib/settings.py, now {profile.batch}, to half of it; what was made is kept"
    )
