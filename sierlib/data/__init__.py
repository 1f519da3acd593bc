"""Data: corpora in their own layouts, speech and pictures as arrays, shards of arrays, and what
feeds the networks."""
