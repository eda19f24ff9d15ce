"""Names and labels of configurations in a report."""

from __future__ import annotations

import pytest

from gradlab.report.model.labels import name_of, short_labels


@pytest.mark.parametrize(
    ("pairs", "name"),
    [
        ([("activation", "relu"), ("lr", "0.1"), ("clip", "none"), ("l2", "0")], "relu lr 0.1"),
        ([("inputs.scale", "1000"), ("train.steps", "50"), ("width", "64")], "inputs scale 1000 steps 50 width 64"),
        ([("residual_scale", "1"), ("precision", "float32"), ("norm", "layer")], "norm layer"),
        ([("clip", "none")], "clip none"),
        ([], ""),
    ],
)
def test_a_name_has_what_is_not_usual(pairs: list, name: str) -> None:
    assert name_of(pairs) == name


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["norm(max=1)", "none"], ["norm(max=1)", "none"]),
        (["table(path=/a/very/long/way/10-prices.csv,target=price,standardize=False)", "digits"], ["table", "digits"]),
        (
            ["table(path=/a/long/way/x.csv,target=price)", "table(path=/a/long/way/y.csv,target=price)"],
            ["table(path=x.csv)", "table(path=y.csv)"],
        ),
        (["table(path=/one/way/x.csv,target=y)", "table(path=/other/way/x.csv,target=y)"], None),  # else they are alike
        (["leaky_relu(negative_slope=0.123456)", "leaky_relu(negative_slope=0.2)"], None),
    ],
)
def test_labels_are_short_and_different_ones_stay_different(texts: list, labels: list | None) -> None:
    short = short_labels(texts)
    assert list(short) == texts
    assert list(short.values()) == (texts if labels is None else labels)
