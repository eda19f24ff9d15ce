"""`gl.watch`: its directory and frames, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn

import gradlab as gl


def stack(depth: int = 4, width: int = 8) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.Tanh())]
    return nn.Sequential(*layers, nn.Linear(width, 1))


def train(count: int = 5, *, depth: int = 4, loss: str = "", **options: Any) -> gl.Watch:
    model = stack(depth)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with gl.watch(model, optimizer=optimizer, **options) as watched:
        for _ in range(count):
            value = model(torch.randn(16, 8)).square().mean()
            optimizer.zero_grad()
            value.backward()
            if loss == "before":
                watched.step(loss=value)
            optimizer.step()
            if loss == "after":
                watched.step(loss=value)
    return watched


def test_the_directory_holds_what_the_frames_hold(tmp_path: Path) -> None:
    watched = train(every=2, out=tmp_path / "mine", loss="before")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["layers.csv", "run.json", "steps.csv"]
    loaded = gl.load(tmp_path / "mine")
    pd.testing.assert_frame_equal(loaded.frame, watched.frame)
    pd.testing.assert_frame_equal(loaded.steps, watched.steps)
    assert watched.steps["step"].tolist() == [0, 2, 4]
    assert watched.steps["loss"].notna().all()
    assert watched.frame.groupby("step").size().tolist() == [4, 4, 4]
    assert watched.frame["name"].tolist()[:4] == ["0", "2", "4", "6"]
    assert watched.frame["shape"].tolist()[0] == (16, 8)
    document = json.loads((tmp_path / "mine" / "run.json").read_text())
    assert (document["name"], document["model"], document["error"]) == ("mine", "Sequential", "")
    assert document["ended"] is not None
    assert [block["name"] for block in document["blocks"]] == ["0", "2", "4", "6"]
    first, *lines = loaded.report().split("\n")
    assert lines == watched.report().split("\n")[1:]
    assert first.startswith("mine · Sequential · 3 steps measured · every 2 steps · ended")
    assert repr(loaded) == "<WatchedLoop mine: 3 steps measured>"
    assert repr(watched) == "<Watch mine: 3 steps measured>"
    assert "Blocks at step 4" in watched._repr_html_()


def test_the_columns_are_those_of_a_probe_and_the_numbers_agree(tmp_path: Path) -> None:
    model, x, y = stack(), torch.randn(16, 8), torch.zeros(16, 1)
    probed = gl.probe(model, (x, y), "mse")
    with gl.watch(model) as watched:
        nn.functional.mse_loss(model(x), y).backward()
        watched.step()
    frame = watched.frame
    assert set(frame) - set(probed.blocks) == {"step", "update_ratio"}
    for column in ("grad_norm", "log10_survival", "factor", "grad_rms", "rel_grad", "act_rms", "weight_norm"):
        assert frame[column].tolist() == pytest.approx(probed.blocks[column].tolist(), rel=1e-4, abs=1e-6, nan_ok=True)
    assert frame["weight_grad_norm"].tolist() == pytest.approx(probed.blocks["weight_grad_norm"].tolist(), rel=1e-4)
    assert frame["parameters"].tolist() == probed.blocks["parameters"].tolist()
    step = watched.steps.iloc[0]
    assert (step["verdict"], step["decay"]) == (probed.verdict, pytest.approx(probed.decay, rel=1e-4))


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_loss_is_that_of_its_step(when: str, every: int) -> None:
    model = stack()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    with gl.watch(model, every=every, optimizer=optimizer) as watched:
        for _ in range(5):
            value = model(torch.randn(16, 8)).square().mean()
            losses.append(value.item())
            optimizer.zero_grad()
            value.backward()
            if when == "before":
                watched.step(loss=value)
            optimizer.step()
            if when == "after":
                watched.step(loss=value)
    assert watched.steps["loss"].tolist() == losses[::every]


@pytest.mark.parametrize("loss", ["before", "after"])
def test_the_loss_may_come_before_or_after_the_update(loss: str, tmp_path: Path) -> None:
    watched = train(every=2, out=tmp_path / "mine", loss=loss)
    values = gl.load(tmp_path / "mine").steps["loss"]
    assert values.notna().all()
    assert values.tolist() == watched.steps["loss"].tolist()
    assert train(every=2).steps["loss"].isna().all()


def test_a_kill_loses_nothing_that_was_measured(tmp_path: Path) -> None:
    code = (
        "import os, signal, torch\nfrom torch import nn\nimport gradlab as gl\n"
        "model = nn.Sequential(*[layer for _ in range(4) for layer in (nn.Linear(8, 8), nn.Tanh())], nn.Linear(8, 1))\n"
        "optimizer = torch.optim.SGD(model.parameters(), 0.1)\n"
        f"watched = gl.watch(model, every=1, out={str(tmp_path / 'mine')!r}, optimizer=optimizer)\n"
        "for step in range(5):\n"
        "    model(torch.randn(4, 8)).sum().backward()\n"
        "    optimizer.step()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == -signal.SIGKILL
    loaded = gl.load(tmp_path / "mine")
    assert loaded.steps["step"].tolist() == [0, 1, 2, 3, 4]
    assert len(loaded.frame) == 20


def test_a_step_that_was_being_written_is_left_out(tmp_path: Path) -> None:
    train(every=1, out=tmp_path / "mine")
    with (tmp_path / "mine" / "layers.csv").open("a") as file:
        file.write("5,1,0,Linear,1,16x8,72,false,true,true,0.1\n")  # rows of a step that steps.csv does not have
    with (tmp_path / "mine" / "steps.csv").open("a") as file:
        file.write("5,1,0.3")
    loaded = gl.load(tmp_path / "mine")
    assert loaded.steps["step"].tolist() == [0, 1, 2, 3, 4]
    assert sorted(set(loaded.frame["step"])) == [0, 1, 2, 3, 4]


def test_a_second_run_into_the_directory_is_refused(tmp_path: Path) -> None:
    train(count=1, every=1, out=tmp_path / "mine")
    model = stack()
    with pytest.raises(gl.UsageError, match="there are files in it already") as caught:
        gl.watch(model, out=tmp_path / "mine")
    assert 'out="' in caught.value.hint
    gl.watch(model, out=tmp_path / "other").close()  # nothing is left of the watch that was refused


def test_a_run_of_a_spec_leaves_the_directory_alone(tmp_path: Path) -> None:
    train(count=1, every=1, out=tmp_path / "mine")
    with pytest.raises(gl.StoreError, match="holds measured steps of a training loop"):
        gl.run({"name": "mine", "depth": 2}, out=tmp_path, workers=0, quiet=True)
    assert len(gl.load(tmp_path / "mine").steps) == 1


def test_an_exception_of_the_loop_is_noted_and_passed_on(tmp_path: Path) -> None:
    model = stack()

    def interrupted() -> None:
        with gl.watch(model, every=1, out=tmp_path / "mine") as watched:
            model(torch.randn(4, 8)).sum().backward()
            watched.step()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert json.loads((tmp_path / "mine" / "run.json").read_text())["error"] == "KeyboardInterrupt"
    assert len(gl.load(tmp_path / "mine").steps) == 1
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_directory_that_cannot_be_written_any_more_stops_no_training(tmp_path: Path) -> None:
    model = stack()
    with gl.watch(model, every=1, out=tmp_path / "mine") as watched:
        (tmp_path / "mine" / "layers.csv").mkdir()
        model(torch.randn(4, 8)).sum().backward()
        with pytest.warns(UserWarning, match="nothing more is written"):
            watched.step()
        for _ in range(2):
            model(torch.randn(4, 8)).sum().backward()
            watched.step()
    assert len(watched.steps) == 3
    document = json.loads((tmp_path / "mine" / "run.json").read_text())
    assert document["ended"] is not None
    assert "nothing more is written" in document["notes"][-1]
    assert not (tmp_path / "mine" / "run.lock").exists()


def test_notes_are_written_with_the_step_that_they_are_about(tmp_path: Path) -> None:
    model = stack()
    model[0].requires_grad_(False)
    watched = gl.watch(model, every=1, out=tmp_path / "mine")
    model(torch.randn(4, 8)).sum().backward()
    watched.step()
    loaded = gl.load(tmp_path / "mine")
    assert loaded.notes == watched.notes == ("no gradient is computed at 0: no parameter at or below needs one",)
    assert loaded.training.state == "still at work"
    watched.close()
    assert gl.load(tmp_path / "mine").training.state.startswith("ended")


def test_frozen_blocks_have_no_gradient_and_do_not_count(tmp_path: Path) -> None:
    model = stack()
    for layer in (model[0], model[2]):
        layer.requires_grad_(False)
    with gl.watch(model, every=1, out=tmp_path / "mine") as watched:
        model(torch.randn(4, 8)).sum().backward()
        watched.step()
    frame = watched.frame
    assert frame["connected"].tolist() == [False, False, True, True]
    assert frame["grad_norm"].isna().tolist() == [True, True, False, False]
    assert frame["act_rms"].notna().all()
    ratio = frame["grad_norm"].iloc[2] / frame["grad_norm"].iloc[3]
    assert watched.steps["survival"].iloc[0] == pytest.approx(ratio)
    assert watched.notes == ("no gradient is computed at 0, 2: no parameter at or below needs one",)
    pd.testing.assert_frame_equal(gl.load(tmp_path / "mine").frame, frame)


def test_a_detached_block_is_told_from_a_frozen_one() -> None:
    class Cut(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.detach()

    model = nn.Sequential(*stack()[:4], Cut(), *stack()[4:])
    with gl.watch(model, every=1) as watched:
        model(torch.randn(4, 8)).sum().backward()
        watched.step()
    assert watched.steps["verdict"].tolist() == ["detached"]


def test_what_is_not_an_argument_is_refused(tmp_path: Path) -> None:
    model = stack()
    other = torch.optim.SGD(stack().parameters(), 0.1)
    optimizer: Any = "adam"
    for arguments, words in (
        ({"model": 3}, "int is no torch.nn.Module"),
        ({"every": 0}, "every"),
        ({"optimizer": optimizer}, "str is no torch.optim.Optimizer"),
        ({"optimizer": other}, "the optimizer updates no parameter of the model"),
        ({"scaler": 3}, "int is no torch.amp.GradScaler"),
        ({"blocks": [nn.Linear(2, 2)]}, "a Linear is no part of the model"),
        ({"out": 3}, "3 is no path"),
    ):
        with pytest.raises(gl.GradlabError, match=words):
            gl.watch(**{"model": model, **arguments})
    with gl.watch(model) as watched, pytest.raises(gl.UsageError, match="is no number"):
        watched.step(loss=torch.ones(2))


def test_only_the_first_process_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    watched = train(every=1, out=tmp_path / "mine", loss="after")
    assert watched.frame.empty
    assert not (tmp_path / "mine").exists()
    assert watched.notes == ("only the first process of a distributed run measures",)


def test_the_report_says_how_the_gradient_fares() -> None:
    report = train(count=40, every=2, loss="after").report()
    assert "watch · Sequential · 20 steps measured" in report
    assert "12 of 20 steps" in report
    assert "Blocks at step 38" in report
