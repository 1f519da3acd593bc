"""The paper's experiment: labels by two teachers, manifest, table of networks, training."""
