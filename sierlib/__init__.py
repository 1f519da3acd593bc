"""ParallelNet in an executable book: the model, its training and labelling, and DnCShap
explanations."""

import logging
import os

__version__ = "0.1.0"

# TensorFlow uses oneDNN's kernels by itself only on processors with instructions made for neural
# networks (VNNI, BF16, AMX). On one with AVX2 a training step takes two to three times as long
# without them (measured while building). It reads this when it is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# TensorFlow warns on the pages whenever a second model predicts; nothing is wrong then. It sets its
# own level when it is imported, hence a filter.
logging.getLogger("tensorflow").addFilter(lambda record: record.levelno >= logging.ERROR)
