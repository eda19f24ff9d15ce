"""Models with a chain for each of two inputs: an encoder, and a decoder that is made of the same class of blocks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import gradlab as gl
from gradlab.errors import UsageError
from gradlab.modules.measuring.probe import measure
from gradlab.modules.profile import ModuleProfile

WIDTH, TOKENS, DEPTH = 16, 30, 3


class Block(nn.Module):
    def __init__(self, *, crosses: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.cross = nn.MultiheadAttention(WIDTH, 2, batch_first=True) if crosses else None
        self.mlp = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 32), nn.ReLU(), nn.Linear(32, WIDTH))

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        if self.cross is not None:
            x = x + self.cross(x, memory, memory, need_weights=False)[0]
        return x + self.mlp(x)


class Translator(nn.Module):
    """Makes the decoder's input of the labels, as T5 and Bart do."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(TOKENS, WIDTH)
        self.encoder = nn.ModuleList(Block(crosses=False) for _ in range(DEPTH))
        self.decoder = nn.ModuleList(Block(crosses=True) for _ in range(DEPTH))
        self.head = nn.Linear(WIDTH, TOKENS)

    def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
        shifted = torch.cat([torch.zeros_like(labels[:, :1]), labels[:, :-1]], 1).clamp(min=0)
        memory, x = self.table(input_ids), self.table(shifted)
        for block in self.encoder:
            memory = block(memory)
        for block in self.decoder:
            x = block(x, memory)
        return {"loss": nn.functional.cross_entropy(self.head(x).flatten(0, 1), labels.flatten())}


@pytest.fixture
def model() -> Translator:
    torch.manual_seed(0)
    return Translator()


def batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(TOKENS, (2, 6), generator=generator)
    labels[0, 4:] = -100  # padding, which counts for no loss
    return {"input_ids": torch.randint(TOKENS, (2, 9), generator=generator), "labels": labels}


def by_autograd(model: Translator, part: str) -> list[float]:
    """Return ln of the norm of the gradient at each block's output, by autograd alone."""
    model = model.double()
    outputs: list[Tensor] = []
    handles = [block.register_forward_hook(lambda *args: outputs.append(args[-1])) for block in getattr(model, part)]
    gradients = torch.autograd.grad(model(**batch())["loss"], outputs)
    for handle in handles:
        handle.remove()
    return [math.log(float(gradient.norm())) for gradient in gradients]


@pytest.mark.parametrize(
    ("source", "part"),
    [(None, "encoder"), ("input_ids", "encoder"), ("labels", "decoder"), ("decoder_input_ids", "decoder")],
)
def test_a_chain_for_each_source(model: Translator, source: str | None, part: str) -> None:
    profile = measure(model, batch(), source=source)
    assert [block.name for block in profile.blocks] == [f"{part}.{place}" for place in range(DEPTH)]
    assert profile.rule == "every Block"
    assert all(block.is_cut for block in profile.blocks)
    assert [block.log_grad_norm for block in profile.blocks] == pytest.approx(by_autograd(model, part), abs=1e-12)


def notes(profile: ModuleProfile) -> list[str]:
    return [note for note in profile.notes if "chain" in note]


def test_the_other_chain_is_named(model: Translator) -> None:
    assert notes(measure(model, batch())) == [
        'the chain that begins at input_ids; another one begins at labels: source="labels"'
    ]
    assert notes(measure(model, batch(), source="labels")) == [
        'the chain that begins at labels; another one begins at input_ids: source="input_ids"'
    ]


def test_labels_of_a_model_with_one_chain_are_no_source(model: Translator) -> None:
    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.block, self.head = model.table, model.encoder[0], model.head

        def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits = self.head(self.block(self.table(input_ids)))
            return {"loss": nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())}

    tokens = batch()["input_ids"]
    profile = measure(Classifier(), {"input_ids": tokens, "labels": tokens}, blocks="Block")
    assert profile.source == "input_ids"
    assert notes(profile) == []
    with pytest.raises(UsageError, match="is no input of the model"):
        measure(Classifier(), {"input_ids": tokens[:, :-1], "labels": tokens.flip(1)[:, 1:]}, source="decoder")


def test_a_watched_encoder_decoder_has_the_chain_of_a_probe(model: Translator) -> None:
    expected = [block.log_grad_norm / math.log(10) for block in measure(model, batch(), dtype=None).blocks]
    with gl.watch(model) as watched:
        model(**batch())["loss"].backward()
        watched.step()
    assert watched.frame["name"].tolist() == [f"encoder.{place}" for place in range(DEPTH)]
    assert watched.frame["log10_grad_norm"].tolist() == pytest.approx(expected, abs=1e-5)
