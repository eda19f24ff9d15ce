"""A toy of each kind that gradlab can be given, as the places of the package that have to be touched for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["REFERENCES", "TOYS", "Place", "put"]


@dataclass(frozen=True, slots=True)
class Place:
    """Text put into a file before the first occurrence of `before`; without one, a new file."""

    file: str
    text: str
    before: str = ""


def put(root: Path, places: Iterable[Place]) -> None:
    """Touch the places below `root`."""
    for place in places:
        file = root / place.file
        if not place.before:
            file.parent.mkdir(exist_ok=True)
            file.write_text(place.text)
            continue
        text = file.read_text()
        assert place.before in text, f"{place.file} has no {place.before!r}"
        file.write_text(text.replace(place.before, place.text + place.before, 1))


NAMES = "components/networks.py"
TOYS: dict[str, tuple[Place, ...]] = {
    "activation": (
        Place(
            "nn/activations.py",
            "def toy_act(x: Tensor) -> Tensor:\n    return torch.tanh(x) + x / 4\n\n\n",
            "@dataclass",
        ),
        Place(NAMES, '    "toy_act": _act("gradlab.nn.activations:toy_act", "a toy"),\n', '    "softplus": _act('),
        Place(
            "mean_field/activations.py",
            '    "toy_act": lambda: NumpyActivation(lambda x: np.tanh(x) + x / 4, lambda x: _sech2(x) + 0.25),\n',
            '    "softplus": lambda beta',
        ),
    ),
    "init": (
        Place(
            "nn/inits.py",
            "def toy_init(z_OI: Tensor, gain: float) -> Tensor:\n"
            "    return gain * math.sqrt(1.5 / z_OI.shape[1]) * z_OI\n\n\n",
            "def normal(",
        ),
        Place(NAMES, '    "toy_init": _init("toy_init", "a toy"),\n', '    "orthogonal": _init('),
        Place(
            "mean_field/inits.py",
            '    "toy_init": lambda fan_in, fan_out, gain: gain**2 * 1.5 / fan_in,\n',
            '    "orthogonal": lambda fan_in',
        ),
    ),
    "norm": (
        Place(
            "nn/norms.py",
            "class ToyNorm(RMSNorm):\n"
            "    def __call__(self, x_RNO, learned, running_R2O, mode):\n"
            "        return 2 * super().__call__(x_RNO, learned, running_R2O, mode)\n\n\n",
            "def norm(",
        ),
        Place(NAMES, '    "toy_norm": _norm("ToyNorm", "a toy"),\n', '    "rms": _norm('),
    ),
    "family": (
        Place(
            "families/toy/__init__.py",
            "from dataclasses import replace\n"
            "from gradlab.families.mlp import MLP\n"
            'TOY = replace(MLP, target="gradlab.families.toy.network:Toy", summary="a toy", theory=None)\n',
        ),
        Place("families/toy/network.py", "from gradlab.families.mlp.network import MLP\n\n\nclass Toy(MLP): ...\n"),
        Place("families/__init__.py", "from gradlab.families.toy import TOY\n", "\n__all__"),
        Place("families/__init__.py", '"toy_net": TOY, ', '"mlp": MLP'),
    ),
    "setting": (
        Place("cell.py", '    toy_setting: float = setting("toy_setting", 0.0, "a toy", low=0)\n', "    seed: int ="),
    ),
    "column": (
        Place(
            "columns.py",
            '    Column("toy_column", "a toy", ("layers",), source="log_weight_grad_norm", form="log10"),\n',
            '    Column("cell_grad_norm"',
        ),
    ),
    "flag": (
        Place("api/options.py", '    toy_flag: bool = option(False, "A toy.")\n', "    workers: int |"),
    ),
}  # fmt: skip
"""By kind, the places below ``gradlab/``."""

REFERENCES = (
    Place(
        "support/reference.py",
        '        "toy_act": lambda: type("Toy", (nn.Module,), {"forward": lambda _, x: torch.tanh(x) + x / 4})(),\n',
        '        "tanh": lambda: nn.Tanh(),',
    ),
    Place(
        "support/reference.py",
        '        "toy_norm": lambda: type(\n'
        '            "Toy", (nn.RMSNorm,), {"forward": lambda m, x: 2 * nn.RMSNorm.forward(m, x)}\n'
        "        )(width, eps=eps),\n",
        '        "rms": lambda:',
    ),
    Place("nn/test_inits.py", '    "toy_init": 1.5 / COLUMNS,\n', '    "orthogonal": 1 / COLUMNS'),
)
"""What the contract tests compare the toys with, below ``tests/``."""
