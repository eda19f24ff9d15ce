"""What goes wrong on real modules: operations in place, wrappers, checkpointing, detached parts, inputs."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable

import pytest
import torch
from networks import COTANGENT, WIDTH, Block, Net, by_hand, expected, log_norms
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import gradlab as gl
from gradlab.errors import UsageError
from gradlab.modules.measuring.probe import measure
from gradlab.modules.summary import summarise


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(5))


def compiled(model: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch imports for it warns about itself
        return torch.compile(model)  # type: ignore[return-value]


@pytest.mark.parametrize(
    "wrap", [lambda model: model, compiled, nn.DataParallel], ids=["plain", "compiled", "parallel"]
)
def test_in_place_operations_and_wrappers(wrap: Callable[[nn.Module], nn.Module], x: Tensor) -> None:
    model = Net()
    profile = measure(wrap(model), x)
    assert [block.name for block in profile.blocks] == [f"blocks.{place}" for place in range(5)]
    assert log_norms(profile) == pytest.approx(expected(model, x), abs=1e-10)


@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpointing_is_switched_off_and_said(reentrant: bool, x: Tensor) -> None:
    model = Net(each=lambda block, x: checkpoint(block, x, use_reentrant=reentrant))
    profile = measure(model, x)
    assert profile.notes == ("activation checkpointing was switched off for the measurement",)
    assert log_norms(profile) == pytest.approx(expected(model, x), abs=1e-10)
    assert [block.call for block in profile.blocks] == [1] * 5


def test_frozen_blocks_have_a_gradient_and_are_marked(x: Tensor) -> None:
    model = Net()
    model.blocks[:3].requires_grad_(False)
    profile = measure(model, x)
    assert [block.frozen for block in profile.blocks] == [True, True, True, False, False]
    assert log_norms(profile) == pytest.approx(expected(model, x), abs=1e-10)
    assert [parameter.requires_grad for parameter in model.blocks[0].parameters()] == [False] * 4


@pytest.mark.parametrize(
    ("cut_off", "how", "where"),
    [
        (lambda block, x: block(x).detach() if block.number == 2 else block(x), "detach", ""),
        (lambda block, x: no_grad(block, x) if block.number < 3 else block(x), "no_grad", "blocks.0"),
    ],
    ids=["detach", "no_grad"],
)
def test_a_detached_part_is_named(
    cut_off: Callable[[nn.Module, Tensor], Tensor], how: str, where: str, x: Tensor
) -> None:
    model = Net(each=cut_off)
    for number, block in enumerate(model.blocks):
        block.number = number
    result = gl.probe(model, x)
    assert result.verdict == "detached"
    profile = result.result.profiles[0]
    assert [block.connected for block in profile.blocks] == [False, False, False, True, True]
    assert profile.cut_off == ((how, where),)
    # above the cut the gradient is what it is without it
    assert log_norms(profile)[3:] == pytest.approx(expected(model, x)[3:], abs=1e-10)


def no_grad(block: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return block(x)


@pytest.mark.parametrize("decorator", [torch.no_grad, torch.inference_mode])
def test_a_forward_without_gradients_is_detached_everywhere(decorator: Callable[[], Callable], x: Tensor) -> None:
    class Whole(Net):
        forward = decorator()(Net.forward)

    result = gl.probe(Whole(), x)
    assert result.verdict == "detached"
    assert not any(block.connected for block in result.result.profiles[0].blocks)


def test_a_view_that_no_grad_takes_of_the_input_is_outside_the_graph(x: Tensor) -> None:
    """As the teacher's first layer does: torch says of the view that it requires a gradient, and gives it no node."""

    class Distilled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.student, self.teacher = Net(), nn.Sequential(nn.Flatten(), nn.Linear(WIDTH, 3))

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                target = self.teacher(x)
            return nn.functional.mse_loss(self.student(x), target, reduction="sum")

    model = Distilled()
    profile = measure(model, x)
    copied = copy.deepcopy(model).double()
    cotangent = 2 * (copied.student(x.double()) - copied.teacher(x.double())).detach()
    assert [block.name for block in profile.blocks][:5] == [f"student.blocks.{place}" for place in range(5)]
    by_autograd = by_hand(copied.student, x.double().requires_grad_(), cotangent)
    assert log_norms(profile)[:5] == pytest.approx(by_autograd, abs=1e-10)
    assert summarise([profile]).verdict == "healthy"


def test_the_gradient_of_the_input_itself(x: Tensor) -> None:
    """An Identity in front, or dropout in evaluation, hands the input on: a leaf, of which no hook runs."""
    model = nn.Sequential(nn.Identity(), nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 3))
    result = gl.probe(model, x, blocks=["0", "1"])
    leaf = x.double().requires_grad_()
    (copy.deepcopy(model).double()(leaf) * COTANGENT).sum().backward()
    assert leaf.grad is not None
    assert log_norms(result.result.profiles[0])[0] == pytest.approx(float(leaf.grad.norm().log()), abs=1e-10)
    assert (result.verdict, result.verify() < 1e-10) == ("healthy", True)


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.join = Net(4), Net(6), nn.Linear(6, 2)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.join(torch.cat([self.left(left), self.right(right)], 1))


