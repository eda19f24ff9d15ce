"""A training step as a CUDA graph: recorded once, then launched in one call instead of hundreds of small ones."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["Replay"]

WARM_UP = 3
"""Ordinary steps before recording, in which libraries and the allocator set themselves up (torch's advice)."""


class Replay:
    """Calls a function of no arguments that works on fixed tensors in place and never waits for the device."""

    def __init__(self, body: Callable[[], None]) -> None:
        self._body = body
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0

    def __call__(self) -> None:
        """Do what the function does once: by calling it at first, by its recording from then on."""
        if self._calls < WARM_UP:
            self._calls += 1
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                self._body()
            torch.cuda.current_stream().wait_stream(self._stream)
            return
        if self._graph is None:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self._stream):  # records; nothing is computed
                self._body()
            self._graph = graph
        self._graph.replay()
