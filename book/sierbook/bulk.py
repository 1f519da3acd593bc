"""Explain a whole part of a data set: several samples at once, here or on a Dask cluster."""

from __future__ import annotations

import os
import time
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sierbook.batching import Sample, explain_together
from sierlib import settings
from sierlib.backend import find_gpus
from sierlib.data.cluster import on_cluster
from sierlib.data.feed import read_inputs
from sierlib.experiment.models import NETWORKS, select_rows
from sierlib.experiment.train import artefact_name, digest_rows, load_model
from sierlib.experiment.workers import run_in_workers
from sierlib.files import ensure_folder, replacing
from sierlib.keys import digest, source_key
from sierlib.run import Run
from sierlib.shapley import Explanation, explain

#: Samples of a file, which is explained in one go.
CHUNK = 8


def explain_part(
    run: Run,
    network: str = "fused",
    part: str = "test",
    *,
    depth: int | None = None,
    first: int | None = None,
) -> dict[str, Any]:
    """Explain what a network predicts for all rows of a part, by exact Owen values.

    Several processes do it where there is no GPU, or the workers of a Dask cluster (`on_cluster`);
    on a GPU the samples of a chunk share batches (`explain_together`).
    What an interrupted call has explained is kept: a chunk of rows is a file, whole or not there.

    Parameters
    ----------
    run
        With that network trained.
    network
        One of `sierlib.experiment.models`.
    part
        "train", "validation" or "test".
    depth
        Halvings inside a modality; by default the profile's.
    first
        Only so many rows, and those that fill up the last file.

    Returns
    -------
    dict
        ``folder``; ``rows`` in it, ``explained`` by this call, in so many ``seconds``, and
        ``per_second``. In the folder are ``values.csv``, with a row for each sample that was
        explained so far (id, label, the predicted class, ``value`` and ``base`` of its score, what
        ``speech`` and ``image`` are worth, ``interaction``, ``evaluations``), and ``maps-*.npz`` of
        `CHUNK` samples each: ``id`` (n,), the columns as ``values_*``, and by modality (n, 128,
        128) float32, whose pixels sum to the modality's value.

    Raises
    ------
    FileNotFoundError
        Where the network is not trained.
    ValueError
        Where no network, part, or sample is of that name or number.
    """
    if network not in NETWORKS:
        raise ValueError(f"unknown network {network!r}: choose one of {', '.join(NETWORKS)}")
    parts = select_rows(run, NETWORKS[network])
    if part not in parts:
        raise ValueError(f"unknown part {part!r}: choose one of {', '.join(parts)}")
    if first is not None and first < 1:
        raise ValueError(f"first={first}; expected 1 or more")
    load_model(run, network)  # says what to run first, before any process is started
    depth = run.profile.depth if depth is None else depth
    rows = parts[part]
    folder = _find_folder(run, network, part, depth)
    start = time.perf_counter()

    chunks = [rows.iloc[begin : begin + CHUNK] for begin in range(0, len(rows), CHUNK)]
    files = [folder / f"maps-{digest_rows(chunk)}.npz" for chunk in chunks]
    tables = {file: _read_table(file) for file in files}
    wanted = range(len(files) if first is None else min(len(files), -(-first // CHUNK)))
    missing = [number for number in wanted if tables[files[number]] is None]
    jobs = [(run, network, chunks[number], depth, files[number]) for number in missing]
    for file in _share_out(jobs):
        tables[file] = _read_table(file)
        if tables[file] is None:
            raise ValueError(
                f"{file} was written by a worker and cannot be read here: a run's folder has to be "
                "on a disk that all machines of the cluster share"
            )
    seconds = time.perf_counter() - start

    table = pd.concat([each for each in tables.values() if each is not None], ignore_index=True)
    with replacing(folder / "values.csv") as partial:
        table.to_csv(partial, index=False)
    explained = sum(len(chunks[number]) for number in missing)
    return {
        "folder": str(folder),
        "rows": len(table),
        "explained": explained,
        "seconds": round(seconds, 1),
        "per_second": round(explained / seconds, 2),
    }


def _find_folder(run: Run, name: str, part: str, depth: int) -> Path:
    """Return where explanations of this network, part and depth go: another one's go elsewhere."""
    shapley = ("sierlib.shapley.explain", "sierlib.shapley.keras_parts")
    key = digest(run.key_of(artefact_name(name)), source_key(*shapley))[:8]
    return ensure_folder(run.folder / "explanations" / f"{name}-{part}-depth{depth}-{key}")


def _share_out(jobs: Sequence[tuple[Any, ...]]) -> Iterable[Path]:
    """Explain chunks on a cluster where ``$DASK`` names one, else in processes of this machine."""
    if not os.environ.get("DASK"):
        return run_in_workers(_explain_chunk, jobs, "explain", unit="chunk")
    with on_cluster():
        from distributed import as_completed, default_client
        from tqdm.auto import tqdm

        client = default_client()
        waiting = [client.submit(_explain_chunk, *job, pure=False) for job in jobs]
        done = tqdm(as_completed(waiting), total=len(jobs), desc="explain", unit="chunk")
        return [future.result() for future in done]


def _explain_chunk(run: Run, name: str, rows: pd.DataFrame, depth: int, file: Path) -> Path:
    """Explain some rows and write them, their table and maps in one file."""
    path = run.folder / f"{artefact_name(name)}.keras"
    model = _open_model(path, path.stat().st_mtime_ns)
    modalities = [tensor.name for tensor in model.inputs]
    inputs = read_inputs(rows, run.folder / "dataset")
    classes = NETWORKS[name].classes
    table: dict[str, list[Any]] = {column: [] for column in COLUMNS}
    maps: dict[str, list[np.ndarray]] = {modality: [] for modality in modalities}
    samples = []
    for number in range(len(rows)):
        samples.append({modality: arrays[number] for modality, arrays in inputs.items()})
    for row, found in zip(rows.itertuples(), _explain(model, samples, depth), strict=True):
        worth = {modality: found.maps[modality].sum() for modality in modalities}
        values = {
            "id": row.id,
            "label": row.answer,
            "predicted": classes[found.target],
            "value": found.value,
            "base": found.base_value,
            "interaction": found.interaction,
            "evaluations": found.n_evals,
            **{modality: worth.get(modality, np.nan) for modality in settings.MODALITIES},
        }
        for column, value in values.items():
            table[column].append(value)
        for modality in modalities:
            maps[modality].append(found.maps[modality].astype(np.float32))
    # A modality names both a column and maps.
    arrays: dict[str, Any] = {f"values_{name}": np.array(each) for name, each in table.items()}
    arrays |= {modality: np.stack(each) for modality, each in maps.items()}
    arrays["id"] = arrays["values_id"]
    with replacing(file) as partial:
        np.savez_compressed(partial, **arrays)
    return file


def _explain(model: Any, samples: Sequence[Sample], depth: int) -> Iterable[Explanation]:
    """Explain samples in batches that they share where there is a GPU, else one after the other."""
    if find_gpus() and len(model.inputs) > 1:
        # The last chunk, too, is computed in the shape that was compiled.
        return explain_together(model, samples, room_for=CHUNK, depth=depth)
    return (explain(model, **sample, depth=depth, progress=False) for sample in samples)


#: Of `values.csv`.
COLUMNS = (
    "id",
    "label",
    "predicted",
    "value",
    "base",
    *settings.MODALITIES,
    "interaction",
    "evaluations",
)


def _read_table(file: Path) -> pd.DataFrame | None:
    """Return the table in a file of explanations; None where that is missing or damaged."""
    with suppress(OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        with open(file, "rb") as opened, np.load(opened) as kept:
            arrays = dict(kept)  # the maps too, whose checksums are looked at by that
        return pd.DataFrame({column: arrays[f"values_{column}"] for column in COLUMNS})
    return None


@lru_cache(maxsize=1)
def _open_model(path: Path, changed: int) -> Any:
    """Read a network once in each process; again where it was trained anew since."""
    import keras

    from sierlib.networks import parallelnet  # noqa: F401, Keras finds its layers by name then

    return keras.saving.load_model(path, compile=False)
