"""Training in 16 bits against torch's own mixed precision, and what underflows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from walked import walked

from gradlab.cell import Cell
from gradlab.components import PRECISIONS, Named
from gradlab.families.network import Context
from gradlab.training.loop import Trainer, train_bank
from gradlab.training.precision import LossScale, Precision

BASE = Cell(depth=4, width=16, steps=8, batch_size=16, probe_batch_size=32, init=Named("he_normal"), lr=0.05)
HALF = Named("float16")


@pytest.mark.parametrize(
    ("name", "device"),
    # half of float64's smallest subnormal is no number any more
    [(name, device) for name in PRECISIONS for device in ("cpu", "cuda") if (name, device) != ("float64", "cuda")],
)
def test_the_smallest_magnitude_is_where_torch_rounds_to_zero(name, device):
    """Found by writing numbers around it into the format; on the CPU under the flushing that training uses."""
    precision = Precision.of(Named(name))
    smallest = torch.tensor(precision.smallest(torch.device(device)), dtype=torch.float64)
    if device == "cuda" or name == "float16":
        around = torch.stack([smallest, smallest * 1.001]).to(precision.compute)
        assert around.tolist()[0] == 0 < around.tolist()[1]
        return
    torch.set_flush_denormal(True)
    try:  # a product of that size, as in the backward of a linear map
        ones = torch.ones(2, dtype=precision.compute)
        tiny = torch.finfo(precision.compute).smallest_normal
        factors = torch.tensor([0.5, 1.0], dtype=precision.compute)
        product = (ones * tiny) * factors
    finally:
        torch.set_flush_denormal(False)
    assert product[0] == 0
    assert product[1] == tiny == smallest


@pytest.mark.parametrize("precision", [Named("bfloat16"), HALF, Named("float16", (("loss_scale", 8.0),))], ids=str)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_one_step_is_that_of_a_network_in_16_bits_with_float32_weights(precision, optimizer):
    """The same arithmetic written plainly: forward and backward of a 16-bit copy, the update in float32."""
    cell = dataclasses.replace(BASE, precision=precision, optimizer=Named(optimizer), lr=0.01)
    trainer = Trainer([cell], torch.device("cpu"))
    masters = [slot.view(trainer.flat_RP)[0].clone().requires_grad_() for slot in trainer.model.layout.slots]
    plain = torch.optim.SGD(masters, lr=0.01, momentum=0.9 if optimizer == "momentum" else 0.0)
    scale = trainer.precision.loss_scale
    torch.set_flush_denormal(True)
    try:
        for _ in range(3):
            index = trainer.batches.next()
            copies = [master.detach().to(trainer.precision.compute).requires_grad_() for master in masters]
            x, y = trainer.train_samples.gather(index)
            h = x[0]
            for weight, bias in zip(copies[:-2:2], copies[1:-2:2], strict=True):
                h = torch.relu(h @ weight.T + bias)
            output = (h @ copies[-2].T + copies[-1]).float()
            (torch.nn.functional.cross_entropy(output, y[0]) * scale).backward()
            for master, copy in zip(masters, copies, strict=True):
                master.grad = copy.grad.float() / scale
            plain.step()
            trainer.index_SN.copy_(index)
            trainer.optimizer.set_factor(1.0)
            trainer._update()
    finally:
        torch.set_flush_denormal(False)
    tolerance = 3 * torch.finfo(trainer.precision.compute).eps * 0.01  # a rounding or two of the updates
    for slot, master in zip(trainer.model.layout.slots, masters, strict=True):
        torch.testing.assert_close(slot.view(trainer.flat_RP)[0], master.detach(), rtol=1e-4, atol=tolerance)


def test_loss_scales_follow_torchs_grad_scaler():
    """Fed the same overflows, the scale is that of torch.amp.GradScaler, for each replica by itself."""
    interval, steps = 3, 30
    precision = dataclasses.replace(Precision.of(HALF), growth_interval=interval, loss_scale=1024.0)
    ours = LossScale(precision, 2, torch.device("cpu"))
    overflows = np.random.default_rng(1).random((steps, 2)) < 0.25
    theirs = []
    for r in range(2):
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=interval)
        weight = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.SGD([weight], lr=0.1)
        seen = []
        for step in range(steps):
            optimizer.zero_grad()
            scaler.scale((weight * (torch.inf if overflows[step, r] else 1.0)).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
            seen.append(scaler.get_scale())
        theirs.append(seen)
    for step in range(steps):
        grad_RP = torch.where(torch.from_numpy(overflows[step]).unsqueeze(1), torch.inf, 1.0).expand(2, 5).clone()
        finite_R = ours.unscale(grad_RP)
        assert finite_R.tolist() == (~overflows[step]).tolist()
        assert grad_RP[overflows[step]].eq(0).all()
        assert ours.scale_R.tolist() == [theirs[0][step], theirs[1][step]]


def test_an_overflow_leaves_out_the_step_of_that_replica_alone():
    """A scale beyond float16 overflows at once: weights and optimiser stay, and the neighbour is as if alone."""
    calm = dataclasses.replace(BASE, precision=HALF, optimizer=Named("adam"), lr=0.01)
    trainer = Trainer([calm, dataclasses.replace(calm, seed=1)], torch.device("cpu"))
    alone = Trainer([dataclasses.replace(calm, seed=1)], torch.device("cpu"))
    trainer.loss_scale.scale_R[:] = torch.tensor([2.0**40, 2.0**8])
    alone.loss_scale.scale_R[:] = 2.0**8
    before = trainer.flat_RP.clone()
    for each in (trainer, alone):
        each.step(0)
    assert torch.equal(trainer.flat_RP[0], before[0])
    assert not torch.equal(trainer.flat_RP[1], before[1])
    torch.testing.assert_close(trainer.flat_RP[1], alone.flat_RP[0])
    assert trainer.loss_scale.scale_R.tolist() == [2.0**39, 2.0**8]
    states = [state for optimizer in trainer.optimizer.state() for state in optimizer["state"].values()]
    assert len(states) == 1, "Adam knows nothing yet of the replica left out"


def test_16_bits_learn_what_32_do():
    """bfloat16 has float32's range, float16 its loss scale: a healthy network trains in both nearly as in float32."""
    cells = [
        dataclasses.replace(BASE, depth=2, width=32, steps=150, precision=Named(name))
        for name in ("float32", "bfloat16", "float16")
    ]
    exact, *others = (train_bank([cell])[0] for cell in cells)
    assert exact.metric[-1] > 0.85
    for record in others:
        assert record.status == "ok"
        assert record.metric[-1] == pytest.approx(exact.metric[-1], abs=0.05)


