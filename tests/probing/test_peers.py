"""The measurements of benchmarks/peers, written in plain torch with hooks and with torch.func, against gradlab's."""

from __future__ import annotations

import pytest
from peers.agreement import FIELDS, differences

from gradlab.columns import field_names

NOT_OF_THESE = {
    "log_cell_grad_norm", "spectral_radius", "recurrent_norm", "token_cosine", "attn_entropy", "common", "loss_scale",
    "clip_coef", "grad_cosine",
}  # fmt: skip
"""Of recurrent networks, of transformers and of 16 bits; a quotient of two others; and what is between samples."""
PROFILE = {"log_grad_norm", "loss", "metric", "clip_before", "clip_after"}


@pytest.mark.parametrize(
    ("record", "recorded"), [("all", {*field_names("step", "layer")} - NOT_OF_THESE), ("profile", PROFILE)]
)
def test_peers_record_what_gradlab_records(record: str, recorded: set[str]) -> None:
    every = list(differences(record, depth=4))
    assert [each for each in every if not each.largest <= each.allowed] == []
    for peer in ("loop", "vmap"):
        own = {FIELDS.get(each.quantity, each.quantity) for each in every if each.peer == peer}
        assert own == recorded
