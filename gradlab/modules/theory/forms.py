"""What a block is made of, where it is made of maps, norms, activations, attention and adds that theory knows."""

from __future__ import annotations

from torch import nn

from gradlab.modules.graph.capture import Call, Capture
from gradlab.modules.graph.cuts import Edge, Graph
from gradlab.modules.parts import Form, Part, Step
from gradlab.modules.theory.attention import attention
from gradlab.modules.theory.form_steps import Reader
from gradlab.modules.theory.module_steps import UnknownPart

__all__ = ["Forms"]


class Forms:
    """The forms of the blocks of one forward pass."""

    def __init__(self, capture: Capture, graph: Graph) -> None:
        self._graph = graph
        producers: dict[Edge, Call] = {}
        for call in capture.calls:
            inner = [name for name, _ in call.module.named_children() if name != "parametrizations"]
            if not inner and not call.unchanged and call.outputs and call.outputs[0]:
                producers.setdefault(call.outputs[0], call)
        self._reader = Reader(graph, producers)
        self._tokens_first = any(
            isinstance(call.module, nn.MultiheadAttention) and not call.module.batch_first for call in capture.calls
        )

    def between(self, below: Edge | None, edge: Edge) -> Form:
        """Return the form of the block between two cuts; to be called before the graph is freed."""
        if below is None:
            return Form(unknown="the first block has no factor: it ends at the data")
        parts: list[Part] = []
        try:
            while edge != below:
                part, edge = self._part(edge, below)
                parts.append(part)
        except UnknownPart as unknown:
            return Form(unknown=str(unknown))
        return Form(tuple(reversed(parts)))

    def _part(self, edge: Edge, below: Edge) -> tuple[Part, Edge]:
        """Return the part that ends at `edge`, and where it begins: at `below` or where the branches of an add do."""
        after, reached = self._trace(edge, below)
        if reached == below:
            return Part((after,)), below
        start = self._stream(reached, below)
        return Part(self._branches(reached, start), after), start

    def _stream(self, add: Edge, below: Edge) -> Edge:
        """Return the highest cut under an add, which all of its branches lead to; `below` where there is none."""
        place, lowest = self._graph.place(add), self._graph.place(below)
        if place is None or lowest is None or place <= lowest:
            return below
        return self._graph.cuts[place - 1]

    def _branches(self, add: Edge, below: Edge) -> tuple[tuple[Step, ...], ...]:
        branches: list[tuple[Step, ...]] = []
        alpha = float(getattr(add.node, "_saved_alpha", 1))
        for place, start in self._reader.inputs(add.node):
            steps, end = self._trace(start, below)
            scaled = (Step("scale", abs(alpha), parameters=(alpha,)),) if place == 1 and alpha != 1 else ()
            if end == below:
                branches.append((*steps, *scaled))
            elif not steps:  # an add of three
                branches += [(*inner, *scaled) for inner in self._branches(end, below)]
            else:
                raise UnknownPart("an add inside a branch")
        return tuple(branches)

    def _trace(self, edge: Edge, below: Edge) -> tuple[tuple[Step, ...], Edge]:
        """Return the steps on the way down to `below` or an add, the lowest first, and which of the two it is."""
        steps: list[Step] = []
        while edge != below:
            if edge.operation == "Add" and len(self._reader.inputs(edge.node)) > 1:
                return tuple(reversed(steps)), edge
            step, edge = attention(self._reader, edge) or self._reader.step(edge)
            mixing = step.mixing if step is not None else None
            if mixing is not None and mixing.samples == mixing.tokens and self._tokens_first:
                raise UnknownPart("as many sequences as tokens, of a module that is called with the tokens first")
            if step is not None:
                steps.append(step)
        return tuple(reversed(steps)), edge
