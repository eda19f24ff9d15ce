"""Measuring a model of the user: `probe`, for Python and the command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gradlab.api.model_options import ProbeOptions
from gradlab.errors import UsageError
from gradlab.modules.causes.rules import Cause, causes
from gradlab.modules.profile import ModuleProfile
from gradlab.modules.summary import Summary, summarise

if TYPE_CHECKING:
    from torch import nn

    from gradlab.modules.chains.choice import Blocks
    from gradlab.modules.cures.first_steps import Trained
    from gradlab.modules.cures.trials import Cure
    from gradlab.modules.measuring.inputs import Loss
    from gradlab.report.model.module_report import ModuleReport

__all__ = ["ProbeResult", "build", "cures", "document", "probe", "verify"]


@dataclass(frozen=True)
class ProbeResult:
    """What the measurement of a model gave."""

    name: str
    """Class of the model."""
    profiles: tuple[ModuleProfile, ...]
    """One for each seed."""
    options: ProbeOptions
    summary: Summary
    causes: tuple[Cause, ...] = ()
    """Why the verdict is what it is, that which changes the gradient most first; empty for a healthy model."""

    @cached_property
    def report(self) -> ModuleReport:
        """What reports show of it."""
        from gradlab.report.model.module_report import module_report_of

        vanish, explode = self.options.vanish, self.options.explode
        return module_report_of(self.name, self.profiles, self.summary, vanish, explode, self.causes)


def probe(
    model: nn.Module | None,
    batch: Any,
    loss: Loss = None,
    options: ProbeOptions | None = None,
    *,
    blocks: Blocks = "auto",
    make: Callable[[int], nn.Module] | None = None,
) -> ProbeResult:
    """Measure a model, or one model for each seed that `make` builds.

    Args:
        model, batch, loss, blocks: see `gradlab.modules.measuring.probe.measure`. Without a model `make` builds it.
        make: builds the model of a seed; needed for more than one.

    Raises:
        UsageError: for arguments that do not fit together or do not fit the model.
        Exception: whatever the model, the loss or `make` raises.
    """
    import torch

    from gradlab.modules.copies.isolation import unwrapped
    from gradlab.modules.measuring.probe import measure

    options = options or ProbeOptions()
    if model is None and make is None:
        raise UsageError("there is no model", "give one, or make=…, a function of a seed that builds one")
    if options.seeds > 1 and make is None:
        raise UsageError(
            f"seeds={options.seeds} needs models to measure", "give make=…, a function of a seed that builds the model"
        )
    dtype = torch.float64 if options.dtype == "float64" else None
    profiles = []
    name = ""
    for seed in range(options.seeds):
        built = build(model, make, seed, options)
        if not isinstance(built, torch.nn.Module):
            raise UsageError(
                f"{type(built).__name__} is no torch.nn.Module", "give a module, or a function that makes one"
            )
        name = type(unwrapped(built)).__name__
        profile = measure(
            built, batch, loss, blocks=blocks, source=options.source, seed=seed, dtype=dtype, train=options.train,
            samples=options.samples,
        )  # fmt: skip
        profiles.append(profile)
    if len({tuple((block.name, block.call) for block in profile.blocks) for profile in profiles}) > 1:
        raise UsageError("the models of different seeds have different blocks", "build the same architecture each time")
    summary = summarise(profiles, vanish=options.vanish, explode=options.explode)
    return ProbeResult(name, tuple(profiles), options, summary, causes(profiles, summary.verdict))


def build(
    model: nn.Module | None, make: Callable[[int], nn.Module] | None, seed: int, options: ProbeOptions
) -> nn.Module:
    """Return the model to measure for a seed; the random streams of torch go on as if none had been built."""
    import torch

    if make is None or (model is not None and options.seeds == 1):
        assert model is not None
        return model
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make(seed)


def cures(
    model: nn.Module, batch: Any, loss: Loss = None, options: ProbeOptions | None = None, *, blocks: Blocks = "auto"
) -> tuple[Cure, ...]:
    """Measure changes that may help a model, each on a copy, and return what it does to the survival, the best first.

    Changes are initialisations, activations, norms, residual scales and skips. Where the loss is one that can be
    trained, the best of them and a learning rate that warms up are tried in 20 steps of Adam too. The arguments are
    those of `probe`.

    Raises:
        UsageError: for arguments that do not fit the model, and a model that cannot be copied.
        Exception: whatever the model or the loss raises.
    """
    import torch

    from gradlab.modules.copies.deep import deep_copy
    from gradlab.modules.copies.isolation import unwrapped
    from gradlab.modules.cures.first_steps import trainer
    from gradlab.modules.cures.trials import cures
    from gradlab.modules.measuring.inputs import COTANGENTS, Run, objective
    from gradlab.modules.measuring.probe import measure

    options = options or ProbeOptions()
    dtype = torch.float64 if options.dtype == "float64" else None
    try:
        deep_copy(unwrapped(model), None)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        raise UsageError(
            f"the model cannot be copied, so nothing can be tried on it: {type(error).__name__}: {reason}",
            "build it without what cannot be copied",
        ) from error

    def measured(changed: nn.Module) -> ModuleProfile:
        return measure(
            changed, batch, loss, blocks=blocks, source=options.source, dtype=dtype, train=options.train,
            samples=options.samples,
        )  # fmt: skip

    def loss_of(trained: nn.Module) -> torch.Tensor:
        return objective(Run.of(trained, batch, None), batch, loss, 0)[0]

    vanish, explode = options.vanish, options.explode
    profile = measured(model)
    has_loss = loss not in COTANGENTS and not profile.objective.startswith("no loss")
    return cures(
        model, profile, measured, lambda changed: Run.of(changed, batch, None).output,
        train=trainer(measured, loss_of, vanish=vanish, explode=explode) if has_loss else None,
        vanish=vanish, explode=explode,
    )  # fmt: skip


def verify(
    result: ProbeResult, model: nn.Module | None, batch: Any, loss: Loss = None, *, blocks: Blocks = "auto",
    make: Callable[[int], nn.Module] | None = None,
) -> float:  # fmt: skip
    """Return the largest difference of ln g between the first profile of a result and plain autograd, see
    `gradlab.modules.measuring.verify.largest_difference`. The arguments are those of `probe`.

    Raises:
        UsageError: for a model with other blocks than when it was measured.
        Exception: whatever the model, the loss or `make` raises.
    """
    from gradlab.modules.measuring.verify import largest_difference

    options = result.options
    built = build(model, make, 0, options)
    return largest_difference(
        result.profiles[0], built, batch, loss, blocks=blocks, source=options.source, train=options.train,
        samples=options.samples,
    )  # fmt: skip


def document(result: ProbeResult, cures: Sequence[Cure] = ()) -> dict[str, Any]:
    """Return a measurement, and what was tried, as values that strict JSON can carry."""
    from gradlab.modules.summary import masking_weights
    from gradlab.report.json_values import json_value
    from gradlab.report.model.module_conclusions import conclusions

    profile, options = result.profiles[0], result.options
    values: dict[str, Any] = json_value({
        "format": 1, "model": result.name, **_numbers(result.summary), "conclusions": conclusions(result.report),
        "causes": [
            {"block": cause.block, "what": cause.what, "evidence": cause.evidence, "source": cause.source}
            for cause in result.causes
        ],
        "seeds": len(result.profiles), "training": profile.training, "dtype": profile.dtype,
        "objective": profile.objective, "loss": profile.loss, "source": profile.source, "rule": profile.rule,
        "parameters": profile.parameters, "thresholds": {"vanish": options.vanish, "explode": options.explode},
        "cut_off": [{"how": reason, "module": module} for reason, module in profile.cut_off],
        "masking_weights": masking_weights(profile), "uncalled": profile.uncalled,
        "notes": result.report.notes,
        "blocks": list(result.report.blocks), "log10_grad_norms": result.report.seed_norms,
        "cures": [
            {"what": cure.what, "source": cure.source, "code": cure.code, "helps": cure.helps,
             "before": _numbers(cure.before), "after": _numbers(cure.after),
             "trained_before": _trained(cure.trained_before), "trained": _trained(cure.trained)}
            for cure in cures
        ],
    })  # fmt: skip
    return values


def _trained(trained: Trained | None) -> dict[str, Any] | None:
    """Return the numbers after the first steps of training."""
    if trained is None:
        return None
    return {"first_loss": trained.first_loss, "loss": trained.loss, **_numbers(trained.summary)}


def _numbers(summary: Summary) -> dict[str, Any]:
    """Return the numbers of a whole model, logarithms to the base of ten."""
    ten = math.log(10)
    return {
        "verdict": summary.verdict, "verdicts": summary.verdicts,
        "log10_survival": summary.log_survival / ten,
        "log10_survival_interval": [end / ten for end in summary.log_survival_interval],
        "log10_decay": summary.log_decay / ten,
        "log10_decay_interval": [end / ten for end in summary.log_decay_interval],
        "reach": summary.reach, "reach_interval": summary.reach_interval,
    }  # fmt: skip
