"""The report of a measured model: its numbers are those of the profile, it fits its width and says what there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.cells import cell_len
from torch import nn

from gradlab.api.model_options import ProbeOptions
from gradlab.api.probe import ProbeResult, probe
from gradlab.modules.summary import log_grad_norms
from gradlab.report.glyphs import ASCII, UNICODE
from gradlab.report.model.module_conclusions import conclusions, outstanding
from gradlab.report.model.module_table import MOST, block_table
from gradlab.report.terminal.module import module_report


def stack(depth: int, activation: type[nn.Module] = nn.Sigmoid, width: int = 16) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, 4))


def measured(model: nn.Module, features: int = 16) -> ProbeResult:
    inputs = torch.randn(8, features, generator=torch.Generator().manual_seed(1))
    return probe(model, inputs)


def lines(result: ProbeResult, width: int | None, glyphs: object = UNICODE) -> list[str]:
    return [str(line) for line in module_report(result.report, glyphs, width)]  # type: ignore[arg-type]


def said(result: ProbeResult) -> str:
    return " ".join(conclusions(result.report))


def detached() -> nn.Module:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(16, 16) for _ in range(6)])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for place, layer in enumerate(self.layers):
                x = layer(x).tanh()
                if place == 2:
                    x = x.detach()
            return x

    return Detached()


def masked() -> nn.Module:
    model = stack(5, nn.Tanh)
    nn.init.zeros_(model[-1].weight)
    return model


def dead() -> nn.Module:
    model = stack(6, nn.ReLU)
    nn.init.constant_(model[6].bias, -100.0)
    return model


def jump() -> nn.Module:
    model = stack(9, nn.Tanh)
    with torch.no_grad():
        model[10].weight.mul_(1e-4)
    return model


def test_the_fields_are_the_numbers_of_the_profile() -> None:
    result = measured(stack(5))
    log10_g = log_grad_norms(result.profiles[0]) / np.log(10)
    rows = block_table(result.report).rows
    assert [row.texts["log10_grad_norm"] for row in rows] == [f"{value:.2f}" for value in log10_g]
    factors = [f"{value:.3f}" for value in 10 ** (log10_g[:-1] - log10_g[1:])]
    assert [row.texts["factor"] for row in rows] == ["", *factors]
    assert rows[0].mark.text == f"{log10_g[0] - log10_g[-1]:.1f}"
    assert [row.name for row in rows] == [block.name for block in result.profiles[0].blocks]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("model", [stack(3), stack(12), stack(60), detached(), masked(), dead()])
def test_no_line_is_wider_than_the_terminal(model: nn.Module, width: int) -> None:
    result = measured(model)
    assert all(cell_len(line) <= width for line in lines(result, width))
    assert all(line.isascii() for line in lines(result, width, ASCII))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (detached, "Detached: no path leads from the loss to 3 blocks, layers.0 to layers.2, which do not train."),
        (masked, "Masked: the gradient is exactly zero at every block, as a weight above is zero in every element."),
        (masked, "10.weight is zero in every element"),
        (dead, "Dead: the gradient is exactly zero at and below 4 (block 3 of 6)."),
        (jump, "It changes most in 10 (block 6)"),
        (lambda: stack(12), "It shrinks evenly: no block stands out."),
        (lambda: stack(1), "as far as a single block can tell"),
    ],
)
def test_what_is_said(make: Callable[[], nn.Module], sentence: str) -> None:
    assert sentence in said(measured(make()))


def test_where_a_gradient_is_cut_off_is_said() -> None:
    result = measured(detached())
    assert "Why: detach in the model itself cuts the gradient off from layers.0, layers.1, layers.2" in said(result)
    assert [row.texts["note"] for row in block_table(result.report).rows] == ["detached"] * 3 + [""] * 3


def test_the_block_that_changes_most_is_the_one_that_was_scaled() -> None:
    result = measured(jump())
    assert outstanding(result.report) == 5  # its sixth linear layer
    assert outstanding(measured(stack(9, nn.Tanh)).report) is None


def test_a_deep_model_is_folded_without_a_width_it_is_whole() -> None:
    model = stack(100, nn.Tanh)
    with torch.no_grad():
        model[100].weight.mul_(1e-4)
    result = measured(model)
    table = block_table(result.report)
    assert len(table.rows) <= MOST
    assert sum(row.skipped for row in table.rows) + len(table.rows) == table.total == 100
    numbers = [row.number for row in table.rows]
    assert {1, 100, 51, 50, 52} <= set(numbers)
    assert len(block_table(result.report, None).rows) == 100
    assert any("are shown; all are with --json" in line for line in lines(result, 80))


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_few_blocks_are_printed_as_many_are(depth: int) -> None:
    result = measured(stack(depth, nn.Tanh))
    assert len(result.report.blocks) == depth
    text = lines(result, 80)
    assert "kind of every block" in " ".join(text)
    assert sum(line.split()[1:2] == [name] for line in text for name in result.report.names) == depth


def test_columns_that_say_nothing_are_left_out() -> None:
    keys = {column.key for column in block_table(measured(stack(5, nn.Tanh)).report).columns}
    assert {"log10_grad_norm", "factor", "log10_survival", "act_rms"} <= keys
    assert not {"shape", "kind", "dtype", "note", "dead", "nonfinite", "token_cosine"} & keys
    assert "dead" in {column.key for column in block_table(measured(dead()).report).columns}


def test_names_lose_what_all_of_them_begin_with() -> None:
    table = block_table(measured(detached()).report)
    assert table.prefix == "layers."
    assert [row.name for row in table.rows] == list("012345")


def test_seeds_have_an_interval() -> None:
    def make(seed: int) -> nn.Module:
        return nn.Sequential(*[nn.Sequential(nn.Linear(16, 16), nn.Sigmoid()) for _ in range(6)])

    result = probe(None, torch.randn(8, 16), options=ProbeOptions(seeds=4), make=make)
    assert "] over the seeds" in conclusions(result.report)[0]
    assert any("4 seeds" in line for line in lines(result, 80))


class Halves(nn.Module):
    """Layers that halve what goes through them: the factor of each block is 1/2 exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4, bias=False) for _ in range(13)])
        for layer in self.layers:
            layer.weight.data = torch.eye(4) / 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


@pytest.mark.parametrize("width", [80, 120])
def test_the_whole_report_of_a_model_with_known_numbers(width: int) -> None:
    result = probe(Halves(), torch.ones(2, 4))
    assert {row.texts["factor"] for row in block_table(result.report).rows} == {"0.500", ""}
    written = "\n".join(line.rstrip() for line in lines(result, width)) + "\n"
    assert written == (Path(__file__).parent / f"module_report_{width}.txt").read_text(encoding="utf-8")
