"""The embedded corpus: generated sentences and drawn pictures, with their ground truth."""
