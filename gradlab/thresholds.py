"""The thresholds by which results are read, each in one place: every table, picture, page and sentence uses these."""

from __future__ import annotations

__all__ = ["ABSURD_METRIC", "FADING", "LEARNED_SHARE", "LISTED_SHARE", "METRIC_FLOORS", "UNEXPLAINED_Z"]

UNEXPLAINED_Z = 3.5
"""|z| beyond which mean-field theory does not explain a mean over seeds."""
LEARNED_SHARE = 0.5
"""Share of the seeds of a configuration; it learned where more of them did."""
LISTED_SHARE = 0.005
"""Share of the variance; an interaction below it in every response is counted, not listed."""
FADING = 1 / 3
"""Share of the way to a verdict's threshold, in orders of magnitude, from which a gradient is fading or growing."""
ABSURD_METRIC = 1e6
"""Modulus of a metric beyond which it measures nothing: an R² of -1e6 is an error of a thousand standard deviations."""
METRIC_FLOORS = {"accuracy": 0.0, "r2": 0.0, "saved": 0.0, "recalled": 0.0}
"""Where a choice between settings stops to tell metrics apart: what a prediction without knowledge has, or less. Those
of tasks of the user are not among them."""
