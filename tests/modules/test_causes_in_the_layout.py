"""Causes in the layout of a model: norms, skips, branches, and what attention does to tokens."""

from __future__ import annotations

import math

import pytest
import torch
from stacks import WIDTH, Attention, Residual, causes_of, encoder, stack, x
from torch import nn

import gradlab as gl
from gradlab.modules.causes.rules import causes
from gradlab.modules.measuring.probe import measure
from gradlab.modules.summary import verdict


def test_batch_norm_by_the_statistics_of_the_batch() -> None:
    model = stack(nn.ReLU, 40, norm=nn.BatchNorm1d)
    cause = causes_of(model, x(128))[0]
    assert "batch norm by the statistics of the batch" in cause.what
    assert cause.evidence["factor per block"] == pytest.approx(1.2112, rel=0.01)
    cause = causes_of(model.eval(), x(128))[0]
    assert "have seen no data" in cause.what
    assert cause.evidence["norms"] == 40
    model.train()(x(128))
    model.eval()
    assert not any("have seen no data" in cause.what for cause in causes_of(model, x(128)))
    assert causes_of(stack(nn.ReLU, 40, norm=nn.LayerNorm), x(128)) == ()


def test_batch_norm_over_few_values() -> None:
    model = stack(nn.ReLU, 40, norm=nn.BatchNorm1d)
    cause = next(cause for cause in causes_of(model, x(4)) if "as few as" in cause.what)
    assert cause.evidence["values"] == 4
    assert not any("as few as" in cause.what for cause in causes_of(model, x(128)))


class Neighbours(nn.Module):
    """A map of each feature vector and its neighbour's, as graph networks have it: several paths; `skip`: one more."""

    def __init__(self, *, skip: bool) -> None:
        super().__init__()
        self.map, self.skip = nn.Linear(64, 32), skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.map(torch.cat([x, x.roll(1, 0) - x], 1)).relu()
        return x + y if self.skip else y


@pytest.mark.parametrize("skip", [False, True])
def test_several_paths_through_a_map_are_no_skip(skip: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*[Neighbours(skip=skip) for _ in range(24)], nn.Linear(32, 4))
    result = gl.probe(model, torch.randn(16, 32))
    assert len(result.blocks) == 24
    assert [block.joined for block in result.result.profiles[0].blocks[1:]] == [skip] * 23
    assert result.verdict == ("healthy" if skip else "vanishing")
    assert any("too small" in cause.what for cause in result.result.causes) is not skip


def test_tokens_that_biases_make_alike_lose_no_gradient_by_it() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*[layer for _ in range(16) for layer in (nn.Linear(32, 32), nn.ReLU())], nn.Linear(32, 4))
    result = gl.probe(model, torch.randn(4, 10, 32))
    assert result.blocks.token_cosine.iloc[-1] > 0.99 > 0.9 > result.blocks.token_cosine.iloc[0]
    assert result.verdict == "vanishing"
    assert not [cause for cause in result.result.causes if "alike" in cause.what]


def test_tokens_that_become_alike_behind_norms_after_the_add() -> None:
    tokens = torch.randn(2, 32, WIDTH, generator=torch.Generator().manual_seed(0))
    named = causes_of(encoder(24, norm_first=False), tokens)
    rank, norm, copied = (
        next(cause for cause in named if words in cause.what)
        for words in ("alike from", "post-LN", "copies of one another")
    )
    assert rank.evidence["token cosine"] > 0.99
    assert norm.evidence["blocks"] == 24
    # what is left is common to all tokens: 1/T of it at the loss
    assert norm.evidence["share common to all tokens, first"] > 0.5
    assert norm.evidence["share common to all tokens, last"] == pytest.approx(1 / 32, rel=0.3)
    assert copied.evidence["blocks"] == 24
    assert causes_of(encoder(24, norm_first=True), tokens) == ()


def test_attention_that_looks_at_one_token() -> None:
    tokens = torch.randn(2, 32, WIDTH, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    sharp = nn.Sequential(*[Attention(30.0) for _ in range(4)])
    assert any("looks at one token" in cause.what for cause in causes_of(sharp, tokens))
    soft = nn.Sequential(*[Attention(1.0) for _ in range(4)])
    assert not any("looks at one token" in cause.what for cause in causes_of(soft, tokens))


def test_branches_that_grow_a_stream_with_an_activation_after_each_add() -> None:
    torch.manual_seed(0)
    blocks = [nn.Sequential(Residual(1.0), nn.ReLU(inplace=True)) for _ in range(40)]
    model = nn.Sequential(*blocks, nn.Linear(WIDTH, 3))
    profile = measure(model, x(), blocks=[block[1] for block in blocks])
    (cause, *_) = causes([profile], verdict(profile))
    assert "add to the stream at full scale" in cause.what


def test_branches_that_grow_the_stream() -> None:
    torch.manual_seed(0)
    cause = causes_of(nn.Sequential(*[Residual(1.0) for _ in range(40)], nn.Linear(WIDTH, 3)), x())[0]
    assert "add to the stream at full scale" in cause.what
    assert cause.evidence["factor per block"] == pytest.approx(math.sqrt(2), rel=0.05)
    assert cause.evidence["mean gain at the end of a branch"] == pytest.approx(1, rel=0.05)
    assert causes_of(nn.Sequential(*[Residual(0.1) for _ in range(40)], nn.Linear(WIDTH, 3)), x()) == ()
