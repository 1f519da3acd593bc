"""Data: corpora in their own layouts, speech and pictures as arrays, shards, batches."""
