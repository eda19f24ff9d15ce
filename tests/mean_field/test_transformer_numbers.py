"""Transformers as specs give them, in the tables that a run writes: the numbers of theory and of simulations.

Tokens are independent, T = 32 of 256 numbers; a loss that reads one token has the moments of independent cotangents,
one that reads their mean those of a common one. Targets are so large that the outputs do not count beside them: the
cotangent then knows nothing of the network. Expected are theory's numbers and the scatter of one seed as simulated in
plain torch beforehand; tolerances are three standard errors and what theory was off by there.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gradlab as gl

pytestmark = pytest.mark.slow

SEEDS, WIDTH, DEPTH = 5, 256, 12


def noise(folder: Path, tokens: int) -> Path:
    """Sequences of independent normal numbers, and as many to predict: a gradient in every direction."""
    rng = np.random.default_rng(0)
    path = folder / f"noise_{tokens}.npz"
    np.savez(path, x=rng.normal(size=(128, tokens, WIDTH)), y=rng.normal(size=(128, WIDTH)))
    return path


class Lab:
    """Runs settings once each and keeps their tables."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.kept = folder, {}

    def layers(self, *, tokens: int = 32, options: dict[str, Any] | None = None, **settings: Any) -> pd.DataFrame:
        """Means over seeds by block, 1 next to the input: ln of the gradient norm, and the numbers of tokens."""
        path = self.folder / f"noise_{tokens}.npz"
        path = path if path.exists() else noise(self.folder, tokens)
        spec = {
            "name": f"run{len(self.kept)}",
            "model": {"name": "transformer", "positions": "none", "pool": "first", "final_norm": False,
                      "in_gain": math.sqrt(2), **(options or {})},
            "task": {"name": "array_sequences", "path": str(path), "kind": "regression"},
            "seq_len": tokens, "width": WIDTH, "depth": DEPTH, "init": "lecun_normal", "norm": "layer",
            "targets": {"scale": 1e6}, "train": {"steps": 0}, "probe": {"batch_size": 32}, "seeds": SEEDS, **settings,
        }  # fmt: skip
        key = repr(spec["model"]) + repr(settings) + str(tokens)
        if key not in self.kept:
            run = gl.run(spec, out=self.folder / "results", workers=0)
            layers = run.layers.assign(log_grad=np.log(run.layers.grad_norm), variance=run.layers.act_std**2)
            names = ["log_grad", "variance", "token_cosine", "attn_entropy", "common"]
            self.kept[key] = layers.groupby("layer")[names].mean()
        return self.kept[key]

    def log_survival(self, **settings: Any) -> float:
        """ln of the gradient after block 1 over that after the last."""
        logs = self.layers(**settings).log_grad
        return float(logs.iloc[0] - logs.iloc[-1])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("transformers"))


def near(value: float, expected: float, sd: float, bias: float = 0.0) -> None:
    """ln of a number within three standard errors of `expected`, and the share that theory is off by."""
    assert math.exp(value) == pytest.approx(expected, rel=math.expm1(3 * sd / math.sqrt(SEEDS)) + bias)


