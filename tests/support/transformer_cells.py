"""Small transformers in float64: every shape of block, and every option."""

from __future__ import annotations

import dataclasses
from typing import Any

from contract import SMALL, STARTS, named
from pairwise import full_product

from gradlab.cell import Cell
from gradlab.components import ACTIVATIONS, NORMS, RESIDUALS, Named
from gradlab.families import FAMILIES

__all__ = ["ALLOWED", "BASE", "IMAGES", "SHAPES", "VARIANTS", "bank", "transformer"]

ALLOWED = FAMILIES["transformer"].allows
FACTORS = (ALLOWED["norm"], ALLOWED["residual"], list(ACTIVATIONS))
SHAPES = full_product(*FACTORS)
BASE = dataclasses.replace(
    SMALL, task=Named("sequential_digits"), seq_len=4, width=8, depth=2, norm=Named("layer"),
    residual=Named("pre_norm"), activation=Named("tanh"), init=Named("xavier_normal"),
)  # fmt: skip
IMAGES: dict[str, Any] = {"task": Named("digits"), "seq_len": None}
TOKENS: dict[str, Any] = {"task": Named("temporal_order", (("samples", 64),)), "seq_len": 12}
EACH: dict[str, Any] = {"task": Named("char_lm"), "seq_len": 7}


def transformer(**options: Any) -> Named:
    return Named("transformer", tuple(options.items()))


def bank(shape: tuple[str, str, str]) -> list[Cell]:
    """Every init, two seeds and mixed rates for one shape of block, some with dropout or a learned scale."""
    norm, residual, activation = shape
    base = dataclasses.replace(
        BASE, model=transformer(heads=2, ff=2), norm=named(NORMS, norm), residual=named(RESIDUALS, residual),
        activation=Named(activation), residual_scale="learned_zero" if activation == "prelu" else 0.7,
    )  # fmt: skip
    return [
        dataclasses.replace(base, init=init, seed=i % 2, lr=0.01 * (1 + i % 3), l2=1e-3 * (i % 2))
        for i, init in enumerate(STARTS)
    ]


VARIANTS: dict[str, dict[str, Any]] = {
    "images": {**IMAGES, "model": transformer(patch=4)},
    "images, pixels": {**IMAGES, "model": transformer(patch=1, heads=1, ff=1), "probe_batch_size": 3},
    "indices": {**TOKENS, "model": transformer(heads=2)},
    "a target for each token": {**EACH, "model": transformer(heads=2)},
    "a target for each token, seen from both sides": {
        "task": Named("copy_memory", (("samples", 32),)), "seq_len": 23, "model": transformer(causal=False),
    },
    "causal, last": {"model": transformer(causal=True, pool="last")},
    "first": {"model": transformer(pool="first")},
    "sinusoids": {"model": transformer(positions="sinusoidal")},
    "sinusoids, odd width": {"model": transformer(positions="sinusoidal", heads=3), "width": 9},
    "no positions": {"model": transformer(positions="none")},
    "shaped": {"model": transformer(attention="shaped")},
    "shaped, causal": {"model": transformer(attention="shaped", causal=True, softcap=2.0)},
    "normed queries and keys": {"model": transformer(qk_norm=True)},
    "capped": {"model": transformer(softcap=1.5)},
    "gated": {"model": transformer(gate=True), "activation": Named("silu")},
    "gated, learned": {"model": transformer(gate=True), "activation": Named("prelu")},
    "attention alone": {"model": transformer(ff=0)},
    "mlp alone": {"model": transformer(attention="none")},
    "gains": {"model": transformer(qk_gain=2.0, vo_gain=0.5, in_gain=1.5, out_gain=0.7)},
    "final norm": {"model": transformer(final_norm=True), "residual": Named("post_norm")},
    "no final norm": {"model": transformer(final_norm=False)},
    "a single token": {"model": transformer(), "seq_len": 1},
    "dropout": {"model": transformer(), "dropout": 0.3},
    "dropout, images, sandwich": {**IMAGES, "model": transformer(), "dropout": 0.3, "residual": Named("sandwich")},
    "scaled": {"model": transformer(), "residual": Named("add"), "residual_scale": "1/sqrt(2*depth)"},
}  # fmt: skip
