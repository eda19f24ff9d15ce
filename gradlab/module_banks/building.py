"""One module of the user: built under the random stream of a seed, its parameters and its other tensors by name."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from gradlab.components import Origin
from gradlab.errors import HANDING_ON, GradlabError, PluginError
from gradlab.families import FAMILIES
from gradlab.families.network import Architecture
from gradlab.module_banks.stacked import random_state
from gradlab.modules.copies.global_state import random_streams
from gradlab.plugins.loading import failure
from gradlab.plugins.modules import ModuleFactory
from gradlab.streams import generator

__all__ = ["arranged", "build", "example", "refuse", "seeded", "streams", "theirs"]


_PACKAGE = Path(__file__).parents[1]


@contextmanager
def seeded(seed: int, *purpose: str) -> Iterator[None]:
    """As a context: torch's, numpy's and Python's global streams begin as a seed and a purpose say, and are afterwards
    as they were before."""
    with random_streams(generator(seed, "module", *purpose).initial_seed()):
        yield


def streams(seeds: Sequence[int], purpose: str, device: torch.device) -> Tensor:
    """Return the states at which the random streams of replicas begin, `[R, B]` bytes."""
    states = []
    for seed in seeds:
        with seeded(seed, purpose):
            states.append(random_state(device))
    return torch.stack(states)


@contextmanager
def theirs(arch: Architecture, declared: ModuleFactory, doing: str = "") -> Iterator[None]:
    """As a context: an exception of the user's code, as `PluginError` with its line. `doing` says when it was raised:
    ``in float64``."""
    try:
        yield
    except GradlabError:
        raise
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name not in HANDING_ON]
        if Path(frames[-1].filename).is_relative_to(_PACKAGE):
            raise  # of gradlab itself, which sees every operation of torch pass
        origin = FAMILIES[arch.model.name].origin or Origin("", "")
        subject = f"model {arch.model.name}{doing and ' '}{doing}: "
        raise failure(origin, error, subject, _place(declared)) from error


def build(arch: Architecture, declared: ModuleFactory, seed: int) -> nn.Module:
    """Return the module of one replica, its weights drawn in the stream of its seed.

    Raises PluginError for what the factory raises, and for anything but a module that can be trained.
    """
    sizes = {name: value for name, value in _sizes(arch, declared).items() if name in declared.takes}
    with seeded(seed, "init"), theirs(arch, declared):
        module = declared.factory(**sizes, **arch.options)
        if not isinstance(module, nn.Module):
            refuse(declared, f"the factory returned a {type(module).__name__}", "return a torch.nn.Module")
        module.train()
        if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in module.parameters()):
            with torch.no_grad():
                module(arranged(arch, declared, example(arch, seed, torch.get_default_dtype())))
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not trained:
        refuse(declared, "its module has no parameter that requires a gradient", "there is nothing to train")
    if wrong := [tensor.dtype for tensor in trained if not tensor.is_floating_point()]:
        refuse(declared, f"a parameter is of {str(wrong[0]).removeprefix('torch.')}", "parameters must be real numbers")
    return module


def _sizes(arch: Architecture, declared: ModuleFactory) -> dict[str, Any]:
    """Return what a factory can ask for. Of tokens the vocabulary is a number, of several indices a sample a tuple."""
    tokens = arch.seq_len is not None and len(arch.vocabulary) == 1
    return {
        "in_features": arch.in_features, "out_features": arch.out_features, "depth": arch.depth, "width": arch.width,
        "shape": arch.shape, "seq_len": arch.seq_len,
        "vocabulary": arch.vocabulary[0] if tokens else arch.vocabulary,
    }  # fmt: skip


def arranged(arch: Architecture, declared: ModuleFactory, x: Tensor) -> Tensor:
    """Return samples `[N, I]`, `[N, T, I]` in the form that a module takes: images `[N, C, H, W]`, tokens `[N, T]`."""
    if arch.shape and "images" in declared.inputs:
        return x.reshape(*x.shape[:-1], *arch.shape)
    return x.squeeze(-1) if arch.seq_len is not None and len(arch.vocabulary) == 1 else x


def example(arch: Architecture, seed: int, dtype: torch.dtype, samples: int = 4) -> Tensor:
    """Return samples of the right shape: standard normal numbers, or random indices."""
    rng = generator(seed, "module", "example")
    steps = () if arch.seq_len is None else (arch.seq_len,)
    if not arch.vocabulary:
        return torch.randn(samples, *steps, arch.in_features, generator=rng, dtype=torch.float64).to(dtype)
    columns = [torch.randint(0, size, (samples, *steps), generator=rng) for size in arch.vocabulary]
    return torch.stack(columns, -1)


def refuse(declared: ModuleFactory, message: str, hint: str) -> NoReturn:
    """Raise PluginError with the place of the factory before the message."""
    place = _place(declared)
    raise PluginError(f"{place}{place and ': '}model {declared.name}: {message}", hint)


def _place(declared: ModuleFactory) -> str:
    """Return file and line of a factory; empty where Python does not know them."""
    for function in (declared.factory, getattr(declared.factory, "__init__", None)):
        if code := getattr(function, "__code__", None):
            return f"{code.co_filename}:{code.co_firstlineno}"
    return ""
