"""Training in two processes: whose gradients a watch reads, and what cannot be measured at all."""

from __future__ import annotations

import datetime
import json
import math
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradlab as gl
from gradlab.errors import UsageError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch was built without gloo"),
]
WIDTH, BLOCKS, STEPS, PATIENCE = 8, 4, 3, 180


def model() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [layer for _ in range(BLOCKS) for layer in (nn.Linear(WIDTH, WIDTH), nn.Tanh())]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 2))


def data(rank: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rank + 1)
    return torch.randn(6, WIDTH, generator=generator), torch.randn(6, 2, generator=generator)


def loss_of(module: nn.Module, rank: int) -> Tensor:
    x, y = data(rank)
    return nn.functional.mse_loss(module(x), y)


def in_two_processes(work: Callable[[int], dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Return what `work` returns in each of two processes that can talk to one another."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_process, args=(work, rank, str(folder))) for rank in range(2)]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join(PATIENCE)
        assert [process.exitcode for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def _process(work: Callable[[int], dict[str, Any]], rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2,
        timeout=datetime.timedelta(seconds=PATIENCE / 2),
    )  # fmt: skip
    try:
        (Path(folder) / f"{rank}.json").write_text(json.dumps(work(rank)))
    finally:
        torch.distributed.destroy_process_group()


def trained(rank: int, watched: bool, *, inner: bool = False) -> tuple[nn.Module, Any]:
    module = model()
    wrapped = nn.parallel.DistributedDataParallel(module)
    optimizer = torch.optim.SGD(wrapped.parameters(), 0.1)
    watch = gl.watch(module if inner else wrapped, every=2, optimizer=optimizer) if watched else None
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss_of(wrapped, rank).backward()
        optimizer.step()
    if watch is not None:
        watch.close()
    return module, watch


def watching(rank: int) -> dict[str, Any]:
    plain, _ = trained(rank, watched=False)
    module, watch = trained(rank, watched=True)
    _, inner = trained(rank, watched=True, inner=True)
    first = watch.frame[watch.frame["step"] == 0] if len(watch.frame) else watch.frame
    of_inner = inner.frame[inner.frame["step"] == 0] if len(inner.frame) else inner.frame
    wrapped = nn.parallel.DistributedDataParallel(model())
    probes = [gl.probe(module, data(rank), "mse").blocks["log10_grad_norm"].tolist() for module in (wrapped, model())]
    return {
        "same": all(map(torch.equal, plain.parameters(), module.parameters())),
        "steps": watch.steps["step"].tolist(),
        "blocks": first["log10_grad_norm"].tolist(),
        "weights": first["weight_grad_norm"].tolist(),
        "weights by the module inside": of_inner["weight_grad_norm"].tolist(),
        "notes": watch.notes,
        "probes": probes,
    }


def test_a_watch_reads_the_first_process_and_the_mean_over_all(tmp_path: Path) -> None:
    first, other = in_two_processes(watching, tmp_path)
    assert first["same"]
    assert other["same"]
    assert first["steps"] == [0, 2]
    assert other["steps"] == []
    assert other["notes"] == ["only the first process of a distributed run measures"]
    assert ["the mean over all" in note for note in first["notes"]] == [True]

    module = model()
    outputs: list[Tensor] = []
    for activation in module[1::2]:
        activation.register_forward_hook(lambda *args: outputs.append(args[-1]))
    gradients = torch.autograd.grad(loss_of(module, 0), outputs)
    logs = [math.log10(float(gradient.norm())) for gradient in gradients]
    assert first["blocks"] == pytest.approx(logs, abs=1e-5)

    mean = model()
    ((loss_of(mean, 0) + loss_of(mean, 1)) / 2).backward()
    norms = [float(layer.weight.grad.norm()) for layer in mean[:-1:2]]
    assert first["weights"] == pytest.approx(norms, rel=1e-5)
    assert first["weights by the module inside"] == pytest.approx(norms, rel=1e-5)
    for rank, measured in enumerate((first, other)):
        assert measured["probes"][0] == measured["probes"][1]
        assert measured["probes"][0] == pytest.approx(
            gl.probe(model(), data(rank), "mse").blocks["log10_grad_norm"].tolist(), abs=1e-12
        )


def sharded(rank: int) -> dict[str, Any]:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    module = model()
    fully_shard(module, mesh=init_device_mesh("cpu", (2,)))
    said = []
    for measure in (lambda: gl.probe(module, data(rank), "mse"), lambda: gl.watch(module)):
        try:
            measure()
        except UsageError as error:
            said.append(str(error))
    return {"said": said}


def test_a_sharded_model_is_refused_in_every_process(tmp_path: Path) -> None:
    for answer in in_two_processes(sharded, tmp_path):
        assert len(answer["said"]) == 2
        assert all("0.weight is sharded over processes" in text for text in answer["said"])
