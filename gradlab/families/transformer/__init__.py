"""The transformer: `depth` blocks of attention and MLP on tokens of `width` numbers, and a linear readout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradlab.components import TASKS, Named, Task
from gradlab.families.base import Family, Refusal
from gradlab.families.mlp import DEPTH
from gradlab.families.transformer import cost
from gradlab.families.transformer.options import OPTIONS

__all__ = ["TRANSFORMER"]


def _idle(options: Mapping[str, Any], task: Task, residual: str) -> Iterable[str]:
    if not task.of_indices:
        yield "embedding_std"
    if "images" not in task.kinds:
        yield "patch"
    if options["attention"] == "none":
        yield from ("heads", "causal", "qk_norm", "softcap", "qk_gain", "vo_gain")
    if not options["ff"]:
        yield from ("gate", "in_gain", "out_gain")


def _listed(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return " or ".join(filter(None, [", ".join(first), last]))


def _of_width(options: Mapping[str, Any], width: int) -> Refusal | None:
    heads = options["heads"]
    if options["attention"] == "none":
        return None
    divisors = [n for n in range(1, min(width, 1000) + 1) if width % n == 0]
    if width % heads:
        near = sorted(sorted(divisors, key=lambda n: abs(n - heads))[:4])
        return (
            f"{heads} heads do not divide the width {width}",
            f"take {_listed(near)} heads, or a width of {-(-width // heads) * heads}",
        )
    if options["qk_norm"] and width == heads:
        return (
            f"qk_norm over the one number of each of {heads} heads leaves its sign alone",
            "take fewer heads, or leave qk_norm out",
        )
    return None


def _of_task(options: Mapping[str, Any], task: Named) -> Refusal | None:
    if TASKS[task.name].next_inputs and options["causal"] is False and options["attention"] != "none":
        return (
            f"without a causal mask the transformer sees what it is to predict: the targets of {task.name} are its "
            "next inputs",
            "leave causal out, which is true there, or write causal: true",
        )
    return None


def _of_options(options: Mapping[str, Any], _: object) -> Refusal | None:
    if options["attention"] == "none" and not options["ff"]:
        return "without attention and with ff: 0 a block is empty", "take one of the two"
    if options["causal"] is True and options["pool"] == "first" and options["attention"] != "none":
        return (
            "pool: first with a causal mask reads a token that sees no other",
            "take pool: last, or pool: mean, or no causal mask",
        )
    return None


def _shapes(options: Mapping[str, Any], shape: tuple[int, ...]) -> Refusal | None:
    if not shape:
        return (
            "a transformer takes images of channels and positions, and the samples have one axis",
            "give them as an array [samples, channels, height, width], or as sequences with task array_sequences",
        )
    patch, sides = options["patch"], shape[1:]
    if any(side % patch for side in sides):
        size = " x ".join(map(str, sides))
        common = [n for n in range(1, min(sides) + 1) if all(side % n == 0 for side in sides)]
        return f"patches of {patch} do not divide images of {size}", f"patch can be {_listed(common)}"
    return None


TRANSFORMER = Family(
    "gradlab.families.transformer.network:Transformer",
    "`depth` blocks of attention and MLP on tokens: a sequence, or patches of an image (Vaswani 2017); causal where "
    "every token has a target",
    OPTIONS,
    axis=DEPTH,
    length=cost.length,
    inputs=("sequences", "tokens", "images"),
    cost=cost.COST,
    theory="gradlab.mean_field.transformer:THEORY",
    defaults={
        "depth": 4, "norm": Named("layer"), "residual": Named("pre_norm"), "init": Named("xavier_normal"),
    },
    allows={
        "norm": ("none", "layer", "rms", "dyt", "derf"),
        "residual": (
            "none", "add", "pre_norm", "post_norm", "sandwich", "layer_scale", "deepnorm", "fixup", "t_fixup",
        ),
    },
    ignores=("norm_position",),
    idle=_idle,
    conflicts={"width": _of_width, "task": _of_task, "model": _of_options},
    shapes=_shapes,
    unnormed=("add", "fixup", "t_fixup"),
    mixes_activations=True,
    sweep={
        "width": 32, "optimizer": "adam", "lr": 0.001, "train.steps": 300, "train.batch_size": 32, "probe.at": [0],
        "seeds": 3,
    },
    init_of_activation=False,
    explored={"depth": 24, "task": {"images": {"channels": 8}}},
)  # fmt: skip
