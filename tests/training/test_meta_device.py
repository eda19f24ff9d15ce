"""Training, probe and checkpoint on torch's meta device: it has no data, and refuses what mixes devices or asks for a
number.

What passes here mixes no tensors of the CPU into a step on a GPU and never waits for one. Exempt, because the device
has none: generators, fused optimisers; the spectrum of a recurrent matrix, worked out on the CPU on purpose; and the
loss scale of float16, which asks the host whether a step is left out, as torch.amp.GradScaler does. torch's own
Adafactor and ASGD call ``item()`` of norms and counters in each step, and so do wait for a GPU.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from contract import CLIPPED, FEED_FORWARD_NORMS, FORMS, named

from gradlab import probing
from gradlab.cell import Cell, Named
from gradlab.components import CLIPS, OPTIMIZERS
from gradlab.families import FAMILIES
from gradlab.optim import BankOptimizer
from gradlab.training import batches
from gradlab.training.batches import Dropout
from gradlab.training.loop import Trainer

WAITING = ("adafactor", "asgd")
"""Optimizers of torch whose steps ask for numbers."""
ALONG_TIME: dict[str, Any] = {"task": Named("adding"), "seq_len": 6}
SETTINGS: dict[str, dict[str, Any]] = {
    **{f"norm {name}": {"norm": named(FEED_FORWARD_NORMS, name)} for name in FEED_FORWARD_NORMS},
    **{f"residual {name}": {"residual": named(FORMS, name), "norm": Named("layer")} for name in FORMS},
    **{f"optimizer {name}": {"optimizer": Named(name)} for name in OPTIMIZERS if name not in WAITING},
    **{f"clip {clip.name}": {"clip": clip} for clip in CLIPPED},
    **{
        name: {"model": named(FAMILIES, name), **(ALONG_TIME if "sequences" in FAMILIES[name].inputs else {})}
        for name in FAMILIES
    },
    **{
        f"transformer {name}": {"model": Named("transformer", params), **ALONG_TIME, **more}
        for name, params, more in (
            ("shaped, causal", (("attention", "shaped"), ("causal", True)), {"norm": Named("rms")}),
            ("gated", (("gate", True), ("qk_norm", True), ("softcap", 3.0)), {"residual": Named("fixup")}),
            ("sinusoids", (("positions", "sinusoidal"), ("pool", "last")), {"residual": Named("layer_scale")}),
            ("of images", (("patch", 4),), {"task": Named("digits"), "seq_len": None, "dropout": 0.1}),
            ("of characters", (), {"task": Named("char_lm"), "precision": Named("bfloat16")}),
        )
    },
    "gelu": {"activation": Named("gelu")},
    "prelu": {"activation": Named("prelu")},
    "decay of matrices": {"optimizer": Named("adamw", (("decay", "matrices"),)), "weight_decay": 0.01},
    "agc, l1": {"clip": Named("agc"), "l1": 1e-4},
    "dropout": {"dropout": 0.1},
    "bfloat16": {"precision": Named("bfloat16")},
    "the profile alone": {"probe_record": "profile"},
    "regression": {"task": Named("teacher")},
    "lstm, two layers": {"model": Named("lstm"), "depth": 2, **ALONG_TIME},
}
Make = Callable[[], Trainer]


def options(kind: Any, on_cuda: bool) -> dict[str, bool]:
    return {"foreach": True} if "foreach" in inspect.signature(kind).parameters else {}


@pytest.fixture
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Make:
    generator = batches.generator

    def of_a_device(*key: Any, device: Any = "cpu") -> Any:
        return None if torch.device(device).type == "meta" else generator(*key, device=device)

    monkeypatch.setattr(batches, "generator", of_a_device)
    monkeypatch.setattr(Dropout, "state", lambda self: [])
    monkeypatch.setattr(Dropout, "restore", lambda self, state: None)
    monkeypatch.setattr(BankOptimizer, "_options", staticmethod(options))
    missing_R = torch.empty(3, dtype=torch.float64, device="meta")
    monkeypatch.setattr(probing, "_spectrum", lambda *_: (missing_R, missing_R))
    setting = {"depth": 3, "width": 8, "lr": 0.01, "steps": 4, "batch_size": 8} | SETTINGS[request.param]
    return lambda: Trainer([Cell(seed=seed, **setting) for seed in range(3)], torch.device("meta"))


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in a state."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from tensors(part)


@pytest.mark.parametrize("make", SETTINGS, indirect=True)
def test_a_step_stays_on_its_device_and_asks_for_no_number(make: Make) -> None:
    trainer = make()
    trainer.step(0)
    trainer.step(1)
    assert trainer.flat_RP.device.type == "meta"


@pytest.mark.parametrize("make", SETTINGS, indirect=True)
def test_a_probe_and_the_step_it_watches_stay_on_their_device(make: Make) -> None:
    trainer = make()
    trainer.measure(0)
    trainer.step(0, watched=True)
    trainer.measure(1)
    assert {value.device.type for row in trainer.measurements.rows for value in row.values()} == {"meta"}


# NAdam's product of momenta stands on the parameters' device after `load_state_dict`, and only a capturable one, which
# asks for a CUDA device, leaves it there
@pytest.mark.parametrize("make", [name for name in SETTINGS if name != "optimizer nadam"], indirect=True)
@pytest.mark.slow
def test_a_checkpoint_is_gone_on_from_on_its_device(make: Make) -> None:
    """Streams lie on the CPU, and so do counters of optimisers that keep them there."""
    stopped, resumed = make(), make()
    stopped.measure(0)
    stopped.step(0, watched=True)
    resumed.restore(stopped.state())
    resumed.step(1)
    resumed.measure(2)
    state = resumed.state()
    kept = {name: value for name, value in state.items() if name not in ("batches", "optimizer")}
    assert {tensor.device.type for tensor in tensors(kept)} == {"meta"}
    of_parameters = [tensor for tensor in tensors(state["optimizer"]) if tensor.ndim]
    assert {tensor.device.type for tensor in of_parameters} <= {"meta"}
    assert len(resumed.measurements.rows) == 2


def test_every_clip_is_here() -> None:
    assert {clip.name for clip in CLIPPED} == set(CLIPS)
