"""A `gl.Probe` as text, picture, document and files, and `gl.assert_healthy`."""

from __future__ import annotations

import csv
import json
import re
from base64 import b64decode
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn

import gradlab as gl
from gradlab.cli import invoke


def stack(depth: int = 8, activation: type[nn.Module] = nn.Sigmoid) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(16, 16), activation()]
    return nn.Sequential(*layers, nn.Linear(16, 4))


@pytest.fixture(scope="module")
def probe() -> gl.Probe:
    return gl.probe(stack(), torch.randn(6, 16, generator=torch.Generator().manual_seed(1)))


def test_it_prints_the_report(probe: gl.Probe) -> None:
    assert str(probe) == probe.report(110)
    assert all(len(line) <= 80 for line in probe.report(80).split("\n"))
    assert probe.conclusions[0] in re.sub(r"\n +", " ", probe.report(80))
    assert probe.conclusions[0] in probe.report(None)
    assert repr(probe) == "<Probe of Sequential: 8 blocks, vanishing>"
    assert probe._repr_html_().startswith("<pre")
    with pytest.raises(gl.OptionError):
        probe.report(0)


def test_the_document_is_strict_json_with_the_numbers(probe: gl.Probe) -> None:
    document = json.loads(json.dumps(probe.document(), allow_nan=False))
    assert document["log10_survival"] == probe.log10_survival
    assert document["reach"] == probe.reach
    assert [block["log10_grad_norm"] for block in document["blocks"]] == probe.blocks["log10_grad_norm"].tolist()
    assert document["blocks"][0]["factor"] is None
    assert document["cures"] == []
    assert len(document["causes"]) == len(probe.result.causes)


def test_the_picture_has_the_norms(probe: gl.Probe) -> None:
    (axes,) = probe.picture().axes
    line = next(line for line in axes.lines if line.get_label() == "measured")
    np.testing.assert_allclose(np.asarray(line.get_ydata(), float), probe.blocks["log10_grad_norm"])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == probe.blocks["name"].tolist()


def test_the_files_hold_the_measurement_and_need_nothing_else(probe: gl.Probe, tmp_path: Path) -> None:
    page, table, document = probe.save(tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["blocks.csv", "probe.html", "probe.json"]
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["log10_grad_norm"]) for row in rows] == probe.blocks["log10_grad_norm"].tolist()
    assert json.loads(document.read_text()) == probe.document()
    text = page.read_text()
    assert not re.search(r"https?://(?!www\.w3\.org)|<script", text)
    drawn = re.search(r'base64,([^"]+)"', text)
    assert drawn is not None
    assert ElementTree.fromstring(b64decode(drawn[1])).tag.endswith("svg")
    assert text.count("<tr>") >= len(rows)
    before = page.read_bytes()
    probe.save(tmp_path / "new")
    assert page.read_bytes() == before


def test_names_of_modules_are_no_markup(tmp_path: Path) -> None:
    class Odd(nn.Sequential):
        pass

    Odd.__name__ = "<b>&"
    page, *_ = gl.probe(Odd(*stack()), torch.randn(4, 16)).save(tmp_path)
    assert "<b>" not in page.read_text()
    assert "&lt;b&gt;&amp;" in page.read_text()


def test_a_place_that_is_a_file_is_refused(probe: gl.Probe, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(gl.StoreError):
        probe.save(tmp_path / "taken")


def test_the_command_writes_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "net.py").write_text(
        "from torch import nn\nmodel = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))\n"
    )
    assert invoke(["probe", "net.py:model", "--input", "3x4", "--json", "--out", "there"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "there" / "probe.json").read_text())
    assert invoke(["probe", "net.py:model", "--input", "3x4", "--out", "net.py"]) == 2


def test_cures_once_tried_are_in_everything(tmp_path: Path) -> None:
    probe = gl.probe(stack(), torch.randn(6, 16))
    assert "Changes, each measured on a copy" not in str(probe)
    best = probe.cure()[0]
    assert best.what in probe.report(None)
    assert probe.document()["cures"][0]["code"] == best.code
    assert "Changes, each measured on a copy" in probe.save(tmp_path)[0].read_text()


def test_a_healthy_model_passes_and_is_returned() -> None:
    checked = gl.assert_healthy(stack(3, nn.Tanh), torch.randn(4, 16))
    assert checked.verdict == "healthy"


def test_a_model_that_is_not_fails_with_what_the_report_says(probe: gl.Probe) -> None:
    inputs = torch.randn(6, 16, generator=torch.Generator().manual_seed(1))
    with pytest.raises(AssertionError) as raised:
        gl.assert_healthy(stack(), inputs)
    assert str(raised.value).split("\n")[1:] == probe.conclusions
    assert gl.assert_healthy(stack(), inputs, fail_on=("exploding", "dead")).verdict == "vanishing"
    assert gl.assert_healthy(stack(), inputs, vanish=1e-30).verdict == "healthy"
    with pytest.raises(gl.OptionError, match="no such verdict"):
        gl.assert_healthy(stack(), inputs, fail_on="sick")


@pytest.mark.parametrize("kind", ["dead", "masked"])
def test_a_model_without_any_gradient_can_be_drawn(kind: str, tmp_path: Path) -> None:
    model = stack(4, nn.ReLU)
    if kind == "dead":
        nn.init.constant_(model[6].bias, -100.0)
    else:
        nn.init.zeros_(model[-1].weight)
    probe = gl.probe(model, torch.randn(4, 16))
    assert probe.verdict == kind
    probe.save(tmp_path)


def test_what_is_tried_is_tried_on_the_model_that_was_measured() -> None:
    probe = gl.probe(batch=torch.ones(4, 16), make=lambda seed: nn.Sequential(*[nn.Linear(16, 16) for _ in range(5)]))
    torch.rand(3)  # the streams of the process go on, and change nothing
    assert {cure.before.log_survival for cure in probe.cure()} == {probe.result.summary.log_survival}
