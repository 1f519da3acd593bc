"""The machine: processor, device, precision, number of workers; how numbers are rounded by them."""

from __future__ import annotations

import os
import platform
import re
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

from sierlib import settings


def count_workers() -> int:
    """Return how many networks are trained at once.

    Two where there are two cores and no GPU, else one; or what ``$SIER_WORKERS`` says, but never
    more than there are cores. Raises ValueError where that is no number.
    """
    cores = os.cpu_count() or 1
    if chosen := os.environ.get("SIER_WORKERS"):
        if not chosen.isdecimal():
            raise ValueError(f"SIER_WORKERS={chosen}: a number of processes was expected")
        return min(max(1, int(chosen)), cores)
    from sierlib.backend import find_gpus

    return 1 if find_gpus() else min(2, cores)


@cache
def end_with_parent() -> None:
    """End this process when the one that started it is gone, killed for instance."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def describe_device() -> str:
    """Name what is trained on, for the reader."""
    from sierlib.backend import find_gpus

    if gpus := find_gpus():
        return ", ".join(gpus)
    processor = describe_processor()
    return f"CPU ({processor['processor']}, {processor['cores']} cores)"


def choose_precision(profile: settings.Profile) -> str:
    """Choose what training computes in: "float32" or "mixed_bfloat16".

    bfloat16 where the processor gains by it (AMX), except in profile "paper"; or what
    ``$SIER_PRECISION`` says. Raises ValueError where that is neither.
    """
    if chosen := os.environ.get("SIER_PRECISION"):
        if chosen not in ("float32", "mixed_bfloat16"):
            raise ValueError(f"SIER_PRECISION={chosen}: float32 or mixed_bfloat16 was expected")
        return chosen
    from sierlib.backend import find_gpus

    fast = "amx_bf16" in describe_processor()["features"]
    if profile.name == "paper" or find_gpus() or not fast:
        return "float32"
    return "mixed_bfloat16"


def describe_processor() -> dict[str, Any]:
    """Describe the processor: name, cores and the features that decide how numbers are rounded."""
    text = (
        Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    )
    name = re.search(r"model name\s*: (.*)", text)
    flags = sorted(set(re.findall(r"\b(?:avx2|avx512f|avx512_bf16|amx_bf16)\b", text)))
    return {
        "processor": name.group(1) if name else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "features": flags,
        "system": f"{platform.system()} {platform.machine()}",
    }
