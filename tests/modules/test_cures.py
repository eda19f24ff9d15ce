"""Changes that may mend a model: the lines that are shown do what was measured."""

from __future__ import annotations

import copy
import math
import threading

import pytest
import torch
from networks import Net
from torch import Tensor, nn

import gradlab as gl
from gradlab.errors import UsageError
from gradlab.modules.cures.trials import ChangeNotTried, Cure
from gradlab.modules.measuring.probe import measure


def stack(activation: type[nn.Module], depth: int = 20, width: int = 32) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), activation())]
    return nn.Sequential(*layers, nn.Linear(width, 5))


@pytest.fixture
def x() -> Tensor:
    return torch.randn(16, 32, generator=torch.Generator().manual_seed(1))


def named(cures: tuple[Cure, ...], words: str) -> Cure:
    return next(cure for cure in cures if words in cure.what)


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.ReLU, nn.Tanh])
def test_the_lines_that_are_shown_do_what_was_measured(activation: type[nn.Module], x: Tensor) -> None:
    model = stack(activation)
    before = copy.deepcopy(model.state_dict())
    cures = gl.probe(model, x).cure()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert len(cures) >= 5
    for cure in cures:
        mended = copy.deepcopy(model)
        torch.manual_seed(0)
        exec(cure.code, {"model": mended, "forward": lambda mended=mended: mended(x)})
        assert gl.probe(mended, x).result.summary.log_survival == pytest.approx(cure.after.log_survival, abs=1e-9), (
            cure.what
        )
        assert cure.before.verdict == "vanishing"
    order = [(cure.after.verdict != "healthy", abs(cure.after.log_survival)) for cure in cures]
    assert order == sorted(order)


def test_hes_initialisation_mends_torchs_default_for_relu(x: Tensor) -> None:
    cure = named(gl.probe(stack(nn.ReLU), x).cure(), "He's")
    # mean-field theory: √(1/6) = 0.408 a block with variance 1/(3 fan_in), 1 with 2/fan_in
    assert math.exp(cure.before.log_decay) == pytest.approx(0.408, abs=0.06)
    assert math.exp(cure.after.log_decay) == pytest.approx(1.0, abs=0.12)
    assert cure.helps
    assert "kaiming_normal_" in cure.code
    assert "1502.01852" in cure.source


def test_a_change_that_does_not_help_says_so(x: Tensor) -> None:
    cures = gl.probe(stack(nn.ReLU), x).cure()
    leaky = named(cures, "leaky")
    assert leaky.after.verdict == "vanishing"  # of weights that are too small another activation is no cure
    assert not leaky.helps
    assert math.exp(leaky.after.log_decay) == pytest.approx(0.408 * math.sqrt(1.01), abs=0.06)


def test_copies_of_one_layer_are_drawn_anew() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
    tokens = torch.randn(2, 6, 16)
    encoder = nn.TransformerEncoder(layer, 3)
    assert "copies" in named(gl.probe(encoder, tokens).cure(), "anew").what
    for module in encoder.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
        elif hasattr(module, "_reset_parameters"):
            module._reset_parameters()
    assert not any("anew" in cure.what for cure in gl.probe(encoder, tokens).cure())


def test_residual_branches_are_scaled() -> None:
    model = Net(6)
    cure = named(gl.probe(model, torch.randn(4, 16)).cure(), "zero at the start")
    assert cure.after.log_survival == pytest.approx(0.0, abs=1e-12)
    assert cure.after.verdict == "healthy"


def test_a_warm_up_is_tried_where_there_is_a_loss(x: Tensor) -> None:
    model, y = stack(nn.Tanh, 4), torch.randint(5, (16,))
    assert not any("warms up" in cure.what for cure in gl.probe(model, x).cure())
    cure = named(gl.probe(model, (x, y), "cross_entropy").cure(), "warms up")
    trained = copy.deepcopy(model)
    optimizer = torch.optim.Adam(trained.parameters(), lr=1e-3)
    for step in range(20):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 / 20 + 19 / 20 * step / 20)
        optimizer.zero_grad()
        nn.functional.cross_entropy(trained(x), y).backward()
        optimizer.step()
    after = gl.probe(trained, (x, y), "cross_entropy")
    assert cure.trained is not None
    assert cure.after == cure.before  # nothing is changed before training
    assert cure.trained.summary.log_survival == pytest.approx(after.result.summary.log_survival, abs=1e-4)
    assert cure.trained.first_loss == pytest.approx(nn.functional.cross_entropy(model(x), y).item(), rel=1e-5)
    assert cure.trained.loss == pytest.approx(nn.functional.cross_entropy(trained(x), y).item(), rel=1e-4)


