"""What is measured of states and gradients of tokens, against sums over pairs and closed forms."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from torch.nn import functional as F

from gradlab.probing.tokens import attention_entropy, common_share, cosine


def draws(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_the_token_cosine_is_the_mean_over_pairs() -> None:
    x = draws(2, 3, 5, 7)
    pairs = list(permutations(range(5), 2))
    expected = torch.stack([F.cosine_similarity(x[:, :, i], x[:, :, j], -1).mean(1) for i, j in pairs]).mean(0)
    torch.testing.assert_close(cosine(x), expected, rtol=1e-12, atol=1e-14)


def test_the_token_cosine_of_copies_is_1_and_a_single_token_has_none() -> None:
    same = draws(2, 3, 1, 7).expand(2, 3, 4, 7)
    torch.testing.assert_close(cosine(same), torch.ones(2, dtype=torch.float64), rtol=1e-14, atol=0)
    assert cosine(draws(2, 3, 1, 7)).isnan().all()


def test_the_common_share_is_1_for_a_pooled_gradient_and_1_over_t_for_independent_ones() -> None:
    torch.testing.assert_close(
        common_share(draws(2, 3, 1, 7).expand(2, 3, 4, 7)), torch.ones(2, dtype=torch.float64), rtol=1e-14, atol=0
    )
    # of 2,000 independent numbers for each replica: 1/T up to a relative sd of sqrt(2/2000)
    share = common_share(draws(2, 40, 8, 50))
    assert share.tolist() == pytest.approx([1 / 8] * 2, rel=4 * math.sqrt(2 / 2000))


def test_the_entropy_of_equal_weights_is_that_of_what_is_seen() -> None:
    equal = torch.zeros(2, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(attention_entropy(equal.softmax(-1)), torch.ones(2, dtype=torch.float64))
    hidden = torch.ones(4, 4).triu(1).bool()
    causal = equal.masked_fill(hidden, -math.inf).softmax(-1)
    torch.testing.assert_close(attention_entropy(causal, hidden), torch.ones(2, dtype=torch.float64))
    assert attention_entropy(torch.ones(2, 3, 1, 1, dtype=torch.float64)).isnan().all()


def test_the_entropy_is_that_of_the_definition() -> None:
    weights = draws(2, 3, 4, 4).softmax(-1)
    expected = -(weights * weights.log()).sum(-1).flatten(1).mean(1) / math.log(4)
    torch.testing.assert_close(attention_entropy(weights), expected, rtol=1e-12, atol=0)


def test_the_entropy_of_a_replica_does_not_depend_on_others_whose_weights_underflow() -> None:
    sharp = torch.tensor([[0.0, -1e4, 0.0]], dtype=torch.float64).expand(1, 1, 3, 3).softmax(-1)
    flat = torch.zeros(1, 1, 3, 3, dtype=torch.float64).softmax(-1)
    together = attention_entropy(torch.cat([sharp, flat]))
    torch.testing.assert_close(together, torch.cat([attention_entropy(sharp), attention_entropy(flat)]))
    torch.testing.assert_close(together, torch.tensor([math.log(2) / math.log(3), 1.0], dtype=torch.float64))
