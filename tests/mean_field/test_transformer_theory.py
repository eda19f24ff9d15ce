"""Mean-field theory of transformers: the figures it was specified with, closed forms, and where it refuses.

Twelve blocks, 32 tokens, LeCun's gains with 2 before the ReLU, where nothing else is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from gradlab.mean_field import NoPrediction
from gradlab.mean_field.activations import NUMPY_ACTIVATIONS
from gradlab.mean_field.attention import Attention
from gradlab.mean_field.token_profile import Sublayer, TokenProfile, sublayer, token_profile
from gradlab.mean_field.token_stream import FeedForward, Norm, Pair

BLOCKS, TOKENS = 12, 32


def blocks(
    form: str, *branches: Attention | FeedForward, count: int = BLOCKS, alpha: float = 1.0, scale: float = 1.0
) -> list[list[Sublayer]]:
    sublayers: Sequence[Attention | FeedForward] = branches or (Attention(), FeedForward())
    return [[sublayer(form, branch, alpha=alpha, scale=scale) for branch in sublayers]] * count


def survival(profile: TokenProfile) -> float:
    return math.exp(profile.log_grad_norm[0])


def residual_gains(factor2: float) -> tuple[Attention, FeedForward]:
    """Return Xavier's gains with v, o, w1, w2 of a hidden width of four times the model's multiplied by a root."""
    return Attention(value=factor2, output=factor2), FeedForward(0.4 * factor2, 1.6 * factor2)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (token_profile(blocks("post_norm"), TOKENS), 0.3158),
        (token_profile(blocks("pre_norm"), TOKENS), 2.363),
        (token_profile(blocks("pre_norm"), TOKENS, common=1.0), 4.901),
        (token_profile(blocks("sandwich"), TOKENS), 1.950),
        (token_profile(blocks("post_norm", FeedForward()), TOKENS), 1.0),
        (token_profile(blocks("pre_norm", FeedForward()), TOKENS), 2.5495),
        (token_profile(blocks("add", *residual_gains(0.67**2 / math.sqrt(12))), TOKENS), 1.0531),
        (
            token_profile(blocks("deepnorm", *residual_gains(48**-0.5), count=6, alpha=12**0.25), TOKENS),
            1.0020,
        ),
        (token_profile(blocks("add", scale=0.0), TOKENS), 1.0),
        (token_profile(blocks("none", Attention(query=0.0, mixing=False)), TOKENS), 1.0),
    ],
    ids=[
        "post-LN", "pre-LN", "pre-LN common", "sandwich", "post-LN MLP", "pre-LN MLP", "T-Fixup", "DeepNorm", "ReZero",
        "shaped",
    ],
)  # fmt: skip
def test_survival(profile: TokenProfile, expected: float) -> None:
    digits = len(str(expected).split(".")[1])
    assert survival(profile) == pytest.approx(expected, abs=0.6 * 10**-digits)


@pytest.mark.parametrize(
    ("form", "branches", "at", "expected"),
    [
        ("post_norm", (), (0, 1, 5, 11), (0.181, 0.405, 0.942, 0.999)),
        ("pre_norm", (), (0, 1, 5, 11), (0.175, 0.308, 0.567, 0.702)),
        ("none", (Attention(),), (0, 1), (0.388, 0.9999)),
    ],
)
def test_cosines(form: str, branches: tuple[Attention, ...], at: tuple[int, ...], expected: tuple[float, ...]) -> None:
    cosine = token_profile(blocks(form, *branches), TOKENS).cosine[list(at)]
    assert cosine == pytest.approx(np.array(expected), abs=5.5e-4)


def test_one_attention() -> None:
    profile = token_profile(blocks("none", Attention(), count=1), 64)
    assert profile.variance[0] == pytest.approx(0.0414, abs=5e-5)
    assert profile.cosine[0] == pytest.approx(0.378, abs=5e-4)
    assert math.exp(profile.log_input_grad_norm) == pytest.approx(0.343, abs=5e-4)


def test_one_attention_of_many_tokens() -> None:
    tokens = 10**6
    profile = token_profile(blocks("none", Attention(), count=1), tokens)
    assert profile.variance[0] == pytest.approx(math.e / tokens, rel=1e-5)
    assert profile.cosine[0] == pytest.approx(math.exp(-1), rel=1e-5)


def test_variances_at_the_top() -> None:
    assert token_profile(blocks("pre_norm"), TOKENS).variance[-1] == pytest.approx(19.05, abs=5e-3)
    assert token_profile(blocks("sandwich"), TOKENS).variance[-1] == pytest.approx(25, rel=1e-12)
    assert token_profile(blocks("post_norm"), TOKENS).variance == pytest.approx(np.ones(BLOCKS), rel=1e-12)


def test_entropy() -> None:
    spread, tokens = 0.25, 10**6
    profile = token_profile(blocks("none", Attention(query=spread), count=1), tokens)
    assert profile.entropy[0] == pytest.approx(1 - spread / (2 * math.log(tokens)), abs=1e-6)
    small = token_profile(blocks("none", Attention(query=spread), count=1), 64)
    assert small.entropy[0] == pytest.approx(1 - spread / (2 * math.log(64)), abs=1e-3)


def test_what_post_norm_really_does() -> None:
    """Of tokens that are alike the rest of the gradient loses √½ a block, its mean over tokens nothing."""
    alike = Pair(1.0, 1.0)
    log_norm = token_profile(blocks("post_norm"), TOKENS, stream=alike).log_grad_norm
    below = np.exp(log_norm[:-5:-1])
    share = 1 / TOKENS
    expected = [math.sqrt(share + (1 - share) * 2.0**-k) for k in range(4)]
    assert below == pytest.approx(np.array(expected), rel=1e-12)
    assert expected[1:] == pytest.approx([0.718, 0.523, 0.390], abs=5.5e-4)
    deep = token_profile(blocks("post_norm", count=60), TOKENS, stream=alike)
    assert survival(deep) == pytest.approx(0.177, abs=5e-4)
    assert deep.common[0] == pytest.approx(1, abs=1e-9)
    assert survival(token_profile(blocks("post_norm"), TOKENS, common=1.0, stream=alike)) == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize(("form", "slope"), [("pre_norm", -0.5), ("post_norm", 0.0)])
def test_the_weight_gradient_of_the_last_layer(form: str, slope: float) -> None:
    """Xiong 2020, arXiv 2002.04745."""
    depths = (2, 4, 8, 16, 32)
    final = Norm() if form == "pre_norm" else None
    last = [token_profile(blocks(form, count=depth), 16, final_norm=final).log_weight_grad[-1] for depth in depths]
    # of 2 blocks the stream still counts its input: 4.19, not 3
    assert np.polyfit(np.log(depths), last, 1)[0] == pytest.approx(slope, abs=0.005)
    weights = token_profile(blocks(form), TOKENS, final_norm=final).log_weight_grad
    if form == "pre_norm":
        assert (np.diff(weights) < 0).all()


def test_an_mlp_of_one_token_is_that_of_a_feed_forward_network() -> None:
    phi = NUMPY_ACTIVATIONS["tanh"]()
    branch = FeedForward(1.5, 0.8, phi)
    z = np.linspace(-12, 12, 4001)
    weight = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    h = math.sqrt(1.5) * z
    profile = token_profile(blocks("none", branch, count=1), 1)
    assert profile.variance[0] == pytest.approx(0.8 * weight @ np.tanh(h) ** 2, rel=1e-9)
    factor2 = 1.5 * 0.8 * weight @ (1 - np.tanh(h) ** 2) ** 2
    assert math.exp(2 * profile.log_input_grad_norm) == pytest.approx(factor2, rel=1e-9)


def test_the_closed_kernels_of_relu_are_its_integrals() -> None:
    u, g = Pair(1.3, 0.4), Pair(1.0, 0.2)
    closed = FeedForward(first_bias=0.3)
    quadrature = FeedForward(first_bias=0.3, activation=NUMPY_ACTIVATIONS["relu"]())
    for method, arguments in (("forward", (u, TOKENS)), ("backward", (u, g, TOKENS))):
        ours, integrated = (getattr(branch, method)(*arguments) for branch in (closed, quadrature))
        assert (ours.square, ours.product) == pytest.approx((integrated.square, integrated.product), rel=1e-9)


@pytest.mark.parametrize(
    ("attention", "tokens", "reason"),
    [
        (Attention(causal=True), TOKENS, "causal"),
        (Attention(head_dim=2), TOKENS, "a head has 2 dimensions"),
        (Attention(query=4.0), TOKENS, "vary by more than 1.25 between the keys"),
        (Attention(), 3, "3 tokens are too few"),
    ],
)
def test_refusals(attention: Attention, tokens: int, reason: str) -> None:
    with pytest.raises(NoPrediction, match=reason):
        token_profile(blocks("pre_norm", attention, FeedForward()), tokens)


def test_scores_that_vary_much_between_tokens_that_are_alike_are_known() -> None:
    profile = token_profile(blocks("pre_norm", Attention(query=4.0)), TOKENS, stream=Pair(1.0, 0.9))
    assert np.isfinite(profile.log_grad_norm).all()
