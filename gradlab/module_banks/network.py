"""A bank of modules of the user, as training and the probe see it."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from gradlab.families.network import Architecture, Context
from gradlab.module_banks.building import arranged, build, example, seeded, streams, theirs
from gradlab.module_banks.graph import traced
from gradlab.module_banks.layout import ModuleLayout, Modules, parameters
from gradlab.module_banks.probe import replica_numbers
from gradlab.module_banks.stacked import Tensors
from gradlab.module_banks.stacking import Stacking, stacking
from gradlab.modules.copies.global_state import default_dtype
from gradlab.nn.parameters import Params
from gradlab.plugins.modules import ModuleFactory
from gradlab.probing.own_profile import OwnProfile
from gradlab.probing.profile import Loss, Numbers

__all__ = ["ModuleBank"]

_CPU = torch.device("cpu")


class ModuleBank(OwnProfile):
    """R replicas of a module that a factory builds, each with the weights of its seed.

    Its `running` tensors are the buffers, the parameters that require no gradient and, where the module draws numbers
    as dropout does, the state of the random stream of each replica. Replicas with one seed draw the same.
    """

    layout: ModuleLayout
    recordable = False

    def __init__(self, arch: Architecture, declared: ModuleFactory) -> None:
        """Raises PluginError for a factory that fails, or a module that a bank cannot have."""
        self.arch, self.declared = arch, declared
        self._modules = Modules(lambda seed: build(arch, declared, seed))
        self._module = build(arch, declared, arch.seeds[0])
        frozen = [name for name, parameter in self._module.named_parameters() if not parameter.requires_grad]
        self._state = (*frozen, *(name for name, _ in self._module.named_buffers()))
        with theirs(arch, declared), torch.no_grad(), seeded(arch.seeds[0], "example"):
            self._module(arranged(arch, declared, example(arch, arch.seeds[0], torch.get_default_dtype())))
        with theirs(arch, declared, "in float64, in which it is probed"):
            self.trace = traced(self._module, arch, declared, arch.seeds[0])
        self.length = len(self.trace.blocks)
        self.layout = ModuleLayout(parameters(self._module, self.trace.block_of), self._modules)
        self.stacking = self._tried()

    def _tried(self) -> Stacking:
        """Return how replicas are computed, as two of them show it."""
        seeds = [self.arch.seeds[0], self.arch.seeds[0] ^ 1]
        (params,) = self.layout.views(self.layout.of_seeds(seeds))
        state = dict(zip(self._state, self._states(seeds, torch.float64, _CPU), strict=True))
        x = torch.stack([example(self.arch, seed, torch.float64) for seed in seeds])
        with theirs(self.arch, self.declared, "in float64"), default_dtype(torch.float64):
            return stacking(
                self._module, params, state, arranged(self.arch, self.declared, x), streams(seeds, "train", _CPU)
            )

    def _states(self, seeds: Sequence[int], dtype: torch.dtype, device: torch.device) -> list[Tensor]:
        return [_to(tensor, dtype).to(device) for tensor in self._modules.states(seeds, self._state)]

    def running(self, replicas: int, dtype: torch.dtype, device: torch.device) -> list[Tensor]:
        """Return buffers and frozen parameters of each replica, `[R, ...]`, and the states of its random streams."""
        tensors = self._states(self.arch.seeds, dtype, device)
        return [*tensors, streams(self.arch.seeds, "train", device)] if self.stacking.draws else tensors

    def whole(self, params: Params, inputs: Tensor, ctx: Context) -> Tensor:
        """Return the outputs. In training the tensors of `ctx.running` move on; else they stay."""
        training, (tensors,) = ctx.mode == "train", params
        dtype = next(iter(tensors.values())).dtype
        running: Tensors = dict(zip(self._state, ctx.running, strict=False))
        state = {name: _to(tensor, dtype, copied=not training) for name, tensor in running.items()}
        random_states = None
        if self.stacking.draws:
            random_states = ctx.running[-1] if training else streams(self.arch.seeds, "eval", inputs.device)
        self._module.train(training)
        with theirs(self.arch, self.declared), default_dtype(dtype):
            output = self.stacking(
                self._module, tensors, state, arranged(self.arch, self.declared, inputs), random_states
            )
        if training:
            for name, tensor in running.items():
                if state[name] is not tensor:
                    tensor.copy_(state[name].detach())
        return output

    def profile(
        self, flat_RP: Tensor, x: Tensor, target: Tensor, loss: Loss, running: Sequence[Tensor],
        smallest_R: Tensor | None, *, everything: bool,
    ) -> Numbers:  # fmt: skip
        """Return the numbers of every replica, one after another, along the cuts of its graph.

        Norms over the batch take the statistics of the probe batch, and dropout draws the same at every probe.
        """
        (params,) = self.layout.views(flat_RP.detach().double())
        state = dict(zip(self._state, running, strict=False))
        module = copy.deepcopy(self._module).to(flat_RP.device, torch.float64)
        small = [0.0] * len(x) if smallest_R is None else smallest_R.tolist()
        rows = []
        for r, seed in enumerate(self.arch.seeds):
            tensors = {name: tensor[r] for name, tensor in (*params.items(), *state.items())}

            def of_outputs(output: Tensor, r: int = r) -> Tensor:
                return loss(output.unsqueeze(0), target[r : r + 1]).squeeze(0)

            with theirs(self.arch, self.declared, "in float64"):
                row = replica_numbers(
                    module, tensors, self.arch, self.declared, self.trace, self.layout, x[r], of_outputs, seed, small[r]
                )
            rows.append(row)
        names = rows[0].keys() if everything else ("loss", "log_grad_norm")
        numbers = {"log_grad_norm_by_layer_RLD": flat_RP.new_empty(len(x), self.length, 0, dtype=torch.float64)}
        for name in names:
            values = torch.tensor([row[name] for row in rows], dtype=torch.float64, device=flat_RP.device)
            numbers[f"{name}_R{'L' * (values.ndim - 1)}"] = values
        return numbers


def _to(tensor: Tensor, dtype: torch.dtype, *, copied: bool = False) -> Tensor:
    """Return numbers in `dtype`, whole numbers and flags as they are."""
    return tensor.to(dtype if tensor.is_floating_point() else tensor.dtype, copy=copied)
