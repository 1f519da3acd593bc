"""The paper's experiment: labels by two teachers, the data set's manifest, the table of networks,
their training."""
