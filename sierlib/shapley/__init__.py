"""Explain a prediction by Shapley values of regions, by divide and conquer (Section 3.3)."""

from sierlib.shapley.explain import Explanation, Region, explain

__all__ = ["Explanation", "Region", "explain"]
