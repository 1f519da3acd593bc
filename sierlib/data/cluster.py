"""Work that is shared out over a Dask cluster, where ``$DASK`` is the address of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def on_cluster() -> Iterator[None]:
    """Let joblib's calls in here go to the cluster at ``$DASK``, such as ``tcp://10.0.0.1:8786``.

    Its workers need this package and the same disk. What a worker that is lost was at, another one
    does. Without an address everything stays on this machine.

    Raises
    ------
    ValueError
        Where nothing answers at the address, no worker is there, or ``distributed`` is missing.
    """
    address = os.environ.get("DASK")
    if not address:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            f"DASK={address} needs a package that is not installed: pip install distributed"
        ) from error
    from joblib import parallel_config

    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"DASK={address}: no scheduler answers there. Start one (dask scheduler, and on each "
            "machine dask worker ADDRESS --nthreads 1), or unset DASK"
        ) from error
    with client:
        if not client.scheduler_info()["workers"]:
            raise ValueError(
                f"DASK={address}: no worker has joined: dask worker {address} --nthreads 1"
            )
        with parallel_config("dask"):
            yield
