"""Start a Dask cluster on this machine, run a command that builds on it, and end both.

python -m benchmarks.cluster 2 make book PROFILE=smoke
"""

from __future__ import annotations

import os
import subprocess
import sys

from distributed import LocalCluster


def main() -> int:
    """Run a command with the cluster's address in its environment; return its exit status."""
    if len(sys.argv) < 3 or not sys.argv[1].isdigit():
        print("usage: python -m benchmarks.cluster WORKERS COMMAND ...", file=sys.stderr)
        return 2
    with LocalCluster(n_workers=int(sys.argv[1]), threads_per_worker=1) as cluster:
        print(f"DASK={cluster.scheduler_address}, seen at {cluster.dashboard_link}", flush=True)
        asked = {**os.environ, "DASK": cluster.scheduler_address}
        return subprocess.run(sys.argv[2:], env=asked, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