ALONE = {"attention": "none"}
SURVIVAL = {
    "post-LN": ({"residual": "post_norm"}, {}, 0.3158, 0.21, 0.0),
    "pre-LN": ({"residual": "pre_norm"}, {}, 2.363, 0.031, 0.04),
    "pre-LN, a common cotangent": ({"residual": "pre_norm"}, {"pool": "mean"}, 4.901, 0.023, 0.04),
    "sandwich": ({"residual": "sandwich"}, {}, 1.950, 0.025, 0.01),
    "MLPs alone, post-LN": ({"residual": "post_norm"}, ALONE, 1.0, 0.17, 0.0),
    "MLPs alone, pre-LN": ({"residual": "pre_norm"}, ALONE, 2.5495, 0.046, 0.0),
    # tokens of variance 1 behind the factor (9N)^(-1/4) on what embeds them
    "T-Fixup": (
        {"residual": "t_fixup", "init": "xavier_normal", "inputs": {"scale": (9 * DEPTH) ** 0.25}},
        {"in_gain": 1.0}, 1.0531, 0.004, 0.0,
    ),
    # the first norm takes 2 of d directions
    "DeepNorm": (
        {"residual": "deepnorm", "depth": 6, "init": "xavier_normal"}, {"in_gain": 1.0}, 1.0020 - 1 / WIDTH, 0.002, 0.0
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SURVIVAL)
def test_survival_is_that_of_theory(lab: Lab, name: str) -> None:
    settings, options, expected, sd, bias = SURVIVAL[name]
    near(lab.log_survival(options=options, **settings), expected, sd, bias)


EXACT = {
    "ReZero": {"residual": "add", "residual_scale": "learned_zero"},
    "Fixup": {"residual": "fixup"},
    "LayerScale of 1e-12": {"residual": {"layer_scale": 1e-12}},
    "branches of zero": {"residual": "pre_norm", "branch_init": "zero"},
}


@pytest.mark.parametrize("name", EXACT)
def test_branches_that_begin_at_zero_leave_the_gradient_as_it_is(lab: Lab, name: str) -> None:
    assert lab.log_survival(**EXACT[name]) == pytest.approx(0, abs=1e-9)


def test_shaped_attention_without_queries_keeps_the_gradient_without_a_skip(lab: Lab) -> None:
    still = {"attention": "shaped", "qk_gain": 0.0, "ff": 0}
    plain = {"residual": "none", "norm": "none"}
    near(lab.log_survival(options=still, **plain), 1.0, 0.05, 0.1)
    exact = {"init": "orthogonal", "precision": "float64"}
    assert lab.log_survival(options=still, **plain, **exact) == pytest.approx(0, abs=1e-12)


COSINES = {"post_norm": (0.181, 0.405, 0.942, 0.999), "pre_norm": (0.175, 0.308, 0.567, 0.702)}


@pytest.mark.parametrize("form", COSINES)
def test_tokens_become_alike_as_theory_has_it(lab: Lab, form: str) -> None:
    measured = lab.layers(residual=form).token_cosine
    assert measured[[1, 2, 6, 12]].tolist() == pytest.approx(COSINES[form], abs=0.02)


def test_the_rank_collapses_in_two_layers_of_attention_without_a_skip(lab: Lab) -> None:
    """Dong 2021; theory takes T for large, and 32 is small."""
    measured = lab.layers(options={"ff": 0}, residual="none", norm="none", depth=3).token_cosine
    assert measured[1] == pytest.approx(0.388, abs=0.06)
    assert measured[2] == pytest.approx(0.9999, abs=0.001)


def test_one_layer_of_attention(lab: Lab) -> None:
    """Behind an isometric embedding: another doubles the term of order 1/width that theory leaves out."""
    measured = lab.layers(tokens=64, options={"ff": 0}, residual="none", norm="none", depth=2, init="orthogonal")
    assert measured.variance[1] == pytest.approx(0.0414, rel=0.1)
    assert measured.token_cosine[1] == pytest.approx(0.378, rel=0.1)


def test_the_entropy_of_an_attention_is_1_less_half_the_variance_of_its_scores(lab: Lab) -> None:
    options = {"ff": 0, "qk_gain": 0.5**0.5}
    measured = lab.layers(tokens=64, options=options, residual="none", norm="none", depth=2)
    assert measured.attn_entropy[1] == pytest.approx(0.9711, abs=0.01)


@pytest.mark.parametrize(("form", "expected"), [("pre_norm", 19.05), ("sandwich", 2 * DEPTH + 1)])
def test_the_variance_of_a_stream_at_the_top(lab: Lab, form: str, expected: float) -> None:
    assert lab.layers(residual=form).variance[DEPTH] == pytest.approx(expected, rel=0.05)


def test_what_post_norm_does_to_a_gradient_whose_tokens_are_alike(lab: Lab) -> None:
    """√(1/T + (1-1/T) 2^-k) after k blocks: the part that tokens have in common loses nothing, the rest √½ a block."""
    logs = lab.layers(residual="post_norm", depth=24, probe={"batch_size": 16}).log_grad
    for k in range(1, 5):
        expected = math.sqrt(1 / 32 + (1 - 1 / 32) * 2**-k)
        near(logs[24 - k] - logs[24], expected, 0.21)


def test_a_common_cotangent_is_common_to_all_tokens(lab: Lab) -> None:
    common = lab.layers(residual="pre_norm", options={"pool": "mean"}).common
    assert common[DEPTH] == pytest.approx(1, abs=1e-12)
    assert lab.layers(residual="pre_norm").common[DEPTH] == pytest.approx(1 / 32, abs=1e-12)
