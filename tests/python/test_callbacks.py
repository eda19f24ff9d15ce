"""The callbacks of Lightning and transformers, with the real packages: they measure and change nothing."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradlab as gl

WITHOUT = "is not installed: pip install 'gradient-survival[models]'"
lightning = pytest.mark.skipif(importlib.util.find_spec("lightning") is None, reason=f"lightning {WITHOUT}")
transformers = pytest.mark.skipif(
    any(importlib.util.find_spec(package) is None for package in ("transformers", "accelerate")),
    reason=f"transformers with accelerate {WITHOUT}",
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that are not ours
        yield


def lightning_run(where: Path, callbacks: list[Any], **options: Any) -> Any:
    """Train a LightningModule with a linear stack for six updates."""
    import lightning.pytorch as pl

    class Module(pl.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            layers = [layer for _ in range(4) for layer in (nn.Linear(8, 8), nn.Dropout(0.1), nn.Tanh())]
            self.net = nn.Sequential(*layers, nn.Linear(8, 1))

        def training_step(self, batch: Any, _: int) -> Tensor:
            return self.net(batch[0]).square().mean()  # type: ignore[no-any-return]

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), 1e-2)

    torch.manual_seed(0)
    data = torch.utils.data.TensorDataset(torch.randn(96, 8))
    module = Module()
    trainer = pl.Trainer(
        max_steps=6, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=where, callbacks=callbacks, **options,
    )  # fmt: skip
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=8))
    return module


@pytest.mark.slow
@lightning
def test_lightning(tmp_path: Path) -> None:
    callback = gl.lightning.Watch(every=2, out=tmp_path / "mine")
    options = {"gradient_clip_val": 1e-3, "accumulate_grad_batches": 2}
    watched, plain = (lightning_run(tmp_path, callbacks, **options) for callbacks in ([callback], []))
    assert all(torch.equal(a, b) for a, b in zip(watched.parameters(), plain.parameters(), strict=True))
    steps = gl.load(tmp_path / "mine").steps
    assert steps["step"].tolist() == [0, 2, 4]
    assert steps["micro_batches"].tolist() == [2, 2, 2]
    assert steps["loss"].notna().all()
    assert (steps["clip_norm_before"] > 1e-3).all()
    assert steps["clip_norm_after"].tolist() == pytest.approx([1e-3] * 3, rel=1e-3)
    assert callback.watched is not None
    assert callback.watched.frame["name"].tolist()[:4] == ["0", "3", "6", "9"]
    assert (callback.watched.frame["update_ratio"] > 0).all()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in watched.modules())


@pytest.mark.slow
@lightning
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "nets"}, "model='nets' is no module of Module"),
        ({"optimizer": 1}, "the LightningModule has 1 optimizers"),
    ],
    ids=["module", "optimizer"],
)
def test_lightning_refuses_what_there_is_not(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(gl.UsageError, match=words):
        lightning_run(tmp_path, [gl.lightning.Watch(**options)])


class Tokens(torch.utils.data.Dataset[dict[str, Tensor]]):
    def __len__(self) -> int:
        return 64

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        tokens = torch.randint(0, 50, (12,), generator=torch.Generator().manual_seed(place))
        return {"input_ids": tokens, "labels": tokens}


def trainer_run(where: Path, callbacks: list[Any]) -> Any:
    """Train a GPT-2 of three blocks for six updates."""
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    torch.manual_seed(0)
    config = GPT2Config(n_layer=3, n_embd=16, n_head=2, vocab_size=50, n_positions=16, bos_token_id=0, eos_token_id=1)
    model = GPT2LMHeadModel(config)
    arguments = TrainingArguments(
        output_dir=str(where / "trainer"), max_steps=6, per_device_train_batch_size=4, gradient_accumulation_steps=2,
        report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True, logging_strategy="no", max_grad_norm=0.5,
    )  # fmt: skip
    Trainer(model=model, args=arguments, train_dataset=Tokens(), callbacks=callbacks).train()
    return model


@pytest.mark.slow
@transformers
def test_the_trainer_of_transformers(tmp_path: Path) -> None:
    callback = gl.transformers.Watch(every=3, out=tmp_path / "mine")
    watched, plain = (trainer_run(tmp_path, callbacks) for callbacks in ([callback], []))
    assert all(torch.equal(a, b) for a, b in zip(watched.parameters(), plain.parameters(), strict=True))
    loaded = gl.load(tmp_path / "mine")
    assert loaded.steps["step"].tolist() == [0, 3]
    assert loaded.steps["micro_batches"].tolist() == [2, 2]
    assert loaded.steps["loss"].tolist() == pytest.approx([math.log(50)] * 2, rel=0.2)
    assert loaded.steps["clip_norm_after"].max() < 0.501 < loaded.steps["clip_norm_before"].min()
    assert loaded.frame["name"].tolist()[:3] == [f"transformer.h.{place}" for place in range(3)]
    assert loaded.frame["kind"].unique().tolist() == ["GPT2Block"]


def test_a_package_that_is_missing_is_said() -> None:
    code = (
        "import sys\nfor name in ('lightning', 'pytorch_lightning', 'transformers'):\n    sys.modules[name] = None\n"
        "import gradlab as gl\n"
        "for name in ('lightning', 'transformers'):\n"
        "    try:\n        getattr(gl, name)\n    except gl.UsageError as error:\n        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "Lightning is not installed", "  pip install lightning",
        "transformers is not installed", "  pip install transformers",
    ]  # fmt: skip
