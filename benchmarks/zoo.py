"""Models that nobody here wrote, built small from their configurations, without downloads: for tests and the table.

Each entry is a function that returns a model and a batch for it, with the package that it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

__all__ = ["MODELS", "Entry"]


@dataclass(frozen=True)
class Entry:
    """A model, and what a person would call its chain."""

    package: str
    build: Callable[[], tuple[nn.Module, Any]]
    blocks: int
    first: str
    last: str
    cuts: bool = True
    """Whether all of the gradient goes through each block."""
    note: str = ""
    verdict: str = "healthy"
    """Of the model as it is built, in evaluation."""


def _tokens(words: int = 100) -> torch.Tensor:
    return torch.randint(5, words, (2, 16))


def _images(channels: int = 3, size: int = 32) -> torch.Tensor:
    return torch.randn(2, channels, size, size)


_SIZES = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
_TEXT = {**_SIZES, "vocab_size": 100}


def _hugging_face(model: str, config: str, batch: Callable[[], Any] = _tokens, **settings: Any) -> Callable[[], Any]:
    def build() -> tuple[nn.Module, Any]:
        import transformers

        return getattr(transformers, model)(getattr(transformers, config)(**settings)), batch()

    return build


def _labelled() -> dict[str, torch.Tensor]:
    ids = _tokens()
    return {"input_ids": ids, "labels": ids}


def _gpt2() -> Callable[[], Any]:
    special = {"bos_token_id": 0, "eos_token_id": 1}
    return _hugging_face(
        "GPT2LMHeadModel", "GPT2Config", _labelled, n_layer=4, n_embd=32, n_head=4, vocab_size=100, **special
    )


def _x_transformers() -> tuple[nn.Module, Any]:
    from x_transformers import Decoder, TransformerWrapper

    return TransformerWrapper(num_tokens=100, max_seq_len=16, attn_layers=Decoder(dim=32, depth=4, heads=4)), _tokens()


def _monai(name: str, batch: Callable[[], Any], **settings: Any) -> Callable[[], Any]:
    def build() -> tuple[nn.Module, Any]:
        from monai.networks import nets

        return getattr(nets, name)(spatial_dims=2, **settings), batch()

    return build


def _efficientnet() -> tuple[nn.Module, Any]:
    from efficientnet_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-b0", num_classes=10), _images()


def _mamba() -> tuple[nn.Module, Any]:
    from mambapy.mamba import Mamba, MambaConfig

    return Mamba(MambaConfig(d_model=16, n_layers=4)), torch.randn(2, 16, 16)


def _tabular_resnet() -> tuple[nn.Module, Any]:
    from rtdl_revisiting_models import ResNet

    settings = {"n_blocks": 4, "d_block": 32, "d_hidden": None, "d_hidden_multiplier": 2.0}
    return ResNet(d_in=10, d_out=1, dropout1=0.1, dropout2=0.0, **settings), torch.randn(8, 10)


def _ft_transformer() -> tuple[nn.Module, Any]:
    from rtdl_revisiting_models import FTTransformer

    settings = FTTransformer.get_default_kwargs(n_blocks=3)
    model = FTTransformer(n_cont_features=10, cat_cardinalities=[], d_out=1, **settings)
    return model, lambda model: model(torch.ones(8, 10), None)


def _recurrent(kind: type[nn.RNNBase]) -> Callable[[], Any]:
    def build() -> tuple[nn.Module, Any]:
        return kind(8, 16, 2, batch_first=True), torch.randn(4, 12, 8)

    return build


def _encoder(norm_first: bool) -> Callable[[], Any]:
    def build() -> tuple[nn.Module, Any]:
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=norm_first, dropout=0.0)
        return nn.TransformerEncoder(layer, 4, enable_nested_tensor=False), torch.randn(2, 10, 32)

    return build


def _transformer() -> tuple[nn.Module, Any]:
    model = nn.Transformer(32, 4, 3, 3, 64, batch_first=True)
    return model, lambda model: model(torch.ones(2, 7, 32), torch.ones(2, 5, 32))


MODELS: dict[str, Entry] = {
    "LSTM": Entry("torch", _recurrent(nn.LSTM), 12, "LSTM", "LSTM", note="a profile over the 12 time steps"),
    "GRU": Entry("torch", _recurrent(nn.GRU), 12, "GRU", "GRU", note="a profile over the 12 time steps"),
    "RNN": Entry("torch", _recurrent(nn.RNN), 12, "RNN", "RNN", note="a profile over the 12 time steps"),
    "TransformerEncoder, post-LN": Entry("torch", _encoder(False), 4, "layers.0", "layers.3"),
    "TransformerEncoder, pre-LN": Entry("torch", _encoder(True), 4, "layers.0", "layers.3"),
    "Transformer": Entry("torch", _transformer, 3, "encoder.layers.0", "encoder.layers.2", note="the encoder's chain"),
    "GPT-2": Entry("transformers", _gpt2(), 4, "transformer.h.0", "transformer.h.3"),
    "BERT": Entry(
        "transformers", _hugging_face("BertModel", "BertConfig", **_TEXT), 4, "encoder.layer.0", "encoder.layer.3"
    ),
    "Llama": Entry(
        "transformers",
        _hugging_face("LlamaForCausalLM", "LlamaConfig", _labelled, **_TEXT),
        4,
        "model.layers.0",
        "model.layers.3",
        note="RMSNorm casts to float32",
    ),
    "ALBERT": Entry(
        "transformers",
        _hugging_face("AlbertModel", "AlbertConfig", embedding_size=16, **_TEXT),
        4,
        "encoder.albert_layer_groups.0",
        "encoder.albert_layer_groups.0",
        note="one block, called four times",
    ),
    "XLNet": Entry(
        "transformers",
        _hugging_face("XLNetModel", "XLNetConfig", d_model=32, n_layer=4, n_head=4, d_inner=64, vocab_size=100),
        4,
        "layer.0",
        "layer.3",
    ),
    "T5, labels alone": Entry(
        "transformers",
        _hugging_face(
            "T5ForConditionalGeneration",
            "T5Config",
            lambda: {"input_ids": _tokens(), "labels": _tokens()[:, :5].contiguous()},
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=3,
            num_heads=4,
            vocab_size=100,
            decoder_start_token_id=0,
        ),
        3,
        "encoder.block.0",
        "encoder.block.2",
        note="the encoder's chain",
    ),
    "Bart": Entry(
        "transformers",
        _hugging_face(
            "BartModel",
            "BartConfig",
            lambda: {"input_ids": _tokens(), "decoder_input_ids": _tokens()[:, :5]},
            d_model=32,
            encoder_layers=3,
            decoder_layers=3,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            vocab_size=100,
        ),
        3,
        "encoder.layers.0",
        "encoder.layers.2",
        note="the encoder's chain",
    ),
    "ViT": Entry(
        "transformers",
        _hugging_face("ViTModel", "ViTConfig", _images, image_size=32, patch_size=8, **_SIZES),
        4,
        "layers.0",
        "layers.3",
    ),
    "ConvNeXt": Entry(
        "transformers",
        _hugging_face("ConvNextModel", "ConvNextConfig", _images, hidden_sizes=[8, 16, 32, 64], depths=[1, 1, 3, 1]),
        6,
        "encoder.stages.0.layers.0",
        "encoder.stages.3.layers.0",
    ),
    "ResNet": Entry(
        "transformers",
        _hugging_face(
            "ResNetModel", "ResNetConfig", _images, embedding_size=8, hidden_sizes=[8, 16, 32, 64], depths=[2, 2, 2, 2]
        ),
        8,
        "encoder.stages.0.layers.0",
        "encoder.stages.3.layers.1",
    ),
    "Swin": Entry(
        "transformers",
        _hugging_face(
            "SwinModel",
            "SwinConfig",
            _images,
            image_size=32,
            patch_size=2,
            embed_dim=8,
            depths=[2, 2],
            num_heads=[2, 2],
            window_size=4,
        ),
        4,
        "encoder.layers.0.blocks.0",
        "encoder.layers.1.blocks.1",
    ),
    "Mamba (Hugging Face)": Entry(
        "transformers",
        _hugging_face(
            "MambaForCausalLM", "MambaConfig", hidden_size=32, num_hidden_layers=4, vocab_size=100, state_size=8
        ),
        4,
        "backbone.layers.0",
        "backbone.layers.3",
    ),
    "x-transformers Decoder": Entry(
        "x_transformers",
        _x_transformers,
        8,
        "attn_layers.layers.0.2",
        "attn_layers.layers.7.2",
        note="joins: attention and MLP are a block each",
    ),
    "MONAI UNet": Entry(
        "monai",
        _monai(
            "UNet",
            lambda: _images(1, 64),
            in_channels=1,
            out_channels=2,
            channels=(8, 16, 32, 64),
            strides=(2, 2, 2),
            num_res_units=2,
        ),
        7,
        "model.0",
        "model.2.1",
        cuts=False,
        note="no chain",
    ),
    "MONAI DenseNet121": Entry(
        "monai",
        _monai("DenseNet121", lambda: _images(1, 64), in_channels=1, out_channels=2),
        58,
        "features.denseblock1.denselayer1",
        "features.denseblock4.denselayer16",
    ),
    "MONAI SegResNet": Entry(
        "monai",
        _monai("SegResNet", lambda: _images(1, 64), in_channels=1, out_channels=2),
        12,
        "down_layers.0.1",
        "up_layers.2.0",
        cuts=False,
        note="no chain",
    ),
    "EfficientNet-B0": Entry(
        "efficientnet_pytorch",
        _efficientnet,
        16,
        "_blocks.0",
        "_blocks.15",
        note="in evaluation its batch norms, which have seen no data, hand on what they get",
        verdict="vanishing",
    ),
    "Mamba (mambapy)": Entry("mambapy", _mamba, 4, "layers.0", "layers.3"),
    "ResNet for tables": Entry(
        "rtdl_revisiting_models",
        _tabular_resnet,
        4,
        "blocks.0+",
        "blocks.3+",
        note="joins: the adds stand in the parent's forward",
    ),
    "FT-Transformer": Entry(
        "rtdl_revisiting_models",
        _ft_transformer,
        6,
        "backbone.blocks.0.attention_residual_dropout+",
        "backbone.blocks.2.ffn_residual_dropout+",
        note="joins",
    ),
}
"""Every model by the name it has in the table."""
