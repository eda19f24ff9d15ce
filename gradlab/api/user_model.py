"""The model of the user, its batch and its loss, as a command line names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from gradlab.api.model_options import LOSSES, BatchOptions, ModelOptions, ProbeOptions, WidthOptions
from gradlab.api.probe import ProbeResult, build, cures, probe
from gradlab.api.user_code import arguments, call, in_torch, load, running
from gradlab.api.width import width
from gradlab.errors import UsageError, UserCodeError, shorten
from gradlab.query import ranges

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gradlab.modules.cures.trials import Cure
    from gradlab.modules.measuring.inputs import Loss
    from gradlab.modules.width_record import WidthCheck

__all__ = ["Subject", "batch_of", "checked_widths", "loss_of", "maker", "measured", "subject", "tried"]


@dataclass(frozen=True)
class Subject:
    """What is measured."""

    reference: str
    make: Callable[[int], Any]
    """Builds the model of a seed."""
    single: bool
    """Whether there is one model only, and no function that builds more."""
    batch: Any
    loss: Loss
    blocks: str | list[str]
    drawn: str
    """The flag of a batch that is random; empty for one of the user."""


def subject(reference: str, options: ModelOptions) -> Subject:
    """Return what `reference` and the options name.

    Raises:
        UsageError: for what is not there or does not fit.
        UserCodeError: for an exception of the user's code.
    """
    make, single = maker(reference, arguments(options.arg))
    batch = batch_of(options)
    blocks = options.blocks[0] if len(options.blocks) == 1 else list(options.blocks)
    return Subject(reference, make, single, batch, loss_of(options), blocks, _drawn(options))


def maker(reference: str, keywords: Mapping[str, Any]) -> tuple[Callable[[int], Any], bool]:
    """Return a function of a seed that builds the model, and whether the reference is a model that is built already.

    A function that takes `seed` is given it; torch's generator is seeded in any case.
    """
    from torch import nn

    factory = load(reference)
    if isinstance(factory, nn.Module):
        if keywords:
            raise UsageError(f"{reference} is a model and takes no --arg", "name the function or class that makes it")
        return lambda seed: factory, True
    if not callable(factory):
        raise UsageError(
            f"{reference} is of type {type(factory).__name__}",
            "name a function that returns a torch.nn.Module, or a class",
        )

    def make(seed: int) -> nn.Module:
        model = call(factory, reference, keywords, seed=seed)
        if not isinstance(model, nn.Module):
            returned = "nothing" if model is None else f"an object of type {type(model).__name__}"
            hint = "return the model" if model is None else "it must return a torch.nn.Module"
            raise UsageError(f"{reference} returned {returned}", hint)
        return model

    return make, False


def batch_of(options: BatchOptions) -> Any:
    """Return the batch: that of the user's function, or standard normal or random tokens of seed 0."""
    import torch

    if options.batch is not None:
        value = load(options.batch)
        if not callable(value):
            return value
        if _needs_model(value):
            return value
        batch = call(value, options.batch, {})
        if batch is None:
            raise UsageError(
                f"{options.batch} returned nothing", "return the batch: a tensor, (inputs, targets), a dict"
            )
        return batch
    generator = torch.Generator().manual_seed(0)
    try:
        if options.input is not None:
            return torch.randn(_sizes(options.input), generator=generator)
        if options.tokens is not None:
            shape, _, vocabulary = options.tokens.partition(":")
            return torch.randint(int(vocabulary), _sizes(shape), generator=generator)
    except RuntimeError as error:
        raise UsageError(f"{_drawn(options)} is too large: {str(error).partition(chr(10))[0]}") from None
    raise UsageError(
        "there is no batch",
        "give --input 4x3x64x64, --tokens 2x64:1000, or --batch FILE.py:NAME, a function that returns one",
    )


def loss_of(options: BatchOptions) -> Loss:
    """Return the loss: a name, a function of the user, or for a random input one with random targets; None: none."""
    if options.loss is None or options.loss in LOSSES[2:]:
        return options.loss
    if options.loss in LOSSES:
        return options.loss if options.batch is not None else partial(_random_targets, name=options.loss)
    loss = load(options.loss)
    if not callable(loss):
        raise UsageError(f"{options.loss} is of type {type(loss).__name__}", "name a function of (output, batch)")
    import inspect

    try:
        inspect.signature(loss).bind(None, None)
    except TypeError:
        takes = inspect.signature(loss)
        raise UsageError(
            f"{options.loss} takes {takes}", "a loss is a function of two arguments: (output, batch)"
        ) from None
    except ValueError:  # a builtin without a signature
        pass
    function: Callable[[Any, Any], Tensor] = loss
    return function


def _needs_model(function: Callable[..., Any]) -> bool:
    """Return whether a function cannot be called without an argument: it is one of the model, which it calls."""
    import inspect

    try:
        inspect.signature(function).bind()
    except TypeError:
        return True
    except ValueError:
        return False
    return False


def _drawn(options: BatchOptions) -> str:
    """Return the flag of a random batch; empty without one."""
    return next((f"--{name} {text}" for name in ("input", "tokens") if (text := getattr(options, name))), "")


def _sizes(shape: str) -> tuple[int, ...]:
    return tuple(map(int, shape.split("x")))


