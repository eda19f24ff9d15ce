"""Theory beside a probe of transformers that nobody here wrote, built from configurations."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gradlab as gl

TOKENS = 16


def bert(seed: int) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=1000, hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=512
    )
    torch.manual_seed(seed)
    model: nn.Module = transformers.BertModel(config, add_pooling_layer=False).eval()
    return model


def vit(seed: int) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=512, image_size=32, patch_size=4
    )
    torch.manual_seed(seed)
    model: nn.Module = transformers.ViTModel(config, add_pooling_layer=False).eval()
    return model


def gpt2(seed: int) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=1000, n_embd=128, n_layer=4, n_head=4, bos_token_id=0, eos_token_id=0)
    torch.manual_seed(seed)
    model: nn.Module = transformers.GPT2Model(config).train()
    return model


def x_transformer(seed: int) -> nn.Module:
    package = pytest.importorskip("x_transformers")
    torch.manual_seed(seed)
    model: nn.Module = package.Encoder(dim=128, depth=4, heads=4)
    return model


def x_decoder(seed: int) -> nn.Module:
    package = pytest.importorskip("x_transformers")
    torch.manual_seed(seed)
    model: nn.Module = package.Decoder(dim=128, depth=4, heads=4)
    return model


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "x"),
    [
        (bert, torch.randint(1000, (4, TOKENS), generator=torch.Generator().manual_seed(0))),
        (gpt2, torch.randint(1000, (4, TOKENS), generator=torch.Generator().manual_seed(0))),
        (vit, torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))),
        (x_transformer, torch.randn(4, TOKENS, 128, generator=torch.Generator().manual_seed(0))),
        (x_decoder, torch.randn(4, TOKENS, 128, generator=torch.Generator().manual_seed(0))),
    ],
    ids=["BERT", "GPT-2", "ViT", "x-transformers encoder", "x-transformers decoder"],
)
def test_transformers_of_other_packages(make: Callable[[int], nn.Module], x: Tensor) -> None:
    seeds = 5
    blocks = gl.probe(None, x, make=make, seeds=seeds).blocks.iloc[1:]
    assert blocks["theory_factor"].notna().all()
    measured, predicted = np.log(blocks["factor"]).sum(), np.log(blocks["theory_factor"]).sum()
    # twelve blocks of twice the width scatter by 0.031
    assert measured == pytest.approx(predicted, abs=3 * 0.031 / math.sqrt(seeds) + 0.04)
