"""What a worker loads: every module counts in the time to the first answer, once for each worker."""

from __future__ import annotations

import subprocess
import sys

import pytest

SETTINGS = {
    "mlp": "depth=3, width=4",
    "mlp with a norm": "depth=3, width=4, norm=Named('layer'), activation=Named('gelu'), residual=Named('add')",
    "mlp with adam": "depth=3, width=4, optimizer=Named('adam'), clip=Named('norm', (('max', 1.0),))",
    "rnn": "model=Named('rnn'), depth=1, width=4, seq_len=5, task=Named('adding')",
    "lstm": "model=Named('lstm'), depth=2, width=4, seq_len=5, task=Named('adding')",
}
FORBIDDEN = {
    "torch._dynamo", "torch._inductor", "sympy", "sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "rich", "typer",
    "yaml",
}  # fmt: skip
"""Only a bank that needs them may load them: a table of the user, a plugin."""
ALLOWED = {"gradlab", "torch", "numpy", "functorch", "torchgen", "typing_extensions", "filelock", "packaging", "tqdm"}
"""Top-level packages beside the standard library; torch.hub takes tqdm where it is installed."""


@pytest.mark.parametrize("name", SETTINGS)
def test_a_worker_that_trains_loads_torch_and_numpy_alone(name: str) -> None:
    code = (
        "import sys\n"
        "from gradlab.cell import Cell, Named\n"
        "from gradlab.execution.base import Job, load_work\n"
        f"cells = tuple(Cell({SETTINGS[name]}, seed=seed, steps=3) for seed in range(2))\n"
        "work, devices = load_work('gradlab.execution.worker:train', 'cpu')\n"
        "work(Job(cells, devices[0]))\n"
        "print(*sorted({module for module in sys.modules}))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    modules = set(answer.stdout.split())
    assert not {name for name in FORBIDDEN if name in modules}
    others = {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names)
    assert {package for package in others if not package.startswith("_")} <= ALLOWED
