"""Numbers of the theory of convolutional networks, from specs and the tables that a run writes.

`sd` is the scatter of ln g (or of ln decay) of a single seed as simulated in plain torch; a mean of n seeds may
differ by 3 sd / sqrt(n), and by the bias of a finite width, -v / (4 C) a block with v = 0.75 for white images
(docs/derivations.md).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gradlab as gl
from gradlab.mean_field.group_norm import group_norm_chi, instance_norm_chi

BIAS = 0.75 / (4 * 64)
WHITE = "task: {name: images, channels: 3, samples: 64}\nprobe: {batch_size: 8}\n"
BASE = "name: x\ntrain: {steps: 0, batch_size: 8}\n"
PLAIN = "model: {name: conv, padding: circular, head: flatten}\n"


def frames(text: str, path: Path) -> dict[str, pd.DataFrame]:
    """The tables of a run of the spec, as written."""
    width = "" if "width" in text else "width: 64\n"
    (path / "x.yaml").write_text(BASE + width + text)
    gl.run(path / "x.yaml", out=path / "out", executor="inline", plots=False)
    return {file.stem: pd.read_csv(file) for file in (path / "out" / "x").glob("*.csv")}


def decay(text: str, path: Path) -> float:
    (value,) = frames(text, path)["summary"]["decay"]
    return float(value)


@pytest.mark.parametrize(
    ("setting", "factor", "sd", "bias"),
    [
        ("activation: relu\ninit: he_normal", 1, 0.014, BIAS),
        ("activation: relu\ninit: lecun_normal", math.sqrt(1 / 2), 0.014, BIAS),
        ("activation: relu\ninit: {name: lecun_normal, gain: 0.57735027}", math.sqrt(1 / 6), 0.014, BIAS),
        ("activation: linear\ninit: {name: lecun_normal, gain: 0.57735027}", math.sqrt(1 / 3), 0.003, 0),
        ("activation: tanh\ninit: {name: lecun_normal, gain: 0.57735027}", math.sqrt(1 / 3), 0.014, BIAS),
        ("activation: sigmoid\ninit: lecun_normal", 0.236052, 0.014, BIAS),
        ("activation: relu\ninit: he_normal\nmodel: {kernel: 5, dims: 1}", 1, 0.014, BIAS),
        ("activation: relu\ninit: he_normal\nmodel: {kernel: 1}", 1, 0.014, BIAS),
    ],
)
@pytest.mark.slow
def test_the_factor_of_a_block_is_that_of_the_feed_forward_network(
    setting: str, factor: float, sd: float, bias: float, tmp_path: Path
) -> None:
    model = PLAIN
    if "model" in setting:
        setting, options = setting.split("\nmodel: {")
        model = PLAIN.replace("conv,", f"conv, {options[:-1]},")
    measured = decay(f"{WHITE}{model}{setting}\ndepth: 20\nseeds: 6\n", tmp_path)
    assert abs(math.log(measured / factor) + bias / 2) < 3 * sd / math.sqrt(6) + bias / 2


@pytest.mark.parametrize(
    ("dims", "size", "factor", "sd"),
    [
        (2, 4, 0.872678, 0.010),
        (2, 8, 0.959795, 0.007),
        (1, 4, None, 0.015),
    ],
)
@pytest.mark.slow
def test_zero_padding_takes_the_eigenvalue_of_the_cut_kernel(
    dims: int, size: int, factor: float | None, sd: float, tmp_path: Path
) -> None:
    """Per axis (1 + 2 cos(pi / (H + 1))) / 3: its norm factor is that in two dimensions, its root in one."""
    positions = size if dims == 2 else size * size
    axis = (1 + 2 * math.cos(math.pi / (positions + 1))) / 3
    expected = axis if dims == 2 else math.sqrt(axis)
    if factor is not None:
        assert expected == pytest.approx(factor, abs=1e-6)
    images = f"task: {{name: images, channels: 3, size: {size}, samples: 64}}\nprobe: {{batch_size: 8}}\n"
    model = f"model: {{name: conv, dims: {dims}, head: flatten}}\n"
    tables = frames(f"{images}{model}init: he_normal\ndepth: 60\nseeds: 6\n", tmp_path)
    layers = tables["layers"]
    # far below the top the cotangent is the eigenvector; ln g falls by ln(factor) a block
    mean = layers.groupby("layer")["log10_grad_norm"].mean() * math.log(10)
    span = 20
    measured = (mean[1] - mean[1 + span]) / span
    assert abs(measured - math.log(expected) + BIAS / 2) < 3 * sd / math.sqrt(6) + BIAS / 2


@pytest.mark.slow
def test_the_profile_below_the_top_is_that_of_powers_of_the_cut_kernel(tmp_path: Path) -> None:
    model = "model: {name: conv, head: flatten}\n"
    white = WHITE.replace("batch_size: 8", "batch_size: 4")
    layers = frames(f"{white}{model}init: he_normal\ndepth: 21\nseeds: 24\n", tmp_path)["layers"]
    mean = layers.groupby("layer")["log10_grad_norm"].mean() * math.log(10)
    for below, factor, sd in [(1, 0.9167, 0.04), (5, 0.7387, 0.05), (10, 0.5942, 0.12), (20, 0.3932, 0.17)]:
        bias = BIAS * below
        assert abs(mean[21 - below] - mean[21] - math.log(factor) + bias / 2) < 3 * sd / math.sqrt(24) + bias / 2, below


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["zeros", "circular", "reflect", "replicate"])
def test_a_linear_delta_orthogonal_network_is_an_isometry(padding: str, tmp_path: Path) -> None:
    model = f"model: {{name: conv, padding: {padding}}}\n"
    text = f"{WHITE}{model}width: 8\nprecision: float64\nactivation: linear\ninit: delta_orthogonal\ndepth: 100\n"
    (survival,) = frames(text, tmp_path)["cells"]["survival"]
    assert survival == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize(("depth", "survival", "sd"), [(30, 0.15480, 0.035), (100, 0.08446, 0.052)])
@pytest.mark.slow
def test_a_delta_orthogonal_tanh_network_follows_the_layer_wise_product(
    depth: int, survival: float, sd: float, tmp_path: Path
) -> None:
    """The product is over all blocks of variance q_1 = 1 and less; survival leaves out that of the first one."""
    z, weight = np.polynomial.hermite_e.hermegauss(60)
    first = math.sqrt((weight * np.cosh(z) ** -4).sum() / weight.sum())
    images = "task: {name: images, channels: 128, samples: 64}\nprobe: {batch_size: 8}\n"
    text = f"{images}{PLAIN}width: 128\nactivation: tanh\ninit: delta_orthogonal\ndepth: {depth}\nseeds: 5\n"
    (measured,) = frames(text, tmp_path)["summary"]["survival"].tolist()
    assert abs(math.log(measured / survival * first)) < 3 * sd / math.sqrt(5)


@pytest.mark.parametrize(
    ("norm", "smooth", "factor", "sd", "n"),
    [
        ("batch", 1, math.sqrt(math.pi / (math.pi - 1)), 0.003, 4),
        ("batch", 3, math.sqrt(math.pi / (math.pi - 1)), 0.003, 4),
        ("{group: 1}", 1, math.sqrt(np.exp(np.log(group_norm_chi(64, 64, 1, 20)[1:]).mean())), 0.011, 8),
        ("{group: 8}", 1, math.sqrt(np.exp(np.log(group_norm_chi(64, 64, 8, 20)[1:]).mean())), 0.009, 4),
        ("instance", 1, math.sqrt(instance_norm_chi(64)), 0.003, 4),
    ],
)
@pytest.mark.slow
def test_norms_over_positions_before_relu(
    norm: str, smooth: int, factor: float, sd: float, n: int, tmp_path: Path
) -> None:
    channels = 3 if norm == "batch" else 64
    images = f"task: {{name: images, channels: {channels}, smooth: {smooth}, samples: 64}}\nprobe: {{batch_size: 16}}\n"
    text = f"{images}{PLAIN}norm: {norm}\ninit: he_normal\ndepth: 20\nseeds: {n}\n"
    assert abs(math.log(decay(text, tmp_path) / factor)) < 3 * sd / math.sqrt(n) + 0.001


@pytest.mark.parametrize(("mode", "factor"), [("fan_in", 1.0), ("fan_out", math.sqrt(1 / 2))])
@pytest.mark.slow
def test_a_stride_and_twice_the_channels(mode: str, factor: float, tmp_path: Path) -> None:
    """16 to 32 channels with stride 2: fan_in keeps the norm, fan_out divides it by the root of the ratio."""
    model = "model: {name: conv, padding: circular, head: flatten, stages: 2, widen: 2}\n"
    text = f"{WHITE}{model}init: {{name: he_normal, mode: {mode}}}\nwidth: 16\ndepth: 4\nseeds: 48\n"
    layers = frames(text, tmp_path)["layers"]
    log_g = layers.pivot(index="cell", columns="layer", values="log10_grad_norm") * math.log(10)
    ratio = log_g[2] - log_g[3]
    tolerance = 3 * float(ratio.std()) / math.sqrt(len(ratio)) + 0.75 / (4 * 16)
    assert abs(float(ratio.mean()) - math.log(factor)) < tolerance
    assert tolerance < 0.1


@pytest.mark.slow
def test_a_residual_network_without_a_norm_grows_by_the_root_of_three_halves(tmp_path: Path) -> None:
    """x + V relu(W relu x), W of variance 2 and V of 1: of He weights V times the root of a half is that."""
    model = "model: {name: conv, padding: circular, head: flatten, convs: 2}\n"
    text = f"{WHITE}{model}residual: add\nresidual_scale: 0.70710678\ninit: he_normal\ndepth: 16\nseeds: 4\n"
    (log10_survival,) = frames(text, tmp_path)["summary"]["log10_survival"]
    per_block = log10_survival * math.log(10) / 15
    assert abs(per_block - math.log(math.sqrt(1.5))) < 3 * 0.040 / math.sqrt(4) / 15 + 2 * BIAS