@pytest.mark.parametrize(("source", "blocks"), [(None, 4), ("left", 4), ("right", 6)])
def test_two_inputs_have_a_chain_each(source: str | None, blocks: int, x: Tensor) -> None:
    profile = measure(TwoInputs(), {"left": x, "right": x}, source=source)  # the same tensor twice
    assert profile.source == (source or "left")
    assert [block.name for block in profile.blocks] == [f"{profile.source}.blocks.{place}" for place in range(blocks)]
    assert all(block.is_cut for block in profile.blocks)


def test_integers_that_no_table_looks_up() -> None:
    class OneHot(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.net = nn.Linear(10, WIDTH), Net()

        def forward(self, index: Tensor) -> Tensor:
            return self.net(self.first(nn.functional.one_hot(index, 10).to(self.first.weight.dtype)))

    profile = measure(OneHot(), torch.arange(4))
    assert profile.source == "the output of first"
    assert len(profile.blocks) == 5


def test_the_calls_of_one_module_are_blocks_each(x: Tensor) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block, self.readout = Block(), nn.Linear(WIDTH, 3)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(12):
                x = self.block(x)
            return self.readout(x)

    assert list(gl.probe(Shared(), x).blocks["name"]) == [f"block#{call}" for call in range(1, 13)]


class Untouched(nn.Module):
    """Outputs of many kinds around one network."""

    def __init__(self, form: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.net, self.unused, self.form = Net(), nn.Linear(3, 3), form

    def forward(self, x: Tensor) -> object:
        return self.form(self.net(x))


@pytest.mark.parametrize(
    "form", [lambda y: (None, y, [1, "a"]), lambda y: {"aux": None, "out": (y, 3)}, lambda y: [{"deep": [y]}]]
)
def test_outputs_in_containers_and_modules_that_are_never_called(form: Callable[[Tensor], object], x: Tensor) -> None:
    model = Untouched(form)
    profile = measure(model, x)
    assert log_norms(profile) == pytest.approx(expected(model.net, x), abs=1e-10)
    assert profile.uncalled == ("unused",)


def test_a_loss_that_lies_is_tiny_everywhere_but_at_the_top() -> None:
    model = nn.Sequential(*[nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH, eps=0)) for _ in range(4)])
    profile = measure(model, torch.randn(4, WIDTH), lambda output, _: output.pow(2).sum(), blocks="[0-9]")
    assert len(profile.blocks) == 4
    assert profile.blocks[0].log_grad_norm - profile.blocks[-1].log_grad_norm < math.log(1e-12)


def test_what_is_not_finite_has_no_other_verdict(x: Tensor) -> None:
    assert gl.probe(Net(), x * math.nan).verdict == "nonfinite"
    assert gl.probe(Net(), x, lambda output, _: output.sum() * math.inf).verdict == "nonfinite"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.ReLU(), nn.ReLU()), "the model has no block"),
        (nn.Sequential(nn.LazyLinear(4), nn.ReLU()), "parameter 0.weight is not initialised"),
        (Net().to("meta"), "is on the meta device and has no numbers"),
        (Untouched(lambda y: y.argmax(1)), "holds no floating tensor"),
        (Untouched(lambda y: y[:0]), "output is empty, of shape [0, 3]"),
        (Untouched(lambda y: torch.ones(4, 3)), "does not depend on the model's input"),
    ],
)
def test_models_that_cannot_be_measured_are_one_message(model: nn.Module, message: str, x: Tensor) -> None:
    with pytest.raises(UsageError) as caught:
        measure(model, x)
    assert message in str(caught.value)


def test_a_batch_of_one_under_batch_norm_is_the_models_own_error() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        gl.probe(model, torch.randn(1, 4))
    assert gl.probe(model, torch.randn(1, 4), train=False).verdict == "healthy"


def test_encoder_and_decoder_by_the_name_of_the_input() -> None:
    model = nn.Transformer(WIDTH, 2, 3, 3, 32, batch_first=True)
    source, target = torch.randn(2, 7, WIDTH), torch.randn(2, 5, WIDTH)
    encoder = measure(model, lambda model: model(source, target), blocks="TransformerEncoderLayer", source="0")
    decoder = measure(model, lambda model: model(source, target), blocks="TransformerDecoderLayer", source="1")
    assert [block.is_cut for block in (*encoder.blocks, *decoder.blocks)] == [True] * 6


def test_a_model_that_takes_its_targets_alone_begins_at_its_first_map(x: Tensor) -> None:
    """A field that is fitted to an image: the coordinates are its own, the image goes into the loss."""

    class Field(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("places", torch.randn(4, WIDTH))
            self.net = Net()

        def forward(self, image: Tensor) -> Tensor:
            assert isinstance(self.places, Tensor)
            return nn.functional.mse_loss(self.net(self.places), image)

    model = Field()
    profile = measure(model, x[:, :3])
    assert profile.source == "the output of net.blocks.0.first"
    assert [block.name for block in profile.blocks] == [f"net.blocks.{place}" for place in range(5)]
    copied = copy.deepcopy(model.net).double()
    places = model.places.double()
    cotangent = 2 / 12 * (copied(places) - x[:, :3].double()).detach()
    assert log_norms(profile) == pytest.approx(by_hand(copied, places, cotangent), abs=1e-10)


def test_where_a_cast_to_integers_ends_the_gradient_is_named() -> None:
    class Quantised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            return self.decoder(self.encoder(x).mul(255).to(torch.int32).to(x.dtype))

    with pytest.raises(UsageError, match="what decoder takes has no gradient, as after a cast to integers"):
        measure(Quantised(), torch.randn(2, WIDTH))
