"""Sequences of recurrent steps with a backward pass by hand, for R replicas.

Autograd would record a dozen nodes a step, and add up the gradient of the weights step by step. Here the forward loop
records nothing; the backward pass first computes, for as many steps at once as fit a cache, the factors that turn dh
(and dc of an LSTM) into the gradient before each nonlinearity, so that a step going back is one product with these
factors and one matrix product; the gradient of the weights is one matrix product over all steps.

The state before a step lies beside its inputs and a 1, so that recurrence, inputs and bias are one matrix product with
the joined weights ``[W, U, b]`` there and one back. Fresh memory is what costs most in long sequences: the gradient
of the rows takes the place of the values it was made of, and a second pass back through the same graph is refused.

Long LSTMs in float32 on a CPU are the exception (`kernel`): torch.nn.LSTM has a fused kernel there, twice as fast.

Everywhere: `x_RTNI` are the inputs, `brought_RTNG` what is added to the rows of each step instead; one of them is None.
The state begins at zero; `cut` are the steps whose incoming state is detached. The result is h of every step
`[R, T, N, H]` or, where `last`, of the last one.
"""

from __future__ import annotations

from gradlab.families.recurrent.sequence.gru import gru
from gradlab.families.recurrent.sequence.kernel import kernel_lstm, prefers_kernel
from gradlab.families.recurrent.sequence.lstm import lstm
from gradlab.families.recurrent.sequence.minimal import minimal
from gradlab.families.recurrent.sequence.vanilla import vanilla

__all__ = ["gru", "kernel_lstm", "lstm", "minimal", "prefers_kernel", "vanilla"]
