"""Tests of the whole book."""
