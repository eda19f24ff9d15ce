"""What a run would find wrong with a module, found before it."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from gradlab.cell import Cell
from gradlab.errors import UsageError
from gradlab.families import FAMILIES
from gradlab.families.chain import outputs
from gradlab.families.network import Context
from gradlab.module_banks.building import refuse
from gradlab.module_banks.network import ModuleBank
from gradlab.tasks import Data, load
from gradlab.training.loop import architecture
from gradlab.training.precision import Precision

__all__ = ["check"]


def check(cells: Iterable[Cell]) -> None:
    """Build each network of some cells once and try it on a few samples.

    Raises:
        PluginError: the factory or the module fails, or the module is not what a bank can have.
        UsageError: a setting does not fit it.
    """
    data: dict[object, Data] = {}
    tried: dict[object, Cell] = {}
    for cell in cells:
        tried.setdefault((cell.model, cell.depth, cell.width, cell.task, cell.seq_len, cell.precision), cell)
    for cell in tried.values():
        source = (cell.task, cell.seq_len)
        if source not in data:
            data[source] = load(cell.task, (cell.seed,), cell.seq_len)
        _try(cell, data[source])


def _try(cell: Cell, data: Data) -> None:
    name = cell.model.name
    if cell.dropout:
        raise UsageError(f"model {name} has nothing that dropout acts on", "leave dropout out")
    network: ModuleBank = FAMILIES[name].load()(architecture([cell], data))
    if network.length != cell.blocks:
        names = ", ".join(network.trace.blocks[:6]) + (", …" if network.length > 6 else "")
        count = f"{network.length} block{'s' * (network.length != 1)}"
        options = ", ".join([f"depth {cell.depth}", *(f"{key} {value}" for key, value in cell.model.params)])
        refuse(
            network.declared,
            f"its graph has {count} ({names}), not {cell.blocks}, with {options}",
            "say how many in gl.module(…, length=…), or which they are: blocks=…",
        )
    precision, device = Precision.of(cell.precision), torch.device("cpu")
    if precision.compute == torch.float64:
        return
    flat_RP = network.layout.of_seeds(network.arch.seeds).to(precision.compute)
    x = data.train_x[:1, :4]
    x = x.to(precision.compute) if x.is_floating_point() else x.long()
    running = network.running(1, precision.master, device)
    outputs(network, network.layout.views(flat_RP), x, Context("train", running))
