"""The record: what one trained cell leaves behind. It crosses from worker to store; plain numpy, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYER_FIELDS", "STEP_FIELDS", "Floats", "Record"]

Floats = NDArray[np.float64]

STEP_FIELDS = (
    "loss", "metric", "grad_norm_total", "clip_before", "clip_after", "clip_coef",
    "spectral_radius", "recurrent_norm", "loss_scale",
)  # fmt: skip
"""Fields of a record with one number per probed step, shape [K]."""

LAYER_FIELDS = (
    "log_grad_norm", "log_weight_grad_norm", "weight_norm", "update_ratio", "act_mean", "act_std",
    "saturated", "dead", "zero_grad", "underflow", "log_cell_grad_norm",
)  # fmt: skip
"""Fields of a record with one number per probed step and block, shape [K, L]; block 1 first. Of a recurrent network
the blocks are its time steps, L = T."""


@dataclass(frozen=True, slots=True)
class Record:
    """One cell as measured. K probed steps, L blocks; NaN where there is nothing to say.

    Logarithms are natural. ``log_grad_norm`` is ln of g_l, the norm of the loss gradient with respect to
    the output of block l over the probe batch, in float64 with an extended exponent: -inf means exactly
    zero, never underflow, and NaN means not finite.
    """

    cell: str
    status: Literal["ok", "diverged"]
    diverged_at: int | None
    """First step whose training loss or gradient was not finite."""
    steps: int
    """Updates made while everything was finite."""
    in_features: int
    out_features: int
    input_mean_square: float
    """Mean over probe samples and input features of x^2: the q_0 of mean-field theory."""
    metric_name: str
    learned: bool
    clip_rate: float
    """Share of training steps whose gradient was clipped; NaN without clipping."""
    clip_coef_mean: float
    probe_steps: NDArray[np.int64]
    loss: Floats
    """On the probe batch, float64."""
    metric: Floats
    """On the held-out samples."""
    grad_norm_total: Floats
    """Norm of the probe batch's gradient over all parameters."""
    clip_before: Floats
    """Norm of the training gradient at that step before clipping; NaN at the last step, which makes no update."""
    clip_after: Floats
    clip_coef: Floats
    spectral_radius: Floats
    """Largest modulus of an eigenvalue of the top layer's recurrent matrix, in gated cells of its block for the
    candidate (in a minimal cell, of its only one); NaN for feed-forward networks."""
    recurrent_norm: Floats
    """Its largest singular value."""
    loss_scale: Floats
    """Factor on the loss in force at that step; 1 in precisions that need none."""
    log_grad_norm: Floats
    """Of a recurrent network: at the states h_t of all stacked layers together."""
    log_weight_grad_norm: Floats
    """Of a recurrent network: of what time step t adds to the gradient of the recurrent matrices. The first adds
    nothing, as the state before it is zero: -inf."""
    weight_norm: Floats
    """Of a recurrent network: of its recurrent matrices together, the same number for every time step."""
    update_ratio: Floats
    """Norm of the update made from this step over `weight_norm`; NaN at the last step."""
    act_mean: Floats
    act_std: Floats
    saturated: Floats
    """Share of (sample, unit) pairs whose slope is below 1/20 of the activation's largest. Of a gated cell: share of
    (sample, unit, gate) whose sigmoid is as flat."""
    dead: Floats
    """Share of units whose slope is zero for every probe sample. Of a gated cell: the slope of the candidate."""
    zero_grad: Floats
    """Share of exact zeros in the gradient with respect to the block output."""
    underflow: Floats
    """Share of its elements that are not zero and yet too small, times `loss_scale`, for the precision of training."""
    log_cell_grad_norm: Floats
    """As `log_grad_norm`, of the gradient with respect to an LSTM's cell state; NaN for other networks."""
