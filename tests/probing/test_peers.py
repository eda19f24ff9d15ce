"""The measurements of benchmarks/peers, written in plain torch with hooks and with torch.func, against gradlab's."""

from __future__ import annotations

import pytest
from peers.agreement import FIELDS, differences

from gradlab.columns import field_names

NOT_OF_THESE = {
    "log_cell_grad_norm", "spectral_radius", "recurrent_norm", "token_cosine", "attn_entropy", "common", "loss_scale",
    "clip_coef", "grad_cosine", "validation_metric", "test_metric",
}  # fmt: skip
"""Of recurrent networks, of transformers and of 16 bits; a quotient of two others; what is between samples; and the
metric on halves of the held-out samples, whose metric is compared as a whole."""
PROFILE = {"log_grad_norm", "loss", "metric", "clip_before", "clip_after"}


@pytest.mark.parametrize(
    ("record", "recorded"), [("all", {*field_names("step", "layer")} - NOT_OF_THESE), ("profile", PROFILE)]
)
def test_peers_record_what_gradlab_records(record: str, recorded: set[str]) -> None:
    every = list(differences(record, depth=4))
    assert [difference for difference in every if not difference.largest <= difference.allowed] == []
    for peer in ("loop", "vmap"):
        quantities = {
            FIELDS.get(difference.quantity, difference.quantity) for difference in every if difference.peer == peer
        }
        assert quantities == recorded
