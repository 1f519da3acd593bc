"""ParallelNet in an executable book: the model, its training and labelling, and DnCShap explanations."""

import logging

__version__ = "0.1.0"

# TensorFlow warns on the pages whenever a second model predicts; nothing is wrong then. It sets its own level when it
# is imported, hence a filter.
logging.getLogger("tensorflow").addFilter(lambda record: record.levelno >= logging.ERROR)