def _random_targets(output: Any, batch: Any, *, name: str) -> Tensor:
    """Return the loss of an output for random targets: classes of its second axis (of tokens: the last), or normal."""
    import torch
    from torch import nn

    from gradlab.modules.graph.values import tensors

    prediction = next((tensor for _, tensor in tensors(output) if tensor.is_floating_point()), None)
    if prediction is None:
        raise UsageError("the model's output holds no floating tensor", "name a loss of your own: --loss FILE.py:NAME")
    generator = torch.Generator().manual_seed(0)
    if name == "mse":
        target = torch.randn(prediction.shape, generator=generator).to(prediction)
        return nn.functional.mse_loss(prediction, target)
    if prediction.ndim < 2:
        raise UsageError(
            f"cross_entropy needs an output [batch, classes], not {list(prediction.shape)}",
            "take --loss mse, or your own",
        )
    if prediction.ndim == 3:  # [batch, tokens, classes]
        prediction = prediction.mT
    shape = (prediction.shape[0], *prediction.shape[2:])
    classes = torch.randint(prediction.shape[1], shape, generator=generator).to(prediction.device)
    return nn.functional.cross_entropy(prediction, classes)


def measured(chosen: Subject, options: ProbeOptions) -> ProbeResult:
    """Return the measurement of what a command line names.

    Raises:
        UsageError: for what does not fit together.
        UserCodeError: for an exception of the user's code.
    """
    if chosen.single and options.seeds > 1:
        raise UsageError(f"--seeds {options.seeds}: {chosen.reference} is one model", "name a function that builds it")
    with _asked(chosen.drawn):
        return probe(None, chosen.batch, chosen.loss, options, blocks=chosen.blocks, make=chosen.make)


def tried(chosen: Subject, options: ProbeOptions) -> tuple[tuple[Cure, ...], list[str]]:
    """Return what each change does to the model of the first seed, and a line on each that could not be tried.

    Raises as `measured` does.
    """
    import warnings

    from gradlab.modules.cures.trials import ChangeNotTried

    with _asked(chosen.drawn), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ChangeNotTried)
        changes = cures(build(None, chosen.make, 0, options), chosen.batch, chosen.loss, options, blocks=chosen.blocks)
    ours = [str(warning.message) for warning in caught if issubclass(warning.category, ChangeNotTried)]
    for warning in caught:  # of the user's code
        if not issubclass(warning.category, ChangeNotTried):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return changes, ours


def checked_widths(reference: str, widths: str, options: BatchOptions, training: WidthOptions) -> WidthCheck:
    """Return the coordinate check of the models that a function of a width builds.

    Raises:
        UsageError: for what is not there or does not fit.
        UserCodeError: for an exception of the user's code.
    """
    factory = load(reference)
    keywords = arguments(options.arg)
    if not callable(factory) or hasattr(factory, "named_modules"):
        raise UsageError(f"{reference} is of type {type(factory).__name__}", "name a function that makes a model")
    if not _takes_width(factory):
        raise UsageError(f"{reference} takes no width", "name the argument that its layers are wide by: width")

    def make(width: int, seed: int) -> nn.Module:
        model: nn.Module = call(factory, reference, {"width": width, **keywords}, seed=seed)
        return model

    optimizer = load(training.optimizer) if ":" in training.optimizer else None
    if optimizer is not None and not callable(optimizer):
        raise UsageError(f"{training.optimizer} is of type {type(optimizer).__name__}", "name a function of a model")
    batch = batch_of(options)
    with _asked(_drawn(options)):
        return width(make, _widths(widths), batch, loss_of(options), training, optimizer=optimizer)


def _takes_width(function: Callable[..., Any]) -> bool:
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(parameter.name == "width" or parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _widths(text: str) -> list[int]:
    """Return the numbers of a list with ranges, ``64..1024*2`` or ``64,128,256``."""
    numbers: list[float] = []
    for part in text.split(","):
        try:
            numbers += ranges.parse(part).values() if ranges.is_range(part) else [float(part)]
        except ranges.RangeError as error:
            raise UsageError(f"--widths {shorten(text)}: {error}", error.hint) from None
        except ValueError:
            raise UsageError(
                f"--widths {shorten(text)}: {part!r} is no number", "write 64,128,256 or 64..1024*2"
            ) from None
    if any(not 1 <= number <= 1e9 or number != int(number) for number in numbers):
        raise UsageError(f"--widths {shorten(text)}: a width is a whole number", "write 64,128,256 or 64..1024*2")
    return [int(number) for number in numbers]


@contextmanager
def _asked(drawn: str) -> Iterator[None]:
    """As a context: what torch says of a random input is about the command line, and not about the user's code.

    What the function that builds the model raises, a `UserCodeError` already, is no matter of the input.
    """
    of_building: UserCodeError | None = None
    try:
        with running():
            try:
                yield
            except UserCodeError as error:
                of_building = error
                raise
    except UserCodeError as error:
        of_input = isinstance(error.__cause__, RuntimeError | IndexError | TypeError) and in_torch(error.__cause__)
        if of_input and drawn and error is not of_building:
            message = f"the model does not take {drawn}: {error.message.partition(chr(10))[0]}"
            raise UsageError(
                message, "give the input as the model takes it", lines=error.message.split("\n")[1:]
            ) from error
        raise
