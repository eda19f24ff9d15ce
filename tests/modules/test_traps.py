"""What goes wrong on real modules: operations in place, wrappers, checkpointing, precision, detached parts."""

from __future__ import annotations

import copy
import math
import threading
import warnings
from collections.abc import Callable

import pytest
import torch
from networks import WIDTH, Block, Net, by_hand
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

import gradlab as gl
from gradlab.errors import UsageError
from gradlab.modules.measuring.probe import measure
from gradlab.modules.profile import ModuleProfile
from gradlab.modules.summary import summarise

COTANGENT = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
"""What stands for a loss, of seed 0."""


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(5))


def log_norms(profile: ModuleProfile) -> list[float]:
    return [block.log_grad_norm for block in profile.blocks]


def expected(model: Net, x: Tensor) -> list[float]:
    return by_hand(copy.deepcopy(model).double().requires_grad_(True), x.double().requires_grad_(), COTANGENT)


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


def test_a_head_of_zeros_masks_what_is_below(x: Tensor) -> None:
    model = Net()
    nn.init.zeros_(model.readout.weight)
    result = gl.probe(model, x)
    assert result.verdict == "masked"
    assert result.result.profiles[0].head.zero_weights == ("readout.weight",)
    with torch.no_grad():
        model.readout.weight.normal_()
        for parameter in model.blocks[3].parameters():
            parameter.zero_()
    assert gl.probe(model, x).verdict == "healthy"  # around a branch of zeros there is the skip


def test_dead_units_are_not_masked(x: Tensor) -> None:
    model = nn.Sequential(
        *[layer for _ in range(4) for layer in (nn.Linear(WIDTH, WIDTH), nn.ReLU())], nn.Linear(WIDTH, 3)
    )
    with torch.no_grad():
        model[4].bias.fill_(-100)
    result = gl.probe(model, x)
    assert result.verdict == "dead"
    assert result.result.profiles[0].blocks[2].dead == 1.0
    assert result.log10_survival == -math.inf


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_measured_in_float64(dtype: torch.dtype, x: Tensor) -> None:
    model = Net().to(dtype)
    profile = measure(model, x.to(dtype))
    assert {block.dtype for block in profile.blocks} == {"float64"}
    assert log_norms(profile) == pytest.approx(expected(model, x.to(dtype)), abs=1e-10)
    assert next(model.parameters()).dtype == dtype


def test_autocast_around_a_probe_changes_nothing(x: Tensor) -> None:
    model = Net()
    with torch.autocast("cpu"):
        profile = measure(model, x)
        assert torch.is_autocast_enabled("cpu")
    assert log_norms(profile) == pytest.approx(expected(model, x), abs=1e-10)


def test_a_constant_made_in_float32_by_default_fits(x: Tensor) -> None:
    model = Net(each=lambda block, x: block(x @ torch.eye(WIDTH)))
    profile = measure(model, x)
    assert profile.dtype == "float64"
    assert log_norms(profile) == pytest.approx(expected(model, x), abs=1e-10)


@pytest.mark.parametrize(
    "eye",
    [
        lambda: torch.eye(WIDTH, dtype=torch.float32),
        lambda: (torch.arange(WIDTH)[:, None] == torch.arange(WIDTH)).float(),
        lambda: nn.functional.one_hot(torch.arange(WIDTH)).to(torch.float32),
    ],
)
def test_a_constant_that_the_forward_makes_in_float32_fits(eye: Callable[[], Tensor], x: Tensor) -> None:
    model = Net(each=lambda block, x: block(x @ eye()))
    profile = measure(model, x)
    assert (profile.dtype, profile.notes) == ("float64", measure(Net(), x).notes)
    assert log_norms(profile) == pytest.approx(expected(model, x), abs=1e-10)
    assert eye().dtype == torch.float32


def test_a_model_that_insists_on_float32_is_measured_in_it_and_says_so(x: Tensor) -> None:
    eye = torch.eye(WIDTH)  # of the module's file, not of the model
    model = Net(each=lambda block, x: block(x @ eye))
    profile = measure(model, x)
    assert profile.dtype == "float32"
    assert profile.notes[0].startswith(
        "measured in the model's own precision, as it does not run in float64: RuntimeError"
    )
    assert log_norms(profile) == pytest.approx(expected(model, x), abs=1e-4)


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


@pytest.mark.parametrize("scaled", ["norm", "vector", "number"])
def test_a_scale_of_zero_on_the_only_way_masks(scaled: str, x: Tensor) -> None:
    """A norm that starts at zero stands where a skip goes past it; at a stage without one nothing comes through."""

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(WIDTH)
            self.gain = nn.Parameter(torch.zeros(()) if scaled == "number" else torch.zeros(WIDTH))
            if scaled == "norm":
                nn.init.zeros_(self.norm.weight)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x) if scaled == "norm" else self.norm(x) * self.gain[None]

    model = Net()
    model.blocks[2].second = nn.Sequential(nn.Linear(WIDTH, WIDTH), Scaled())  # in a branch: the skip goes past it
    assert gl.probe(model, x).verdict == "healthy"
    model = Net(each=lambda block, x: block.scale(block(x)) if hasattr(block, "scale") else block(x))
    model.blocks[2].scale = Scaled()
    result = gl.probe(model, x)
    assert result.verdict == "masked"
    name = "blocks.2.scale.norm.weight" if scaled == "norm" else "blocks.2.scale.gain"
    assert name in result.result.report.causes[0].what
    assert result.blocks.log10_grad_norm.tolist()[:3] == [-math.inf] * 3


