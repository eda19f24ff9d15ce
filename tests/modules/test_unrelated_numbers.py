"""Numbers that look like those of attention, of copies or of a stream, and are none: no cause may be read off them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import gradlab as gl
from gradlab.modules.causes.rules import causes
from gradlab.modules.measuring.probe import measure
from gradlab.modules.measuring.weights import equal_weights

WIDTH, TOKENS = 16, 8


class Gated(nn.Module):
    """A residual block of experts under a gate that is sure of one of them, of shape [batch, tokens, experts]."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.experts = nn.Linear(WIDTH, 4), nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(4)])
        nn.init.constant_(self.gate.bias[:1], 40.0)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.gate(x).softmax(-1)
        return x + sum(weights[..., place, None] * expert(x) for place, expert in enumerate(self.experts))


class Attention(nn.Module):
    """Residual attention by hand; `scores_by` multiplies the scores: at 0 each token attends to all alike."""

    def __init__(self, scores_by: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.qkv, self.scores_by, self.dropout = nn.Linear(WIDTH, 3 * WIDTH), scores_by, nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, -1)
        weights = (self.scores_by * query @ key.mT).softmax(-1)
        return x + self.dropout(weights)[:, None].squeeze(1) @ value


def entropies(*layers: nn.Module) -> list[float]:
    torch.manual_seed(0)
    return [block.attention_entropy for block in measure(nn.Sequential(*layers), torch.randn(2, TOKENS, WIDTH)).blocks]


def test_the_softmax_of_a_gate_is_no_attention() -> None:
    assert all(math.isnan(entropy) for entropy in entropies(*[Gated() for _ in range(3)]))
    assert entropies(*[Attention(0.0, 0.1) for _ in range(3)]) == pytest.approx([1.0] * 3)


def test_a_softmax_over_another_axis_is_no_attention() -> None:
    """Of linear attention: keys over the tokens, which makes no matrix of tokens by tokens."""

    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.maps = nn.Linear(WIDTH, 2 * WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            key, value = self.maps(x).chunk(2, -1)
            return x + x @ (key.softmax(-2).mT @ value)

    assert all(math.isnan(entropy) for entropy in entropies(*[Linear() for _ in range(3)]))


def test_what_an_initialisation_does_not_draw_is_no_copy() -> None:
    torch.manual_seed(0)
    rates = torch.arange(1.0, 17).log().expand(64, 16)  # as state-space models start with
    starts = {
        "eye": torch.eye(16), "shifted": torch.eye(16)[:4] * 0.5, "rates": rates, "zeros": torch.zeros(4, 4),
        "drawn": torch.randn(64, 16), "short": torch.randn(64, 64).bfloat16(),
    }  # fmt: skip
    padded = torch.randn(100, 80)
    padded[0] = 0
    starts["padded"] = padded
    both = {f"{name}.{place}": tensor.clone() for name, tensor in starts.items() for place in range(2)}
    assert equal_weights(both) == (("drawn.0", "drawn.1"), ("short.0", "short.1"), ("padded.0", "padded.1"))


def test_tokens_alike_in_the_output_of_a_branch_are_no_collapse() -> None:
    """With as little a query as cross-attention starts with, the branch is the same for all tokens, the stream not."""
    profile = measure(nn.Sequential(*[Attention() for _ in range(4)]), torch.randn(2, TOKENS, WIDTH))
    cosines = (0.1, 0.5, 0.9, 0.999)
    blocks = [replace(block, token_cosine=cosine) for block, cosine in zip(profile.blocks, cosines, strict=True)]
    stream, branches = (
        replace(profile, blocks=tuple(replace(block, is_cut=is_cut) for block in blocks)) for is_cut in (True, False)
    )
    assert any("alike" in cause.what for cause in causes([stream], "healthy"))
    assert causes([branches], "healthy") == ()


def test_batch_norm_inside_a_branch_is_not_said_to_be_without_a_skip() -> None:
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(WIDTH, WIDTH, bias=False), nn.BatchNorm1d(WIDTH), nn.ReLU()) for _ in range(40)]
    profile = measure(nn.Sequential(*layers, nn.Linear(WIDTH, 3)), torch.randn(64, WIDTH), train=True)
    assert any("batch norm by the statistics" in cause.what for cause in causes([profile], "exploding"))
    beside = replace(profile, blocks=tuple(replace(block, is_cut=False) for block in profile.blocks))
    assert not any("skip" in cause.what for cause in causes([beside], "exploding"))


def test_a_cut_that_is_one_number() -> None:
    """A loss that the model computes itself."""

    class WithLoss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(*[layer for _ in range(3) for layer in (nn.Linear(WIDTH, WIDTH), nn.Tanh())])

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(x).square().mean() * 2

    result = gl.probe(WithLoss(), torch.randn(4, WIDTH), blocks="cuts")
    assert math.log(2) in [pytest.approx(block.log_grad_norm) for block in result.result.profiles[0].blocks]
    assert result.verify() < 1e-12


def test_relu6_is_flat_below_zero_by_design() -> None:
    """In a stack that shrinks what it hands on, half of the elements are below 0, and none at 6."""

    def flat(*layers: nn.Module) -> list[float]:
        torch.manual_seed(0)
        model = nn.Sequential(*[layer for _ in range(4) for layer in (nn.Linear(WIDTH, WIDTH), *layers)])
        blocks = measure(model, 0.1 * torch.randn(64, WIDTH)).blocks
        return [kind.saturated for block in blocks for kind in block.slopes]

    assert flat(nn.ReLU6(inplace=True)) == flat(nn.ReLU6()) == [0.0] * 4
    assert flat(nn.Hardtanh(0.0, 0.01))[0] == pytest.approx(0.5, abs=0.15)
    assert flat(nn.Hardtanh(-0.01, 0.01))[0] > 0.8
