"""Predictions of the family of convolutional networks against its cells as the probe measures them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.mean_field import predict
from gradlab.mean_field.inputs import inputs_of
from gradlab.training.loop import train_bank

BASE = Cell(
    model=Named("conv"), task=Named("images"), depth=8, width=32, steps=0, lr=0.1, init=Named("he_normal"),
    probe_batch_size=32,
)  # fmt: skip


def options(**values):
    return Named("conv", tuple(sorted(values.items())))


def predicted(cell):
    inputs = inputs_of(cell.task)
    return predict(
        cell, in_features=inputs.in_features, out_features=inputs.out_features, input_mean_square=inputs.mean_square
    )


def measured(cell, seeds, first=0):
    """Return ln g_l - ln g_L, `[seeds, L]`."""
    records = train_bank([dataclasses.replace(cell, seed=first + seed) for seed in range(seeds)])
    log_g = np.stack([record.log_grad_norm[0] for record in records])
    return log_g - log_g[:, -1:]


PLAIN = [
    {},
    {"model": options(head="flatten")},
    {"model": options(padding="circular")},
    {"model": options(dims=1, kernel=5)},
    {"model": options(stages=2)},
    {"model": options(stages=2, pool="average", head="flatten")},
    {"task": Named("digits")},
    {"task": Named("images", (("smooth", 4),))},
    {"activation": Named("leaky_relu"), "init": Named("xavier_uniform")},
    {"activation": Named("linear"), "init": Named("delta_orthogonal")},
]


def label(form):
    return "-".join(f"{key}={value}" for key, value in form.items()) or "default"


@pytest.mark.parametrize(
    "form", [*PLAIN[:2], *(pytest.param(form, marks=pytest.mark.slow) for form in PLAIN[2:])], ids=label
)
def test_plain_networks(form):
    """|z| of the mean of 8 seeds below 4, which one in some ten thousand fair comparisons misses."""
    cell = dataclasses.replace(BASE, **form)
    prediction = predicted(cell)
    assert prediction.reason == ""
    survival = measured(cell, 8)[:, 0].mean()
    assert abs(survival - prediction.log_survival) < 4 * prediction.log_survival_sd / math.sqrt(8)


ADD, BATCH = Named("add"), Named("batch")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "bias"),
    [
        ({"norm": BATCH, "model": options(padding="circular")}, 0.05),
        ({"norm": BATCH}, 0.05),
        ({"norm": BATCH, "residual": ADD}, 0.1),
        ({"norm": BATCH, "residual": ADD, "model": options(stages=2, widen=2)}, 0.1),
        ({"norm": Named("instance"), "model": options(padding="circular", head="flatten")}, 0.05),
        ({"norm": Named("group", (("groups", 8),)), "model": options(padding="circular", head="flatten")}, 0.1),
        ({"norm": Named("layer"), "residual": ADD, "model": options(head="flatten")}, 0.1),
        ({"residual": ADD, "model": options(head="flatten")}, 0.0),
        ({"activation": Named("tanh"), "init": Named("lecun_normal"), "model": options(head="flatten")}, 0.1),
    ],
    ids=lambda value: label(value) if isinstance(value, dict) else str(value),
)
def test_forms_without_a_scatter(form, bias):
    """The mean to 4 standard errors of 8 seeds, beside the order 1/C of 32 channels: `bias`, in ln survival."""
    cell = dataclasses.replace(BASE, **form)
    prediction = predicted(cell)
    assert prediction.reason == ""
    assert prediction.log_survival_sd is None
    survival = measured(cell, 8)[:, 0]
    error = survival.std(ddof=1) / math.sqrt(8)
    assert survival.mean() == pytest.approx(prediction.log_survival, abs=4 * error + bias)


@pytest.mark.parametrize(
    "form",
    [
        {"residual": Named("fixup")},
        {"residual": ADD, "residual_scale": "learned_zero"},
        {"residual": ADD, "branch_init": Named("zero"), "norm": Named("layer")},
    ],
    ids=label,
)
def test_branches_of_nothing_keep_the_gradient(form):
    cell = dataclasses.replace(BASE, **form)
    assert measured(cell, 2)[:, 0] == pytest.approx(np.zeros(2), abs=1e-6)  # weights in float32
    assert predicted(cell).log_grad_norm == pytest.approx(np.zeros(8), abs=1e-12)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"residual": Named("resnet_v1")}, "the stream of resnet_v1"),
        ({"model": options(separable=True)}, "separable convolutions"),
        ({"model": options(stages=2, pool="max")}, "a maximum over positions"),
        ({"dropout": 0.1}, "does not know dropout"),
        ({"norm": Named("dyt")}, "does not know norm dyt"),
        ({"norm": Named("instance")}, "only on maps that are alike everywhere"),
        ({"norm": BATCH, "activation": Named("tanh")}, "only for activations like relu"),
        ({"norm": BATCH, "norm_position": Named("post_activation")}, "only before the activation"),
        ({"task": Named("teacher")}, "the shape of the images of task teacher"),
        ({"init": Named("delta_orthogonal"), "activation": Named("tanh")}, "kernels of one tap"),
        ({"norm": BATCH, "residual": ADD, "model": options(stages=2, pool="average")}, "an average over positions"),
        ({"norm": Named("layer"), "model": options(padding="reflect")}, "padding that repeats positions"),
    ],
    ids=lambda value: value if isinstance(value, str) else label(value),
)
def test_what_is_not_derived_is_refused_with_its_reason(form, words):
    prediction = predict(dataclasses.replace(BASE, **form), in_features=192, out_features=4, input_mean_square=1.0)
    assert words in prediction.reason
    assert (prediction.log_grad_norm, prediction.log_survival, prediction.log_survival_sd) == (None,) * 3


def test_the_profile_is_in_the_order_of_the_blocks():
    cell = dataclasses.replace(BASE, init=Named("lecun_normal"), depth=12)
    prediction = predicted(cell)
    assert prediction.log_grad_norm.shape == (12,)
    assert np.all(np.diff(prediction.log_grad_norm) > 0)
    mean = measured(cell, 8).mean(0)
    scatter = np.maximum(prediction.log_grad_norm_sd / math.sqrt(8), 1e-3)
    assert np.all(np.abs(mean - prediction.log_grad_norm)[:-1] < 5 * scatter[:-1])


@pytest.mark.slow
def test_z_is_calibrated():
    """200 seeds of the family's default network, relu on white images: the deviation of z is 1 to 15 %."""
    cell = dataclasses.replace(BASE, width=64, depth=10)
    prediction = predicted(cell)
    survival = np.concatenate([measured(cell, 10, 1000 + first)[:, 0] for first in range(0, 200, 10)])
    z = (survival - prediction.log_survival) / prediction.log_survival_sd
    assert 0.85 < z.std(ddof=1) < 1.15
