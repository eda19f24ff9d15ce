"""The blocks of a chain, and what the rules that choose them have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from torch import nn
from torch.nn.utils.parametrize import ParametrizationList

from gradlab.modules.graph.capture import Call
from gradlab.modules.graph.cuts import Edge, Graph

__all__ = [
    "CONTAINERS",
    "FEWEST",
    "MANY",
    "MOST_OF",
    "REPLAYED",
    "Block",
    "Chain",
    "block_of",
    "has_weight",
    "output_place",
    "parameters_of",
    "reached_place",
    "size_of",
    "weights_of",
    "without_tables",
]  # fmt: skip

FROM_WEIGHT_TO_WEIGHT = "from weight to weight"
"""The rule of a chain of maps, the last that is tried."""
REPLAYED = "gradlab_replayed"
"""Name of the attribute of a module that stands for one step of another: a tuple with the other."""
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
FEWEST = 3
"""Blocks that a class or the joins must make to be taken for the chain."""
MANY = 6
"""Matrices and kernels inside one block from which a model with fewer blocks than that is said to have no chain."""
MOST_OF = 0.8


@dataclass(frozen=True, slots=True)
class Block:
    """One element of a profile."""

    name: str
    kind: str
    call: int
    """The number of the call, of a module that is called several times."""
    edge: Edge
    is_cut: bool = True
    is_state: bool = False
    """Whether it is the state of a cell after a time step, of a chain over time."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The blocks from the source to the loss."""

    blocks: tuple[Block, ...]
    rule: str
    """How they were chosen, for the reader."""
    graph: Graph
    """What their places among the cuts refer to."""
    of_modules: bool = False
    """Whether they are all calls of one class, or in like places."""


def parameters_of(modules: Collection[nn.Module]) -> int:
    return size_of({parameter for module in modules for parameter in module.parameters()})


def along_the_chain(model: nn.Module, graph: Graph) -> int:
    """Return the number of parameters that blocks could hold: those that the loss depends on, without embeddings and
    without what works on other inputs alone."""
    if graph.along is None:
        graph.along = size_of(parameter for parameter in without_tables(model, graph) if graph.uses(parameter))
    return graph.along


def without_tables(model: nn.Module, graph: Graph) -> set[nn.Parameter]:
    """Return the parameters of a model but those of its embeddings."""
    tables = (module for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag))
    parameters = {*model.parameters()} - {parameter for table in tables for parameter in table.parameters()}
    return {parameter for parameter in parameters if not graph.is_table(parameter)}


def size_of(parameters: Iterable[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def block_of(call: Call, edge: Edge, *, is_cut: bool = True) -> Block:
    return Block(call.name or call.kind, call.kind, call.number, edge, is_cut)


def has_weight(call: Call) -> bool:
    """Return whether a module has a matrix or a kernel itself, and is no embedding."""
    any_matrix = any(weight.ndim > 1 for weight in weights_of(call.module))
    return any_matrix and not isinstance(call.module, nn.Embedding | nn.EmbeddingBag | ParametrizationList)


def weights_of(module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of a module itself, not of its parts; of a weight that is computed, with weight norm, say,
    those that it is computed of."""
    weights = module._parameters.values()  # asked of every call: `parameters()` takes twenty times as long
    known = [weight for weight in weights if weight is not None]
    computed = module._modules.get("parametrizations")
    return [*known, *computed.parameters()] if isinstance(computed, nn.ModuleDict) else known


def output_place(graph: Graph, call: Call) -> int | None:
    """Return the place of the cut that a call ends in; None where it ends in none, or hands on what it took."""
    if call.unchanged:
        return None
    places = [place for output in call.outputs if (place := graph.place(output)) is not None]
    return max(places, default=None)


def reached_place(graph: Graph, call: Call) -> int:
    """Return the place of the highest cut that a call's output is or depends on; -1 where the loss does not use it."""
    places = [graph.highest_cut[edge.node] for edge in call.outputs if edge and edge.node in graph.highest_cut]
    return max(places, default=-1)
