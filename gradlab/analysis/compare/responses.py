"""The responses that a comparison can be about."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RESPONSES", "Response"]


@dataclass(frozen=True, slots=True)
class Response:
    """The column of ``cells`` it is in, whether that is a log10, and what it is called.

    In a `title` stand the words of the axis: ``{ratio}`` (what survival is), ``{unit}`` and ``{units}``.
    """

    name: str
    column: str
    log: bool
    title: str


RESPONSES = {
    response.name: response
    for response in (
        Response("survival", "log10_survival", True, "survival before training: {ratio}"),
        Response("survival_final", "log10_survival_final", True, "survival after training: {ratio}"),
        Response("decay", "log10_decay", True, "factor per {unit} before training"),
        Response("reach", "log10_reach", True, "{units} until a thousandth is left, or a thousandfold"),
        Response("metric", "metric", False, "final metric"),
        Response("loss", "loss", False, "final loss"),
        Response("learned", "learned", False, "share of the seeds that learned"),
    )
}
"""By name, as ``--metric`` has it."""
