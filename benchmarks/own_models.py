"""What it costs to measure a model of one's own: a probe, and a watched training step.

    OMP_NUM_THREADS=1 python benchmarks/own_models.py [--repeats 15]

One process, one thread, processor time, everything in turn, medians of ratios. A probe is given in plain passes:
forward and backward of the same batch in the model's own float32. A watched step is given in steps of the same
training loop (AdamW, clipping) without a watch: measured ones, written to the disk, and those between. Needs
transformers.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import gradlab as gl
from gradlab.modules.graph.values import tensors
from gradlab.modules.measuring.probe import measure


def gpt2() -> tuple[nn.Module, Any]:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_layer=6, n_embd=256, n_head=4, vocab_size=2000, bos_token_id=0, eos_token_id=1)
    tokens = torch.randint(0, 2000, (4, 128))
    return GPT2LMHeadModel(config), {"input_ids": tokens, "labels": tokens}


def resnet() -> tuple[nn.Module, Any]:
    from transformers import ResNetConfig, ResNetModel

    config = ResNetConfig(embedding_size=32, hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2])
    return ResNetModel(config), torch.randn(8, 3, 64, 64)


def mlp() -> tuple[nn.Module, Any]:
    layers = [layer for _ in range(16) for layer in (nn.Linear(512, 512), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(512, 10)), torch.randn(256, 512)


MODELS: dict[str, Callable[[], tuple[nn.Module, Any]]] = {
    "GPT-2, 6 blocks of 256, 4 x 128 tokens": gpt2,
    "ResNet, 8 blocks, 8 x 3 x 64 x 64": resnet,
    "MLP, 16 x 512, batch 256": mlp,
}


def loss_of(model: nn.Module, batch: Any) -> Tensor:
    output = model(**batch) if isinstance(batch, dict) else model(batch)
    first = next(tensor for _, tensor in tensors(output) if tensor.requires_grad)
    return first if first.ndim == 0 else first.square().mean()


def seconds(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def probe_ratio(build: Callable[[], tuple[nn.Module, Any]], repeats: int) -> tuple[float, float, float]:
    """Return the milliseconds of a plain pass, and in plain passes a pass in float64 and a probe."""
    model, batch = build()
    model.eval()
    double = build()[0].double().eval()
    double_batch = batch if isinstance(batch, dict) else batch.double()

    def plain(model: nn.Module, batch: Any) -> None:
        model.zero_grad()
        loss_of(model, batch).backward()

    functions = (
        lambda: plain(model, batch), lambda: plain(double, double_batch), lambda: measure(model, batch),
    )  # fmt: skip
    rounds = [[seconds(function) for function in functions] for _ in range(repeats + 1)][1:]
    own = [1e3 * times[0] for times in rounds]
    ratios = [statistics.median(times[place] / times[0] for times in rounds) for place in (1, 2)]
    return statistics.median(own), ratios[0], ratios[1]


def watch_ratios(build: Callable[[], tuple[nn.Module, Any]], repeats: int, out: str) -> tuple[float, float, float]:
    """Return the milliseconds of a step, and in such steps a measured one and one between."""
    plain, batch = build()
    watched = build()[0]

    def steps(model: nn.Module) -> tuple[Callable[[], None], torch.optim.Optimizer]:
        optimizer = torch.optim.AdamW(model.parameters(), 1e-4)

        def step() -> None:
            optimizer.zero_grad()
            loss_of(model, batch).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        return step, optimizer

    step, _ = steps(plain)
    watched_step, optimizer = steps(watched)
    step()
    watcher = gl.watch(watched, every=2, out=out, optimizer=optimizer)
    watched_step()  # finds the blocks
    watched_step()
    rounds = []
    for _ in range(repeats):
        rounds.append([seconds(step), seconds(watched_step), seconds(step), seconds(watched_step)])
    watcher.close()
    own = statistics.median(1e3 * times[0] for times in rounds)
    between_plain = [(times[0] + times[2]) / 2 for times in rounds]
    ratios = [
        statistics.median(times[place] / base for times, base in zip(rounds, between_plain, strict=True))
        for place in (1, 3)
    ]
    return own, ratios[0], ratios[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| model | plain pass, ms | in float64 | probe | training step, ms | measured step | step between |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, build in MODELS.items():
        plain, double, probe = probe_ratio(build, repeats)
        with tempfile.TemporaryDirectory() as out:
            step, measured, between = watch_ratios(build, repeats, out)
        print(f"| {name} | {plain:.0f} | {double:.2f} | {probe:.2f} | {step:.0f} | {measured:.3f} | {between:.3f} |")


if __name__ == "__main__":
    main()
