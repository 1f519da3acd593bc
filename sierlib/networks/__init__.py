"""Networks: ParallelNet and its family, what N2 may hold, the loss, and how one is fitted."""

from sierlib.networks.parallelnet import parallel_net, teacher, unimodal

__all__ = ["parallel_net", "teacher", "unimodal"]
