"""Training and probe on torch's meta device: it has no data, and refuses what mixes devices or asks for a number.

What passes here mixes no tensors of the CPU into a step on a GPU and never waits for one. Exempt, because the device
has none: generators, fused optimisers; and the spectrum of a recurrent matrix, worked out on the CPU on purpose.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gradlab import probing
from gradlab.cell import Cell, Named
from gradlab.optim import BankOptimizer
from gradlab.training import batches
from gradlab.training.loop import Trainer

ALONG_TIME: dict[str, Any] = {"task": Named("adding"), "seq_len": 6}
SETTINGS: dict[str, dict[str, Any]] = {
    "mlp": {},
    "gelu": {"activation": Named("gelu")},
    "prelu": {"activation": Named("prelu")},
    "batch norm": {"norm": Named("batch")},
    "pre_norm": {"norm": Named("layer"), "residual": Named("pre_norm")},
    "adam, clip norm": {"optimizer": Named("adam"), "clip": Named("norm", (("max", 1.0),))},
    "rmsprop, agc, l1": {"optimizer": Named("rmsprop"), "clip": Named("agc"), "l1": 1e-4},
    "clip each": {"clip": Named("each", (("max", 1.0),))},
    "dropout": {"dropout": 0.1},
    "bfloat16": {"precision": Named("bfloat16")},
    "regression": {"task": Named("teacher")},
    "rnn": {"model": Named("rnn"), **ALONG_TIME},
    "lstm, two layers": {"model": Named("lstm"), "depth": 2, **ALONG_TIME},
    "gru": {"model": Named("gru"), **ALONG_TIME},
    "minimal_rnn": {"model": Named("minimal_rnn"), **ALONG_TIME},
}


@pytest.fixture
def trainer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    generator = batches.generator

    def of_a_device(*key: Any, device: Any = "cpu") -> Any:
        return None if torch.device(device).type == "meta" else generator(*key, device=device)

    monkeypatch.setattr(batches, "generator", of_a_device)
    monkeypatch.setattr(BankOptimizer, "_options", staticmethod(lambda kind, on_cuda: {"foreach": True}))
    setting = {"depth": 3, "width": 8, "lr": 0.01, "steps": 4, "batch_size": 8} | SETTINGS[request.param]
    return Trainer([Cell(seed=seed, **setting) for seed in range(3)], torch.device("meta"))


@pytest.mark.parametrize("trainer", SETTINGS, indirect=True)
def test_a_step_stays_on_its_device_and_asks_for_no_number(trainer: Trainer) -> None:
    trainer.step(0)
    trainer.step(1)
    assert trainer.flat_RP.device.type == "meta"


@pytest.mark.parametrize("trainer", SETTINGS, indirect=True)
def test_a_probe_and_the_step_it_watches_stay_on_their_device(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing_R = torch.empty(3, dtype=torch.float64, device="meta")
    monkeypatch.setattr(probing, "_spectrum", lambda *_: (missing_R, missing_R))
    trainer.measure(0)
    trainer.step(0, watched=True)
    trainer.measure(1)
    assert {value.device.type for row in trainer.measurements.rows for value in row.values()} == {"meta"}
