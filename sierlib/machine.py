"""The machine: processor, device, precision, number of workers; how numbers are rounded by them."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

from sierlib import settings


def count_workers() -> int:
    """Return how many networks are trained at once.

    Two where there are two cores and no GPU, else one; or what ``$SIER_WORKERS`` says.
    """
    import tensorflow as tf

    if chosen := os.environ.get("SIER_WORKERS"):
        return max(1, int(chosen))
    return 1 if tf.config.list_physical_devices("GPU") or (os.cpu_count() or 1) < 2 else 2


def describe_device() -> str:
    """Name what is trained on, for the reader."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        names = zip(details, gpus, strict=True)
        return ", ".join(detail.get("device_name", gpu.name) for detail, gpu in names)
    processor = describe_processor()
    return f"CPU ({processor['processor']}, {processor['cores']} cores)"


def choose_precision(profile: settings.Profile) -> str:
    """Choose what training computes in: "float32" or "mixed_bfloat16".

    bfloat16 where the processor gains by it (AMX), except in profile "paper".
    """
    import tensorflow as tf

    fast = "amx_bf16" in describe_processor()["features"]
    if profile.name == "paper" or tf.config.list_physical_devices("GPU") or not fast:
        return "float32"
    return "mixed_bfloat16"


def describe_processor() -> dict[str, Any]:
    """Describe the processor: name, cores and the features that decide how numbers are rounded."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    name = re.search(r"model name\s*: (.*)", text)
    flags = sorted(set(re.findall(r"\b(?:avx2|avx512f|avx512_bf16|amx_bf16)\b", text)))
    return {
        "processor": name.group(1) if name else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "features": flags,
        "system": f"{platform.system()} {platform.machine()}",
    }