class Tagger(nn.Module):
    """A post-LN stack as `nn.TransformerEncoder` makes it, in which tokens soon are alike."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(16, 20)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(ids)))


def test_what_a_change_does_is_seen_in_the_first_steps_of_training() -> None:
    torch.manual_seed(0)
    ids = torch.randint(20, (8, 12))
    probe = gl.probe(Tagger(24), (ids, ids.roll(1, 1)), "cross_entropy")
    assert probe.conclusions[0].startswith("Healthy by survival alone:")  # its tokens are alike
    cures = probe.cure()
    cure = named(cures, "pre-LN")
    assert cure.trained is not None
    assert cure.trained_before is not None
    assert cure.helps
    assert cure.trained.loss < cure.trained_before.loss
    losses = [cure.trained.loss for cure in cures if cure.helps and cure.trained is not None]
    assert losses == sorted(losses)
    assert sum(cure.trained is not None for cure in cures) == 6  # the best five, and a warm-up
    expected = copy.deepcopy(Tagger(24))
    exec(cure.code, {"model": expected})
    assert isinstance(expected.encoder.norm, nn.LayerNorm)


def test_a_model_that_cannot_be_copied(x: Tensor) -> None:
    model = stack(nn.ReLU, 3)
    model.handle = threading.Lock()
    result = gl.probe(model, x)
    with pytest.raises(UsageError, match="cannot be copied"):
        result.cure()


class Projected(nn.Module):
    """A residual block whose skip is a map too, as where a ResNet changes its width."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.skip = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu()) + self.skip(x)


def test_what_follows_each_weight() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 3, groups=2), nn.Flatten(),
        nn.Linear(64 * 16, 64), nn.Dropout(0.0), nn.Sigmoid(), nn.Linear(64, 5),
    )  # fmt: skip
    nn.init.kaiming_normal_(model[5].weight)
    uses = measure(model, torch.randn(2, 3, 8, 8)).weight_uses
    assert [(use.name, use.fan_in, use.activation, use.normed) for use in uses] == [
        ("0", 27, "Relu", True), ("3", 288, "", False), ("5", 1024, "Sigmoid", False), ("8", 64, "", False),
    ]  # fmt: skip
    assert [use.gain for use in uses] == pytest.approx([3**-0.5, 3**-0.5, 2**0.5, 3**-0.5], rel=0.1)
    shortcut = nn.Sequential(Projected(), Projected(), nn.Linear(8, 2))
    uses = measure(shortcut, torch.randn(4, 8)).weight_uses
    assert [use.name for use in uses if use.ends_branch] == ["0.second", "1.second"]
    residual = measure(Net(2), torch.randn(4, 16)).weight_uses
    assert [use.ends_branch for use in residual] == [False, True, False, True, False]


def test_a_change_that_a_model_does_not_run_with_is_named() -> None:
    class Reader(nn.Module):
        """Reads the weight of its layer, as a fused forward does."""

        def __init__(self) -> None:
            super().__init__()
            self.layer, self.readout = nn.Linear(8, 8), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.readout((self.layer(x) + 0 * self.layer.weight.sum()).relu())

    with pytest.warns(ChangeNotTried, match="LayerNorm before each activation: AttributeError"):
        cures = gl.probe(Reader(), torch.randn(4, 8)).cure()
    assert cures
    assert not any("LayerNorm" in cure.what for cure in cures)


def test_a_change_with_which_a_model_cannot_be_trained_is_named() -> None:
    class Once(nn.Module):
        """Fails in the sixth forward: measured it is, trained it is not."""

        def __init__(self) -> None:
            super().__init__()
            self.layer, self.readout, self.calls = nn.Linear(8, 8), nn.Linear(8, 2), 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            if self.calls > 5:
                raise RuntimeError("it has had enough")
            return self.readout(self.layer(x).relu())

    with pytest.warns(ChangeNotTried, match="the first steps of training: RuntimeError: it has had enough"):
        cures = gl.probe(Once(), (torch.randn(4, 8), torch.randint(2, (4,))), "cross_entropy").cure()
    assert cures
    assert all(cure.trained is None for cure in cures)
