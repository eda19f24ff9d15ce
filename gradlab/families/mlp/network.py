"""The feed-forward network of R replicas: `depth` blocks of `width` units and a linear readout.

A block is a linear map, a norm, an activation, dropout and a residual add; `x_l` is its output. The first
block maps the input to the width and has no skip. With s the residual scale and N the norm, block l > 1 is

- ``none``: act(N(Wx+b)), or with the norm after the activation N(act(Wx+b))
- ``add``: x + s*that
- ``pre_norm``: x + s*act(W N(x) + b) (Transformer pre-LN, Xiong 2020, arXiv 2002.04745)
- ``post_norm``: N(x + s*act(Wx+b))

Inputs that are indices are looked up first: x is then their vectors, one after another (embeddings).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradlab.components import Named
from gradlab.families import FAMILIES
from gradlab.families.network import Architecture, Start, Tap
from gradlab.nn.activations import activations
from gradlab.nn.embedding import embed
from gradlab.nn.inits import initial_bias, initial_weight
from gradlab.nn.layout import Layout, Params
from gradlab.nn.linear import linear
from gradlab.nn.norms import Mode, norm
from gradlab.streams import generator

__all__ = ["MLP"]


class MLP:
    """One stacked network. It owns no parameters: they are views of a flat buffer that the caller holds."""

    def __init__(self, arch: Architecture) -> None:
        self.arch = arch
        self.activation = activations(arch.activations or [arch.activation])
        self.norm = norm(arch.norm)
        self.learns_scale, self.scale = arch.learns_scale, arch.scale
        own = arch.model.resolve(FAMILIES)
        self.embedding_std: float = own["embedding_std"]
        self.embedding: int = own["embedding"] if arch.vocabulary else 0
        """E, the length of an index's vector; 0 where the inputs are numbers."""
        readout = {"weight": (arch.out_features, arch.width), "bias": (arch.out_features,)}
        self.layout = Layout([*(self._shapes(block) for block in range(arch.depth)), readout])

    def _has_norm(self, block: int) -> bool:
        return self.norm is not None and not (block == 0 and self.arch.residual == "pre_norm")

    def _shapes(self, block: int) -> dict[str, tuple[int, ...]]:
        width = self.arch.width
        fan_in = width if block else self.arch.in_features * (self.embedding or 1)
        shapes: dict[str, tuple[int, ...]] = {
            "weight": (width, fan_in),
            "bias": (width,),
        }
        if self.norm is not None and self._has_norm(block):
            shapes |= dict.fromkeys(self.norm.names, (width,))
        if self.activation.start is not None:
            shapes["slope"] = (1,)
        if self.learns_scale and block > 0:
            shapes["scale"] = (1,)
        if self.embedding and block == 0:
            shapes["embedding"] = (sum(self.arch.vocabulary), self.embedding)
        return shapes

    def initial(self, starts: Sequence[Start]) -> Tensor:
        """Return the flat buffer `[R, P]` of initial parameters, float64 on the CPU.

        Replicas with one seed share their normal draws, block by block from the bottom, so that a deeper
        network begins with the weights of a shallower one; the readout has a stream of its own.
        """
        flat_RP = torch.zeros(len(starts), self.layout.size, dtype=torch.float64)
        for seed in dict.fromkeys(start.seed for start in starts):
            self._fill(flat_RP, seed, [(r, start) for r, start in enumerate(starts) if start.seed == seed])
        return flat_RP

    def _fill(self, flat_RP: Tensor, seed: int, mine: list[tuple[int, Start]]) -> None:
        blocks, readout = generator(seed, "blocks"), generator(seed, "readout")
        fan_in = 0
        for slot in self.layout.slots:
            row = slice(slot.offset, slot.offset + slot.size)
            if slot.name in ("weight", "bias"):
                stream = readout if slot.layer == self.arch.depth else blocks
                z = torch.randn(slot.shape, generator=stream, dtype=torch.float64)
                fan_in = slot.shape[-1] if slot.name == "weight" else fan_in
                made: dict[tuple[Named, float | str], Tensor] = {}  # an orthogonal matrix is dear: once for all alike
                for r, start in mine:
                    kind = (start.init, start.bias_std)
                    if kind not in made:
                        made[kind] = (
                            initial_weight(start.init, z) if slot.name == "weight"
                            else initial_bias(start.init, start.bias_std, z, fan_in)
                        )  # fmt: skip
                    flat_RP[r, row] = made[kind].flatten()
            elif slot.name == "embedding":
                z = torch.randn(slot.size, generator=generator(seed, "embedding"), dtype=torch.float64)
                flat_RP[[r for r, _ in mine], row] = self.embedding_std * z
            else:
                value = {"norm_weight": 1.0, "norm_bias": 0.0, "slope": self.activation.start, "scale": 0.0}[slot.name]
                for r, _ in mine:
                    flat_RP[r, row] = value or 0.0

    def running(self, replicas: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
        """Return fresh running statistics `[L, R, 2, O]` (mean 0, variance 1), or None where the norm keeps none."""
        if self.norm is None or not self.norm.running:
            return None
        running = torch.zeros(self.arch.depth, replicas, 2, self.arch.width, dtype=dtype, device=device)
        running[:, :, 1] = 1
        return running

    def forward(
        self,
        params: Params,
        x: Tensor,
        mode: Mode,
        *,
        running: Tensor | None = None,
        masks_LRNO: Tensor | None = None,
        tap: Tap | None = None,
    ) -> Tensor:
        """Return the readout `[R, N, C]` for inputs `[R, N, I]`, numbers or, with a vocabulary, indices.

        `masks_LRNO` are dropout masks already scaled by 1/(1-p); None drops nothing. `tap` sees every block.
        """
        if self.embedding:
            x = embed(x, params[0]["embedding"], self.arch.vocabulary).flatten(2)
        for block in range(self.arch.depth):
            x = self._block(block, params[block], x, mode, running, masks_LRNO, tap)
        return linear(x, params[-1]["weight"], params[-1]["bias"])

    def _block(
        self, block: int, own: dict[str, Tensor], x: Tensor, mode: Mode,
        running: Tensor | None, masks_LRNO: Tensor | None, tap: Tap | None,
    ) -> Tensor:  # fmt: skip
        form = self.arch.residual

        def normed(t: Tensor, where: str) -> Tensor:
            if self.norm is None or where != place:
                return t
            return self.norm(t, own, None if running is None else running[block], mode)

        place = {"pre_norm": "input" if block else "", "post_norm": "stream"}.get(form, self.arch.norm_position)
        h = normed(linear(normed(x, "input"), own["weight"], own["bias"]), "pre_activation")
        a = self.activation(h, own.get("slope"))
        y = normed(a, "post_activation")
        if masks_LRNO is not None:
            y = y * masks_LRNO[block]
        if form != "none" and block > 0:
            y = x + (own["scale"].unsqueeze(2) * y if self.learns_scale else self.scale * y)
        y = normed(y, "stream")
        if tap is not None:
            tap(block, h, a, y)
        return y
