"""LSTMs by the kernel of torch.nn.LSTM, replica by replica: the same network, and the same numbers in every bank."""

from __future__ import annotations

import pytest
import torch
from recurrent_reference import (
    BLOCKS,
    architecture,
    assert_is,
    by_torch,
    normal,
    outputs_and_gradient,
    step_by_step,
    stirred,
)  # fmt: skip

from gradlab.components import Named
from gradlab.families.chain import outputs
from gradlab.families.network import Context
from gradlab.families.recurrent import sequence
from gradlab.families.recurrent.network import Recurrent
from gradlab.families.recurrent.sequence import kernel

ONEDNN = torch.backends.mkldnn.is_available()


@pytest.fixture
def kernel_alone(monkeypatch) -> None:
    """The kernel at any length, and in float64, where torch has a loop of operations behind the same function."""
    monkeypatch.setattr(sequence, "prefers_kernel", lambda *_: True)
    monkeypatch.setattr(sequence, "lstm", None)


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.usefixtures("kernel_alone")
def test_each_replica_is_torchs_own_network(depth, per_step):
    model = Recurrent(architecture("lstm", depth=depth, per_step=per_step))
    x = normal(2, 4, 7, 3)
    assert_is(model, lambda theta, x, _: by_torch(model, theta, x), x)


@pytest.mark.parametrize("truncate", [0, 1, 3])
@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.usefixtures("kernel_alone")
def test_each_replica_is_the_network_of_the_papers(per_step, truncate):
    """Layers with residual sums, dropout and truncated backpropagation: outputs and every gradient."""
    options = {"depth": 3, "per_step": per_step, "residual": "add", "residual_scale": 0.7}
    model = Recurrent(architecture("lstm", model=Named("lstm", (("truncate", truncate),)), **options))
    masks = torch.randint(2, (3, 2, 4, 5), generator=torch.Generator().manual_seed(3)).double() / 0.5
    assert_is(model, lambda theta, x, m: step_by_step(model, theta, x, m).output, normal(2, 4, 7, 3), masks)


def test_indices_are_one_hot_inputs(monkeypatch):
    """Two features of 4 and 3 values: what looking up gives, which has a test of its own."""
    model = Recurrent(architecture("lstm", in_features=2, vocabulary=(4, 3), depth=2, per_step=True))
    generator = torch.Generator().manual_seed(0)
    index = torch.stack([torch.randint(v, (2, 4, 7), generator=generator) for v in (4, 3)], -1)
    looked_up = outputs_and_gradient(model, stirred(model, 2), index)
    monkeypatch.setattr(sequence, "prefers_kernel", lambda *_: True)
    monkeypatch.setattr(sequence, "lstm", None)
    by_kernel = outputs_and_gradient(model, stirred(model, 2), index)
    torch.testing.assert_close(by_kernel, looked_up, rtol=1e-12, atol=1e-12)


@pytest.mark.skipif(not ONEDNN, reason="this torch has no oneDNN")
def test_long_sequences_in_float32_are_torchs_own_to_the_bit_in_every_bank():
    """20 steps of 32 units: h and all gradients of each of three replicas, alone and by torch.nn.LSTM."""
    model = Recurrent(architecture("lstm", width=32, seq_len=20))
    learned = {name: value.float() for name, value in model.layout.views(stirred(model, 3))[0].items()}
    x, v = normal(3, 20, 4, 3).float(), normal(3, 20, 4, 32, seed=2).float()

    def along(chosen: slice) -> tuple[torch.Tensor, ...]:
        leaves = [value[chosen].clone().requires_grad_() for value in learned.values()]
        h = model.cell.along(
            x[chosen], dict(zip(learned, leaves, strict=True)), (), frozenset(), False, Context("train")
        )  # fmt: skip
        return h.detach(), *torch.autograd.grad((h * v[chosen]).sum(), leaves)

    together = along(slice(None))
    net = torch.nn.LSTM(3, 32)
    with torch.no_grad():
        net.bias_hh_l0.zero_()
    weights = {"weight": net.weight_hh_l0, "input_weight": net.weight_ih_l0, "bias": net.bias_ih_l0}
    for r in range(3):
        alone = along(slice(r, r + 1))
        for part, expected in zip(alone, together, strict=True):
            assert torch.equal(part[0], expected[r])
        for name, parameter in weights.items():
            blocks = learned[name][r].split(32)
            parameter.data = torch.cat([blocks[k] for k in BLOCKS["lstm"]])
        h, _ = net(x[r])
        assert torch.equal(h, together[0][r])
        grads = torch.autograd.grad((h * v[r]).sum(), [weights[name] for name in learned])
        for grad, expected in zip(grads, together[1:], strict=True):
            blocks = expected[r].split(32)
            assert torch.equal(grad, torch.cat([blocks[k] for k in BLOCKS["lstm"]]))


@pytest.mark.usefixtures("kernel_alone")
def test_chunks_of_held_out_samples_do_not_depend_on_the_bank(monkeypatch):
    """The last bits of a kernel may depend on how many samples are in a call: 10 at a time, with 3 replicas and 1."""
    model = Recurrent(architecture("lstm", width=40, seq_len=20))
    bytes_of_one_sample = 2 * 8 * 4 * 40 * 20
    monkeypatch.setattr("gradlab.families.recurrent.network.CHUNK_BYTES", 8 * 10 * bytes_of_one_sample)
    sizes: list[int] = []
    take = model._outputs

    def counted(params, piece, ctx):
        sizes.append(piece.shape[1])
        return take(params, piece, ctx)

    monkeypatch.setattr(model, "_outputs", counted)
    start, x = stirred(model, 3), normal(3, 33, 20, 3)
    with torch.no_grad():
        together, alone = (
            outputs(model, model.layout.views(start[:r]), x[:r], Context("eval")) for r in (3, 1)
        )  # fmt: skip
    assert sizes == [10, 10, 10, 3] * 2
    torch.testing.assert_close(together[:1], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "cut", "vocabulary", "expected"),
    [
        ({}, frozenset(), (), True), ({"steps": 15}, frozenset(), (), False),
        ({"dtype": torch.float64}, frozenset(), (), False), ({"device": "meta"}, frozenset(), (), False),
        ({}, frozenset({10}), (), False), ({}, frozenset(), (60, 36), True), ({}, frozenset(), (60, 37), False),
    ],
    ids=["16 steps of 32 units", "shorter", "float64", "not a CPU", "cut in two", "96 values", "97 values"],
)  # fmt: skip
def test_the_choice_knows_no_replicas(changes, cut, vocabulary, expected):
    options = {"dtype": torch.float32, "device": "cpu", "steps": 16} | changes
    steps = options.pop("steps")
    chosen = {kernel.prefers_kernel(torch.zeros(r, 128, 32, **options), vocabulary, steps, cut) for r in (1, 2, 64)}
    assert chosen == {expected and ONEDNN}
