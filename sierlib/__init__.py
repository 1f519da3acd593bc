"""ParallelNet in an executable book: the model, its training and labelling, and DnCShap explanations."""

__version__ = "0.1.0"
