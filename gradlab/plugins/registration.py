"""Registration of the user's own components: functions that are decorators as well.

    @gl.activation("bent")
    def bent(x, slope: float = 0.1):
        return torch.where(x > 0, x, slope * x)

The parameters of a component are the arguments that a spec may give: those with a default that is a number, a text,
true or false. `params` says more of them, or bounds: ``params={"slope": gl.Param(0.1, low=0, high=1)}``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradlab.components import Activation, Component, InputKind, Lengths, Optimizer, Param, Task
from gradlab.errors import PluginError
from gradlab.families import FAMILIES, Cost, Family
from gradlab.plugins.loading import register
from gradlab.plugins.modules import GIVEN, Length, factory_of
from gradlab.plugins.parameters import params_of

__all__ = ["activation", "family", "init", "module", "norm", "optimizer", "task"]

_Code = Callable[..., Any]
_Params = Mapping[str, Param]


def activation(
    name: str,
    function: _Code | None = None,
    *,
    params: _Params | None = None,
    summary: str = "",
    twin: _Code | None = None,
) -> Any:
    """Register an activation, ``function(x, **params)``: a tensor of any shape to one of the same, element by element.

    Args:
        name: what specs call it.
        function: None to decorate one.
        params: parameters beside, or instead of, those that the arguments of `function` tell.
        summary: one line for `gradlab list`; empty: the first line of its docstring.
        twin: ``twin(**params)`` returns a `gl.NumpyActivation`, the function and its slope in numpy, from which
            mean-field theory is computed. Without one there is no prediction.

    Raises:
        PluginError: the name is taken, or the parameters cannot be told.
    """
    return _register("activation", name, function, 1, params, Activation(None, summary, twin=twin))


def init(name: str, function: _Code | None = None, *, params: _Params | None = None, summary: str = "") -> Any:
    """Register an init, ``function(z, **params)``: standard normal draws `[O, I]` to a weight matrix of that shape.

    Cells that share a seed share `z`. Arguments as in `activation`. Theory knows no variance of it, so a cell with it
    has no prediction.

    Raises:
        PluginError: see `activation`.
    """
    return _register("init", name, function, 1, params, Component(None, summary))


def norm(name: str, kind: _Code | None = None, *, params: _Params | None = None, summary: str = "") -> Any:
    """Register a normalisation, a class with the methods of `gradlab.nn.norms.Norm`, made by ``kind(**params)``.

    Arguments as in `activation`. A cell with it has no prediction.

    Raises:
        PluginError: see `activation`.
    """
    return _register("norm", name, kind, 0, params, Component(None, summary))


def task(
    name: str,
    function: _Code | None = None,
    *,
    params: _Params | None = None,
    summary: str = "",
    inputs: InputKind = "features",
    lengths: Lengths | None = None,
) -> Any:
    """Register a task, ``function(seeds, **params)``, which returns the `gradlab.tasks.Data` of these seeds.

    A parameter called `path` is a data file, relative to the spec, whose digest enters the cell ids.

    Args:
        name: as in `activation`.
        function: as in `activation`.
        params: as in `activation`.
        summary: as in `activation`.
        inputs: what it feeds; "sequences" and "tokens" are called ``function(seeds, seq_len, **params)``.
        lengths: of such a task, which `seq_len` it can have.

    Raises:
        PluginError: see `activation`; or only one of `inputs` and `lengths` speaks of sequences.
    """
    component = Task(None, summary, inputs=inputs, lengths=lengths)
    if component.of_sequences != (lengths is not None):
        hint = "a task of sequences has lengths, others have none"
        raise PluginError(f"the task {name!r} has inputs {inputs!r}", hint)
    return _register("task", name, function, 2 if component.of_sequences else 1, params, component)


def optimizer(
    name: str,
    kind: _Code | None = None,
    *,
    lr: float,
    params: _Params | None = None,
    summary: str = "",
    elementwise: bool = False,
) -> Any:
    """Register an update rule, a `torch.optim.Optimizer` made by ``kind(parameters, lr=…, **params)``.

    It gets ``weight_decay=…`` too if it takes one; a spec that gives one to a rule that does not is refused.

    Args:
        name: as in `activation`.
        kind: as in `activation`.
        params: as in `activation`.
        summary: as in `activation`.
        lr: the learning rate where a spec gives none.
        elementwise: each element's update depends on that element alone. Several replicas of a bank then share
            tensors, which is faster; of other rules each replica has tensors of its own, with a leading axis of 1.

    Raises:
        PluginError: see `activation`.
    """
    rule = Optimizer(None, summary, elementwise=elementwise)
    return _register("optimizer", name, kind, 1, {"lr": Param(lr, low=0), **(params or {})}, rule)


def family(
    name: str,
    network: _Code | None = None,
    *,
    params: _Params | None = None,
    summary: str = "",
    like: str = "mlp",
    inputs: Sequence[InputKind] = (),
    uses: Sequence[str] = (),
    mixes_activations: bool = False,
    parameters: Callable[[Any], int] | None = None,
) -> Any:
    """Register an architecture, a class of `gradlab.families.network.Network` that is made by ``network(arch)``.

    `depth`, `width`, `activation`, `init` and `bias_std` are its own to use; it is trained and probed along its links
    like any other. It has no prediction.

    Args:
        name: as in `activation`.
        network: as in `activation`.
        summary: as in `activation`.
        params: its options, which it finds in ``arch.options``.
        like: the family whose profile has the same axis: ``mlp``, one block after another, ``transformer``, blocks on
            sequences, or ``rnn``, time steps.
        inputs: the kinds of inputs it takes; empty: numbers.
        uses: of "norm" and "residual" those that it has; with any other than none it is refused else.
        mixes_activations: it applies ``arch.activations``, one a replica, so that a bank may hold several.
        parameters: about how many it has, of a cell, for estimates; None: as many as `like`.

    Raises:
        PluginError: see `activation`; or there is no such family to be like, or no such setting to use.
    """
    if like not in FAMILIES:
        raise PluginError(f"{name} is like {like!r}, which is no family", f"there are {', '.join(FAMILIES)}")
    if unknown := set(uses) - set(_OPTIONAL):
        raise PluginError(f"{name} uses {sorted(unknown)[0]!r}", f"what a family may use is {' and '.join(_OPTIONAL)}")
    known = FAMILIES[like]
    unused = {key: setting for key, setting in _OPTIONAL.items() if key not in uses}
    family = Family(
        None,
        summary,
        axis=known.axis,
        length=known.length,
        inputs=tuple(inputs) or tuple(kind for kind in known.inputs if kind in ("features", "sequences")),
        cost=known.cost if parameters is None else _cost_of(known.cost, parameters),
        defaults={name: value for name, value in known.defaults.items() if name not in (*unused, *unused.values())},
        allows=dict.fromkeys((*unused, "branch_init"), ("none",)),
        ignores=(*known.ignores, *unused.values()),
        mixes_activations=mixes_activations,
        sweep=known.sweep,
        init_of_activation=known.init_of_activation,
    )
    return _register("model", name, network, 1, params, family)


def module(
    name: str,
    factory: _Code | None = None,
    *,
    params: _Params | None = None,
    summary: str = "",
    inputs: Sequence[InputKind] = (),
    blocks: str = "auto",
    length: Length = None,
    parameters: Callable[[Any], int] | None = None,
) -> Any:
    """Register an architecture as a factory of modules, ``factory(in_features, out_features, depth, width, **options)``
    → `torch.nn.Module`, or a class of them.

    It is given those of `in_features`, `out_features`, `depth`, `width`, `shape` (of images), `seq_len` and
    `vocabulary` that it has arguments for; its other arguments are options of the model. The module maps `[N, I]`,
    images `[N, C, H, W]`, sequences `[N, T, I]` or tokens `[N, T]` to `[N, O]`, or `[N, T, O]` where the task has a
    target for each step. Weights begin as the module draws them, in a stream of the seed; init, activation and norm
    are its own. It has no prediction.

    Args:
        name: as in `activation`.
        factory: as in `activation`.
        params: as in `activation`.
        summary: as in `activation`.
        inputs: the kinds of inputs it takes; empty: told by its arguments: images with `shape`, tokens with
            `vocabulary`, sequences with `seq_len`, else features.
        blocks: which cuts of its graph are the blocks of the profile, as in `gl.probe`: ``auto``, ``joins``, the name
            of a class, a pattern of names.
        length: how many blocks there are, or a function to that of those of depth, width, seq_len and the options that
            it has arguments for; None: `depth`. It is checked before a run.
        parameters: about how many it has, of a cell, for estimates; None: as many as an MLP of its depth and width.

    Raises:
        PluginError: see `activation`; or nothing tells the number of its blocks.
    """

    def registered(factory: _Code) -> _Code:
        if not callable(factory):
            raise PluginError(f"{name} must be a function or a class, found {type(factory).__name__}")
        model_factory = factory_of(name, factory, tuple(inputs), blocks, length)
        declared = {
            key: param for key, param in params_of(name, factory, 0, params or {}, GIVEN).items() if key not in GIVEN
        }
        known = FAMILIES["mlp"]
        idle = ("activation", "init", "bias_std", *_OPTIONAL.values())
        unused = [key for key in ("depth", "width", "seq_len") if key not in model_factory.takes]
        if "seq_len" in unused and {"tokens", "sequences"}.intersection(model_factory.inputs):
            unused.remove("seq_len")
        family = Family(
            model_factory,
            summary,
            axis=known.axis,
            length=model_factory.profile_length,
            inputs=model_factory.inputs,
            cost=known.cost if parameters is None else _cost_of(known.cost, parameters),
            allows=dict.fromkeys((*_OPTIONAL, "branch_init"), ("none",)),
            ignores=(*idle, *unused),
            defaults={"depth": length} if "depth" in unused and isinstance(length, int) else {},
            sweep=known.sweep,
            declared_length=None if length is None else model_factory.profile_length,
            check="gradlab.module_banks.trial:check",
        )
        documented = (inspect.getdoc(factory) or "").partition("\n")[0].rstrip(".")
        described = summary or documented or "a module of the user"
        register("model", name, replace(family, summary=described, params=declared))
        return factory

    if not isinstance(name, str):
        raise PluginError("gl.module needs a name first", 'write gl.module("mine", …), or @gl.module("mine")')
    return registered if factory is None else registered(factory)


def _cost_of(known: Cost, parameters: Callable[[Any], int]) -> Cost:
    """Return a cost with other parameters, each used as often as those of `known` are."""

    def products(cell: Any) -> int:
        return parameters(cell) * known.products(cell) // known.parameters(cell)

    return replace(known, parameters=parameters, products=products)


_OPTIONAL = {"norm": "norm_position", "residual": "residual_scale"}
"""What not every network has, and the setting that means nothing without it."""


def _register(
    key: str, name: str, target: _Code | None, positional: int, params: _Params | None, component: Component
) -> Any:
    """Register `target` as `component`, or return a decorator; its first `positional` arguments are no parameters."""
    if not isinstance(name, str):
        raise PluginError(f"gl.{key} needs a name first", f'write gl.{key}("mine", …), or @gl.{key}("mine")')

    def registered(target: Any) -> Any:
        if not callable(target):
            raise PluginError(f"{name} must be a function or a class, found {type(target).__name__}")
        declared = dict(params or {}) if key == "model" else params_of(name, target, positional, params or {})
        fields: dict[str, Any] = {}
        if isinstance(component, Optimizer):  # a setting of its own
            fields["weight_decay"] = declared.pop("weight_decay", None) is not None
            declared = {"lr": declared["lr"], **declared}
        documented = (inspect.getdoc(target) or "").partition("\n")[0].rstrip(".")
        summary = component.summary or documented or "a component of the user"
        register(key, name, replace(component, target=target, summary=summary, params=declared, **fields))
        return target

    return registered if target is None else registered(target)