def test_underflow_is_what_a_backward_pass_in_that_precision_loses():
    """A deep sigmoid network in float16 without a loss scale: the share of exact zeros of a plain float16 backward.

    The prediction counts elements of the float64 gradient below the smallest number kept; the plain pass rounds
    at each block besides, so that both agree to some per cent of the elements where the share is steep.
    """
    cell = Cell(
        depth=12, width=32, activation=Named("sigmoid"), init=Named("xavier_normal"), lr=0.1, steps=0,
        precision=Named("float16", (("loss_scale", 1.0), ("growth_interval", 0))),
    )  # fmt: skip
    (record,) = train_bank([cell])
    trainer = Trainer([cell], torch.device("cpu"))
    x, y = trainer.probe_x.half(), trainer.probe_y
    output, streams = walked(trainer.model, trainer.params, x, Context("probe"))
    grads = torch.autograd.grad(trainer.data.loss(output.float(), y).sum(), streams)
    lost = torch.stack([(grad == 0).double().mean() for grad in grads]).numpy()
    assert lost[0] == 1
    assert lost[-1] < 0.05
    np.testing.assert_allclose(record.underflow[0], lost, atol=0.08)


def test_a_loss_scale_moves_underflow_by_so_many_blocks():
    def lost(scale: float) -> np.ndarray:
        named = Named("float16", (("loss_scale", scale), ("growth_interval", 0)))
        cell = Cell(depth=16, activation=Named("sigmoid"), init=Named("xavier_normal"), lr=0.1, steps=0)
        return train_bank([dataclasses.replace(cell, precision=named)])[0].underflow[0]

    plain, scaled = lost(1.0), lost(2.0**12)
    reach = np.log(2.0**12) / -np.log(0.236)  # blocks that a factor 4096 buys at a decay of 0.236
    first = [int(np.argmax(share < 0.5)) for share in (plain, scaled)]
    assert first[0] - first[1] == pytest.approx(reach, abs=1)
    double = dataclasses.replace(BASE, precision=Named("float64"))
    assert not train_bank([double])[0].underflow.any()
