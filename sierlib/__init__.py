"""ParallelNet in an executable book: the model, its training and labelling, and DnCShap explanations."""

import logging

__version__ = "0.1.0"

# TensorFlow warns on the pages whenever a second model predicts; nothing is wrong then.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
