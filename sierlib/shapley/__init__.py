"""Explain a prediction by Shapley values of regions, by divide and conquer (Section 3.3)."""

from sierlib.shapley.explain import Explanation, Region, explain
from sierlib.shapley.interactions import Interactions, interactions

__all__ = ["Explanation", "Interactions", "Region", "explain", "interactions"]
