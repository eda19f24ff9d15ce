"""What ``--device`` stands for, and how much of it is known without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gradlab.errors import UsageError
from gradlab.execution import devices
from gradlab.planning.banks import CPU, CUDA


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("cpu", ("cpu",)), ("auto", ("cuda:0", "cuda:1")), ("cuda", ("cuda:0", "cuda:1")), ("cuda:1", ("cuda:1",)),
        ("cuda:1,0", ("cuda:1", "cuda:0")),
    ],
)  # fmt: skip
def test_a_device_stands_for_the_gpus_that_torch_finds(device: str, expected: tuple[str, ...]) -> None:
    assert devices.resolve(device) == expected


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_that_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="--device cuda:2: torch finds 2 CUDA devices on this machine"):
        devices.resolve("cuda:2")


@pytest.mark.parametrize(
    ("driver", "build", "visible", "expected"),
    [
        (True, "cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n", None, True),
        (True, "cuda = None\nhip: Optional[str] = '6.4'\n", None, True),
        (True, "cuda: Optional[str] = '12.8'\n", "", False),
        (True, "cuda: Optional[str] = '12.8'\n", "1", True),
        (True, "cuda: Optional[str] = None\nhip: Optional[str] = None\n", None, False),  # torch cannot use that GPU
        (False, "cuda: Optional[str] = '12.8'\n", None, False),
    ],
)
def test_a_gpu_is_expected_where_a_driver_is_and_torch_was_built_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: bool, build: str, visible: str | None, expected: bool
) -> None:
    (tmp_path / "version.py").write_text(build)
    package = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: package)
    monkeypatch.setattr(devices, "_DRIVERS", (tmp_path,) if driver else (tmp_path / "missing",))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    devices._built_for_gpu.cache_clear()
    try:
        assert devices.uses_gpu("auto") == expected
        assert devices.limits_of("auto") == (CUDA if expected else CPU)
        assert (devices.limits_of("cpu"), devices.limits_of("cuda:1")) == (CPU, CUDA)
    finally:
        devices._built_for_gpu.cache_clear()


def test_what_is_expected_needs_no_torch() -> None:
    code = "import sys; from gradlab.execution.devices import *; limits_of('auto'); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
