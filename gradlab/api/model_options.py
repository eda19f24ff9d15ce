"""The options of the commands on models of the user: batch, loss, blocks, and how they are measured."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gradlab.api.options import Options, option
from gradlab.components import nearest
from gradlab.errors import OptionError, UsageError

__all__ = ["LOSSES", "VERDICTS", "BatchOptions", "ModelOptions", "ProbeOptions", "WidthOptions"]

BATCH, MEASUREMENT, TRAINING = "Model, batch and loss", "Measurement", "Training"
"""Sections of a command's help."""
LOSSES = ("cross_entropy", "mse", "normal", "token", "common")
VERDICTS = ("vanishing", "exploding", "dead", "masked", "detached", "nonfinite")
_SHAPE, _TOKENS = re.compile(r"[1-9]\d{0,8}(x[1-9]\d{0,8})*"), re.compile(r"[1-9]\d{0,8}(x[1-9]\d{0,8})*:[1-9]\d{0,8}")


@dataclass(frozen=True)
class BatchOptions(Options):
    """Where a command gets the batch and the loss of a model of the user from; FILE.py:NAME or package.module:NAME."""

    batch: str | None = option(None, "Function that returns the batch.", metavar="FILE.py:NAME", panel=BATCH)
    input: str | None = option(None, "Shape of a standard normal input: 4x3x64x64.", metavar="SHAPE", panel=BATCH)
    tokens: str | None = option(
        None, "Shape of random tokens, and size of the vocabulary: 2x64:1000.", metavar="SHAPE:N", panel=BATCH
    )
    loss: str | None = option(
        None, "cross_entropy, mse, a function FILE.py:NAME, or a random gradient at the output: normal, token, common; "
        "left out: the model's own loss, else normal.",
        metavar="LOSS", offers=LOSSES, panel=BATCH
    )  # fmt: skip
    arg: tuple[str, ...] = option(
        (), "An argument of the function that makes the model.", metavar="NAME=VALUE", panel=BATCH
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        flags = [f"--{name}" for name in ("batch", "input", "tokens") if getattr(self, name) is not None]
        if len(flags) > 1:
            raise UsageError(f"{' and '.join(flags)} are given", "one of them is the batch")
        if self.input is not None and not _SHAPE.fullmatch(self.input):
            raise OptionError("input", self.input, "this is no shape", "write whole numbers with x between: 4x3x64x64")
        if self.tokens is not None and not _TOKENS.fullmatch(self.tokens):
            problem = "this is not the shape and the number of tokens"
            raise OptionError("tokens", self.tokens, problem, "write 2x64:1000: 2 sequences of 64 of 1000 tokens")
        if self.loss is not None and self.loss not in LOSSES and ":" not in self.loss:
            close = nearest(self.loss, LOSSES)
            hint = (
                f"did you mean {close}?"
                if close
                else f"choose from {', '.join(LOSSES)}, or name a function: FILE.py:NAME"
            )
            raise OptionError("loss", self.loss, "there is no such loss", hint)


@dataclass(frozen=True)
class ModelOptions(BatchOptions):
    """Of which blocks a command measures the model of the user."""

    blocks: tuple[str, ...] = option(
        ("auto",), "auto, cuts, joins, weights, a class, or patterns of module names.", metavar="NAME,...",
        offers=("auto", "cuts", "joins", "weights"), separated=True, panel=MEASUREMENT
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.blocks:
            raise OptionError("blocks", "", "no block is named", "leave it out, or name some: --blocks auto")


@dataclass(frozen=True)
class ProbeOptions(Options):
    """How a model of the user is measured."""

    source: str | None = option(None, "The input that the blocks are counted from.", metavar="NAME", panel=MEASUREMENT)
    seeds: int = option(
        1, "Number of models to build and measure, each with its seed.", metavar="N", low=1, panel=MEASUREMENT
    )
    dtype: str = option(
        "float64",
        "Number format of the computation; own: that of the model.",
        choices=("float64", "own"),
        panel=MEASUREMENT,
    )
    train: bool | None = option(
        None, "Mode of the model; left out: the one it is in.", bool, off="--eval", panel=MEASUREMENT
    )
    samples: int | None = option(
        None, "Number of samples of the batch to take at most.", int, metavar="N", low=1, panel=MEASUREMENT
    )
    vanish: float = option(1e-3, "Survival below which the verdict is vanishing.", low=0, above=True, panel=MEASUREMENT)
    explode: float = option(1e3, "Survival above which the verdict is exploding.", low=1, panel=MEASUREMENT)


@dataclass(frozen=True)
class WidthOptions(Options):
    """How models of several widths are trained for a coordinate check."""

    optimizer: str = option(
        "adam", "adam (eps 1e-30), sgd, or a function of a model FILE.py:NAME.", metavar="OPTIMIZER",
        offers=("adam", "sgd"), panel=TRAINING
    )  # fmt: skip
    lr: float = option(1e-3, "Learning rate.", low=0, above=True, panel=TRAINING)
    steps: int = option(
        3, "Number of updates; the verdict is about the first.", metavar="N", low=1, high=1000, panel=TRAINING
    )
    seeds: int = option(3, "Number of models of each width.", metavar="N", low=1, high=1000, panel=TRAINING)
    dtype: str = option(
        "float64",
        "Number format of the computation; own: that of the models.",
        choices=("float64", "own"),
        panel=TRAINING,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimizer not in ("adam", "sgd") and ":" not in self.optimizer:
            hint = "choose from adam, sgd, or name a function of a model that returns one: FILE.py:NAME"
            raise OptionError("optimizer", self.optimizer, "there is no such optimizer", hint)
