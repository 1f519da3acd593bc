"""The widget that shows one explained prediction, in Jupyter and in a page without a kernel."""

from sierlib.explorer.explorer import Explorer, explanation_payload, sample_payload, static_html

__all__ = ["Explorer", "explanation_payload", "sample_payload", "static_html"]
