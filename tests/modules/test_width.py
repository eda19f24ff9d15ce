"""The coordinate check: slopes of the standard parametrisation and of muP, and of lines that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import linregress
from torch import Tensor, nn

import gradlab as gl
from gradlab.errors import OptionError, UsageError
from gradlab.modules.width_record import WidthCheck


def mlp(width: int, inputs: int = 64) -> nn.Sequential:
    sizes = [(inputs, width), (width, width), (width, width)]
    layers = [layer for size in sizes for layer in (nn.Linear(*size), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu" if layer.out_features == width else "linear")
            nn.init.zeros_(layer.bias)
    return model


def mup(width: int) -> nn.Sequential:
    model = mlp(width)
    with torch.no_grad():
        model[-1].weight.mul_(width**-0.5)
    return model


def mup_adam(model: nn.Module) -> torch.optim.Optimizer:
    first, *others = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    rates = [(first.weight, 1e-3), *((layer.weight, 1e-3 * 64 / layer.in_features) for layer in others)]
    rates += [(layer.bias, 1e-3) for layer in (first, *others)]
    return torch.optim.Adam([{"params": [weight], "lr": lr} for weight, lr in rates], eps=1e-30)


@pytest.fixture(scope="module")
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(64, 64, generator=generator), torch.randint(10, (64,), generator=generator)


@pytest.mark.slow
def test_the_standard_parametrisation_grows_and_mup_is_stable(batch: tuple[Tensor, Tensor]) -> None:
    """A four-layer ReLU network, batch 64, Adam, one update: 0, 1, 1, 1.5 in theory; over 512 to 2048 .00, .98, 1.00,
    1.44 within .1 by simulation, and 0 for muP."""
    widths = [64, 128, 256, 512, 1024, 2048]
    standard = gl.width(mlp, widths, batch, "cross_entropy", steps=1, seeds=6)
    slopes = list(standard.table["slope"])
    assert slopes == pytest.approx([0.0, 0.98, 1.0, 1.44], abs=0.1)
    assert list(standard.table["slope_all"]) == pytest.approx([0.0, 0.9, 0.92, 1.3], abs=0.1)
    assert list(standard.table["verdict"]) == ["stable", "grows", "grows", "grows"]
    assert standard.verdict == "grows"
    assert "does not transfer" in " ".join(standard.conclusions)
    own = gl.width(mup, widths, batch, "cross_entropy", optimizer=mup_adam, steps=1, seeds=6)
    assert list(own.table["slope"]) == pytest.approx([0.0] * 4, abs=0.06)
    assert own.verdict == "stable"


def test_slopes_are_those_of_a_line_through_all_points() -> None:
    widths, generator = (8, 16, 32, 64), np.random.default_rng(0)
    moved = np.exp2(0.7 * np.log2(np.array(widths))[None, None, :, None] + generator.normal(0, 0.1, (1, 2, 4, 5)))
    check = WidthCheck(("layer",), widths, np.ones((1, 4, 5)), moved, "adam", 1e-3)
    for top in (None, 3):
        largest = slice(None) if top is None else slice(-top, None)
        x = np.repeat(np.log2(widths[largest]), 5)
        line = linregress(x, np.log2(moved[0, 0, largest]).ravel())
        slope = check.slope(0, top=top)
        assert slope.value == pytest.approx(line.slope, rel=1e-12)
        assert slope.error == pytest.approx(line.stderr, rel=1e-12)
    assert check.verdict(0) == "grows"
    assert check.slope_before(0).value == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("slope", "noise", "verdict"),
    [(0.0, 0.01, "stable"), (-0.5, 0.01, "shrinks"), (0.5, 0.01, "grows"), (0.2, 1.5, "undecided")],
)
def test_verdicts(slope: float, noise: float, verdict: str) -> None:
    widths, generator = (64, 128, 256), np.random.default_rng(1)
    exponents = slope * np.log2(np.array(widths))[None, None, :, None] + generator.normal(0, noise, (1, 1, 3, 4))
    check = WidthCheck(("layer",), widths, np.ones((1, 3, 4)), np.exp2(exponents), "adam", 1e-3)
    assert check.overall == verdict
    still = WidthCheck(("layer",), widths, np.ones((1, 3, 4)), np.zeros((1, 1, 3, 4)), "adam", 1e-3)
    assert still.verdicts == ("does not move",)
    assert math.isnan(still.slope(0).value)


def test_a_check_is_that_of_plain_training_and_changes_nothing(batch: tuple[Tensor, Tensor]) -> None:
    state, dtype = torch.get_rng_state(), torch.get_default_dtype()
    check = gl.width(mlp, [8, 16, 32], batch, "cross_entropy", optimizer="sgd", lr=0.1, steps=2, seeds=2).check
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() == dtype
    x, y = batch[0].double(), batch[1]
    torch.manual_seed(1)
    model = mlp(16).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    first = model(x).detach()
    for step in range(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        moved = float((model(x) - first).detach().square().mean().sqrt())
        assert check.moved_LTWS[3, step, 1, 1] == pytest.approx(moved, rel=1e-10)
    assert check.before_LWS[3, 1, 1] == pytest.approx(float(first.square().mean().sqrt()), rel=1e-10)
    assert check.layers == ("0", "2", "4", "6")


def test_report_document_and_picture(batch: tuple[Tensor, Tensor]) -> None:
    width = gl.width(mlp, [8, 16, 32], batch, "cross_entropy", seeds=2)
    text = width.report(80)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.startswith("Coordinate check")
    assert all(f"{row['slope']:.2f}" in text for _, row in width.table.iterrows())
    assert width.document()["layers"][1]["slope"] == pytest.approx(width.table["slope"][1])
    assert "<pre" in width._repr_html_()
    assert len(width.picture().axes[0].get_lines()) >= 4


@pytest.mark.parametrize(
    ("make", "widths", "arguments", "message"),
    [
        (mlp, [8, 16], {}, "2 widths show no slope"),
        (mlp, [8, 8, 16], {}, "2 widths show no slope"),
        (mlp, [8, 16, 0], {}, "0 is no width"),
        (lambda width: mlp(8), [8, 16, 32], {}, "have as many parameters"),
        (
            lambda width: nn.Sequential(*[nn.Linear(64, 64)] * (width // 8)),
            [8, 16, 32],
            {"loss": None},
            "not those at width 8",
        ),
        (lambda width: nn.Sequential(nn.Flatten()), [8, 16, 32], {"loss": None}, "no module with a matrix"),
        (lambda width: width, [8, 16, 32], {}, "returned a int"),
        (mlp, [8, 16, 32], {"optimizer": lambda model: 3}, "the optimizer is a int"),
        (mlp(8), [8, 16, 32], {}, "make is a Sequential"),
    ],
)
def test_what_does_not_fit_is_one_message(
    make: object, widths: list[int], arguments: dict[str, object], message: str, batch: tuple[Tensor, Tensor]
) -> None:
    options = {"loss": "cross_entropy", "steps": 1, "seeds": 1} | arguments
    with pytest.raises(UsageError) as caught:
        gl.width(make, widths, batch, **options)
    assert message in str(caught.value)


def test_options_have_bounds(batch: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(OptionError, match="optimizer"):
        gl.width(mlp, [8, 16, 32], batch, "cross_entropy", optimizer="muon")
    with pytest.raises(UsageError, match="function of a width"):
        gl.width(3, [8, 16, 32], batch)  # type: ignore[arg-type]


def test_a_batch_may_depend_on_the_width_and_a_model_on_the_seed() -> None:
    def make(width: int, seed: int) -> nn.Module:
        torch.manual_seed(100 + seed)
        return nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2))

    def batch(width: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(0)
        return torch.randn(16, width, generator=generator), torch.zeros(16, 2)

    check = gl.width(make, [8, 16, 32], batch, "mse", seeds=2, steps=1).check
    torch.manual_seed(101)
    model = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2)).double()
    assert check.before_LWS[1, 1, 1] == pytest.approx(
        float(model(batch(16)[0].double()).detach().square().mean().sqrt()), rel=1e-9
    )