@pytest.mark.parametrize("zero", ["scale", "matrix"])
def test_zeros_in_a_branch_do_not_explain_dead_units(zero: str, x: Tensor) -> None:
    blocks = [Block() for _ in range(4)]
    if zero == "scale":
        blocks[2].second = nn.Sequential(nn.Linear(WIDTH, WIDTH), norm := nn.LayerNorm(WIDTH))
        nn.init.zeros_(norm.weight)
    else:
        nn.init.zeros_(blocks[2].second.weight)
    dead = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU())
    nn.init.constant_(dead[0].bias, -100.0)
    model = nn.Sequential(*blocks[:2], nn.Sequential(dead, blocks[2]), blocks[3])
    result = gl.probe(model, x, blocks=["0", "1", "2", "3"])
    assert result.blocks.log10_grad_norm.tolist()[:2] == [-math.inf] * 2
    assert result.verdict == "dead"


def test_zeros_beside_the_chain_are_not_said_to_mask_it(x: Tensor) -> None:
    """A condition that starts at zero is added; what ends the gradient is the readout."""

    class Conditioned(Net):
        def __init__(self) -> None:
            super().__init__()
            self.condition = nn.Linear(WIDTH, WIDTH)
            nn.init.zeros_(self.condition.weight)
            nn.init.zeros_(self.readout.weight)

        def forward(self, x: Tensor) -> Tensor:
            for block in self.blocks:
                x = block(x)
            return self.readout(x + self.condition(torch.ones(WIDTH)))

    result = gl.probe(Conditioned(), x)
    assert result.verdict == "masked"
    assert result.result.report.causes[0].what.startswith("readout.weight is zero in every element")


def test_the_gradient_of_the_input_itself(x: Tensor) -> None:
    """An Identity in front, or dropout in evaluation, hands the input on: a leaf, of which no hook runs."""
    model = nn.Sequential(nn.Identity(), nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 3))
    result = gl.probe(model, x, blocks=["0", "1"])
    leaf = x.double().requires_grad_()
    (copy.deepcopy(model).double()(leaf) * COTANGENT).sum().backward()
    assert leaf.grad is not None
    assert log_norms(result.result.profiles[0])[0] == pytest.approx(float(leaf.grad.norm().log()), abs=1e-10)
    assert (result.verdict, result.verify() < 1e-10) == ("healthy", True)


def test_a_cast_inside_a_block_is_seen(x: Tensor) -> None:
    profile = measure(Net(each=lambda block, x: block(x.float().tanh().double()).to(x.dtype)), x)
    assert {block.dtype for block in profile.blocks} == {"float32"}
    assert profile.dtype == "float64"


@pytest.mark.parametrize("form", [nn.utils.weight_norm, parametrizations.weight_norm, parametrizations.spectral_norm])
def test_parametrised_weights(form: Callable[[nn.Module], nn.Module], x: Tensor) -> None:
    model = Net()
    for block in model.blocks:
        with_warning_ignored(form, block.first)
    model(x)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    profile = measure(model, x, train=False)
    assert [block.name for block in profile.blocks] == [f"blocks.{place}" for place in range(5)]
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not profile.notes


def test_a_model_that_cannot_be_copied_is_measured_in_place(x: Tensor) -> None:
    model = Net()
    by_autograd = expected(model, x)
    model.lock = threading.Lock()
    weights = {name: (value, value.clone()) for name, value in model.state_dict(keep_vars=True).items()}
    profile = measure(model, x)
    assert "measured in place, as it cannot be copied" in profile.notes[0]
    assert log_norms(profile) == pytest.approx(by_autograd, abs=1e-10)
    for name, value in model.state_dict(keep_vars=True).items():
        assert value is weights[name][0]
        assert value.dtype == torch.float32
        assert torch.equal(value, weights[name][1])


def with_warning_ignored(form: Callable[[nn.Module], nn.Module], module: nn.Module) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        form(module)


class Masked(nn.Module):
    """Adds the smallest number of the format where a mask is 0, in float32, in which that of float64 is -inf."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.ones_like(x.detach().float())
        y: Tensor = self.net(x + (1.0 - mask) * torch.finfo(x.dtype).min)
        return y


def test_a_mask_that_overflows_in_float64_alone(x: Tensor) -> None:
    model = Masked()
    assert model(x).isfinite().all()
    assert not model.double()(x.double()).isfinite().any()
    profile = measure(model.float(), x)
    assert profile.notes[0] == "measured in the model's own precision, as its values are not finite in float64"
    assert log_norms(profile) == pytest.approx(expected(model.net, x), abs=1e-4)


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
