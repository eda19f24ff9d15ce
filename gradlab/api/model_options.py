"""The options of the commands on models of the user: batch, loss, blocks, and how they are measured."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gradlab.api.options import Options, option
from gradlab.components import nearest
from gradlab.errors import OptionError, UsageError

__all__ = ["LOSSES", "VERDICTS", "BatchOptions", "ModelOptions", "ProbeOptions", "WidthOptions"]

LOSSES = ("cross_entropy", "mse", "normal", "token", "common")
VERDICTS = ("vanishing", "exploding", "dead", "masked", "detached", "nonfinite")
_SHAPE, _TOKENS = re.compile(r"[1-9]\d{0,8}(x[1-9]\d{0,8})*"), re.compile(r"[1-9]\d{0,8}(x[1-9]\d{0,8})*:[1-9]\d{0,8}")


@dataclass(frozen=True)
class BatchOptions(Options):
    """Where a command gets the batch and the loss of a model of the user from; FILE.py:NAME or package.module:NAME."""

    batch: str | None = option(None, "Function that returns the batch.", metavar="FILE.py:NAME")
    input: str | None = option(None, "A standard normal input of this shape.", metavar="4x3x64x64")
    tokens: str | None = option(None, "Random tokens: their shape, and how many there are.", metavar="2x64:1000")
    loss: str | None = option(
        None, "A loss, or a random gradient at the output; left out: the model's own loss, else normal.",
        metavar="cross_entropy|mse|normal|token|common|FILE.py:NAME", offers=LOSSES,
    )  # fmt: skip
    arg: tuple[str, ...] = option((), "An argument of the function that makes the model.", metavar="NAME=VALUE")

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [f"--{name}" for name in ("batch", "input", "tokens") if getattr(self, name) is not None]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} are given", "one of them is the batch")
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
        offers=("auto", "cuts", "joins", "weights"), separated=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.blocks:
            raise OptionError("blocks", "", "no block is named", "leave it out, or name some: --blocks auto")


@dataclass(frozen=True)
class ProbeOptions(Options):
    """How a model of the user is measured."""

    source: str | None = option(None, "The input that the blocks are counted from.", metavar="NAME")
    seeds: int = option(1, "How many models to build and measure, each with its seed.", metavar="N", low=1)
    dtype: str = option("float64", "What is computed in; own: what the model has.", choices=("float64", "own"))
    train: bool | None = option(None, "The mode; left out: the model's own.", bool, off="--eval")
    samples: int | None = option(None, "At most N samples of the batch.", int, metavar="N", low=1)
    vanish: float = option(1e-3, "A survival below it is vanishing.", low=0, above=True)
    explode: float = option(1e3, "A survival above it is exploding.", low=1)


@dataclass(frozen=True)
class WidthOptions(Options):
    """How models of several widths are trained for a coordinate check."""

    optimizer: str = option(
        "adam", "adam (eps 1e-30), sgd, or a function of a model.", metavar="adam|sgd|FILE.py:NAME",
        offers=("adam", "sgd"),
    )  # fmt: skip
    lr: float = option(1e-3, "Learning rate.", low=0, above=True)
    steps: int = option(3, "Updates; the verdict is on the first.", metavar="N", low=1, high=1000)
    seeds: int = option(3, "Models of each width.", metavar="N", low=1, high=1000)
    dtype: str = option("float64", "What is computed in; own: what the models have.", choices=("float64", "own"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimizer not in ("adam", "sgd") and ":" not in self.optimizer:
            hint = "choose from adam, sgd, or name a function of a model that returns one: FILE.py:NAME"
            raise OptionError("optimizer", self.optimizer, "there is no such optimizer", hint)
