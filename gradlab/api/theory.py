"""Predictions of mean-field theory for settings, and the order-to-chaos line, without training anything."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradlab import spec
from gradlab.api.defaults import CLASSICAL, Settings, cells_of, models_of, with_usual_inits
from gradlab.api.options import TheoryOptions
from gradlab.cell import SETTINGS, Cell, settings_of
from gradlab.errors import UsageError
from gradlab.families import FAMILIES
from gradlab.mean_field import (
    CriticalPoint,
    FixedPoint,
    Prediction,
    critical_bias,
    critical_weight,
    fixed_point_of,
    predict,
)
from gradlab.mean_field.inits import bias_variance, weight_variance
from gradlab.mean_field.inputs import Inputs, inputs_of
from gradlab.spelling import FLAGS, Spelling

if TYPE_CHECKING:
    from gradlab.record import Floats

__all__ = ["Theory", "critical_line", "theory"]

LN10 = math.log(10.0)


@dataclass(frozen=True)
class Theory:
    """What mean-field theory predicts for one configuration, before training; None where it says nothing."""

    cell: Cell
    prediction: Prediction
    fixed_point: FixedPoint | None = None
    """Where the variance of a plain network ends; None for others."""

    @property
    def reason(self) -> str:
        """Why there is no prediction; empty where there is one."""
        return self.prediction.reason

    @property
    def log10_survival(self) -> float | None:
        """log10 of g_1/g_L, the geometric mean over seeds."""
        return _log10(self.prediction.log_survival)

    @property
    def log10_survival_sd(self) -> float | None:
        """How far a single seed of this width scatters around it, one standard deviation."""
        return _log10(self.prediction.log_survival_sd)

    @property
    def survival(self) -> float | None:
        """g_1/g_L; 0.0 for what is too small for a double."""
        return None if self.log10_survival is None else float(10.0**self.log10_survival)

    @property
    def decay(self) -> float | None:
        """Factor per block, of a recurrent network per time step."""
        return self.prediction.decay

    @property
    def reach(self) -> float | None:
        """Blocks until a thousandth is left, or until it has grown a thousandfold."""
        return self.prediction.reach

    @property
    def log10_grad_norm(self) -> Floats | None:
        """log10 of g_l/g_L for each block, [L]."""
        return None if self.prediction.log_grad_norm is None else self.prediction.log_grad_norm / LN10

    def row(self) -> dict[str, Any]:
        """Return plain values: the settings, the prediction, and where an endless network would end."""
        prediction, end = self.prediction, self.fixed_point
        profile = self.log10_grad_norm
        return {
            **{key: value for key, value in settings_of(self.cell).items() if key != "seed"},
            "log10_survival": self.log10_survival, "log10_survival_sd": self.log10_survival_sd,
            "decay": self.decay, "reach": self.reach,
            "log10_grad_norm": None if profile is None else profile.tolist(),
            **{name: getattr(end, name, None) for name in ("q", "chi", "status", "phase", "xi_grad", "c", "xi_c")},
            "bound": prediction.bound, "log10_cell_survival": _log10(prediction.log_cell_survival),
            "remark": prediction.note, "note": prediction.reason,
        }  # fmt: skip

    def __repr__(self) -> str:
        cell = self.cell
        name = f"{cell.activation} {cell.init}, depth {cell.depth}, width {cell.width}"
        axis = FAMILIES[cell.model.name].axis
        if axis.along != "depth":
            name = f"{cell.model} {name}, {axis.along} {cell.blocks}"
        if self.log10_survival is None:
            return f"<Theory {name}: no prediction: {self.reason}>"
        decay = "" if self.decay is None else f", decay {self.decay:.6g} a {axis.step}"
        scatter = "" if self.log10_survival_sd is None else f" ±{self.log10_survival_sd:.2f}"
        return f"<Theory {name}: log10 survival {self.log10_survival:.2f}{scatter}{decay}>"


def theory(
    settings: Settings, options: TheoryOptions, *, alone: bool = False, spelling: Spelling = FLAGS
) -> list[Theory]:
    """Return the prediction for every configuration of `settings`, those of one network below each other.

    What is left out has a default, as the family says: of an mlp a depth of 30 and the usual init of the activation,
    of a recurrent network those of a spec; a `seq_len` without a model asks for an `rnn`. Of activations the classical
    ones are compared or, `alone`, the default one of the model is taken.

    Raises:
        SpecError: with every problem of the settings; messages name keys as they are spelled.
    """
    predictions = []
    for cell in _configurations(settings, options.limit, alone, spelling):
        inputs = Inputs(*options.inputs) if options.inputs else inputs_of(cell.task, cell.seq_len)
        if inputs is not None:
            inputs = inputs.scaled(cell.input_scale)
        if inputs is None:
            task = cell.task.name
            reason = f"the inputs of task {task} are known only after a run: compare shows theory beside it"
            prediction = Prediction(reason=reason)
        else:
            prediction = predict(
                cell,
                in_features=inputs.in_features,
                out_features=inputs.out_features,
                input_mean_square=inputs.mean_square,
            )
        predictions.append(Theory(cell, prediction, fixed_point_of(cell, inputs)))
    return predictions


def _configurations(settings: Settings, limit: int, alone: bool, spelling: Spelling) -> list[Cell]:
    mapping = dict(settings)
    if "seq_len" in settings:
        mapping.setdefault("model", next(name for name, family in FAMILIES.items() if "seq_len" not in family.ignores))
    spec.from_mapping("theory", mapping, spelling=spelling)  # says all that is wrong before anything is filled in
    families = [FAMILIES[model] for model in models_of(mapping, limit, spelling)]
    mapping = {**{key: value for family in families for key, value in family.explored.items()}, **mapping}
    if not all(family.init_of_activation for family in families):
        if len(families) == 1 and families[0].activations and not alone:
            mapping.setdefault("activation", ",".join(CLASSICAL))
    else:
        if alone:
            mapping.setdefault("activation", SETTINGS["activation"].default.name)
        if "init" not in mapping:
            mapping = with_usual_inits(mapping, limit, spelling)
        else:
            mapping.setdefault("activation", ",".join(CLASSICAL))
    order: dict[Cell, int] = {}  # the lengths of one network below each other
    cells = cells_of(mapping, limit, spelling)
    return sorted(cells, key=lambda cell: order.setdefault(_without_length(cell), len(order)))


def _without_length(cell: Cell) -> Cell:
    length: dict[str, Any] = {FAMILIES[cell.model.name].axis.along: 1}
    return dataclasses.replace(cell, **length)


def critical_line(settings: Settings, options: TheoryOptions, *, spelling: Spelling = FLAGS) -> list[dict[str, Any]]:
    """Return points of the order-to-chaos line, chi(q*) = 1, one for each configuration, as rows of plain values.

    A row has `activation`, `sigma_b2` (variance of a bias), `sigma_w2` (variance of a weight, times fan-in), `q`, and
    `gain`, that of lecun_normal; all but the first are None where there is no such point. σ_w² is found for the given
    biases or, with an init, σ_b² for its weights.

    Raises:
        UsageError: for a setting that the line does not depend on; SpecError for a value that there is not.
    """
    if superfluous := sorted(settings.keys() - {"activation", "bias_std", "init", "width"}):
        raise UsageError(
            f"the critical line does not depend on {', '.join(map(spelling.name, superfluous))}",
            "give {}, and {} or {}".format(*map(spelling.name, ("activation", "bias_std", "init"))),
        )
    mapping = {"activation": "tanh,erf", "bias_std": 0.0, "lr": 0.1, **settings}
    rows = []
    for cell in cells_of(mapping, options.limit, spelling):
        if "init" in settings:
            sigma_w2 = weight_variance(cell.init, cell.width, cell.width) * cell.width
            point: CriticalPoint | None = critical_bias(cell.activation, sigma_w2)
        else:
            point = critical_weight(cell.activation, bias_variance(cell.init, cell.bias_std, cell.width))
        row: dict[str, Any] = {"activation": str(cell.activation)}
        row |= {name: getattr(point, name, None) for name in ("sigma_b2", "sigma_w2", "q")}
        if point is not None and math.isnan(point.q):
            row["q"] = None
        rows.append(row | {"gain": None if point is None else math.sqrt(point.sigma_w2)})
    return rows


def _log10(log: float | None) -> float | None:
    return None if log is None else log / LN10
