"""The columns of the page's overview table, its legends and its terms."""

from __future__ import annotations

from collections.abc import Sequence

from gradlab.families import Axis
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.marks import Sign, sign_names
from gradlab.report.page.configurations import NUMBERS, Configurations
from gradlab.thresholds import UNEXPLAINED_Z

__all__ = ["csv_columns", "legend", "overview_columns", "terms"]

_SHADES: dict[Sign, str] = {"fading": "v2", "vanished": "v4", "growing": "e2", "exploded": "e4"}
"""The shade beside a sign in the legend; without a number it is that of what is lost."""


def overview_columns(
    configurations: Configurations, metric: str, *, trained: bool, several_runs: bool
) -> list[dict[str, str]]:
    """Return for each column its `key` in the configurations, `heading`, `help` and `format`."""
    frame, axes = configurations.frame, configurations.axes
    unit = " or ".join(axis.unit for axis in axes)
    columns = [("run", "run", "", "run")] if several_runs else []
    columns += [(key, key, "", "label") for key in configurations.keys]
    columns += [
        ("length", " or ".join(axis.along for axis in axes), "", "count"),
        ("verdict", "verdict", "of the geometric mean over the seeds, before training", "verdict"),
        *([("training", "training", "what became of it, as it was measured", "outcome")] if trained else []),
        ("log10_survival", "log\N{SUBSCRIPT ONE}\N{SUBSCRIPT ZERO} survival",
         f"gradient norm at the first {unit} over that at the last, before training", "log10"),
        ("decay", " or ".join(axis.decay for axis in axes),
         "factor along the way back from the loss; below 1 the gradient vanishes", "4 digits"),
        ("theory_decay", "theory", "the decay that mean-field theory predicts", "4 digits"),
        ("theory_z", "z", "measured less predicted log survival, in standard deviations of the mean", "z"),
        ("reach", "reach", f"{unit}s until a thousandth is left, or a thousandfold", "reach"),
    ]  # fmt: skip
    if trained:
        columns += [
            ("metric", metric, "after training, on held-out samples, mean over the seeds", "3 digits"),
            ("learned", "learned", "seeds that met the task's own criterion", "seeds"),
            ("loss", "loss", "after training", "3 digits"),
            ("log10_survival_final", "after training",
             "log\N{SUBSCRIPT ONE}\N{SUBSCRIPT ZERO} survival after training", "log10"),
        ]  # fmt: skip
    counts = [name for name in ("diverged", "dead", "nonfinite", "failed") if (frame[name].fillna(0) > 0).any()]
    columns += [(name, name, "seeds", "count") for name in counts]
    columns.append(("n", "seeds", "seeds that were measured", "count"))
    names = ("key", "heading", "help", "format")
    shown = [column for column in columns if column[0] not in NUMBERS or frame[column[0]].notna().any()]
    return [dict(zip(names, column, strict=True)) for column in shown]


def csv_columns(configurations: Configurations, *, several_runs: bool) -> list[str]:
    """Return the columns of the CSV file that the page makes of the overview."""
    numbers = [name for name in NUMBERS if configurations.frame[name].notna().any()]
    run = ["run"] if several_runs else []
    return [*run, *configurations.keys, "length", "verdict", "failed", *numbers, "verdict_final", "theory_note"]


def legend(limits: dict[str, float | None], verdicts: set[str]) -> list[dict[str, str]]:
    """Return the signs of the heat map, each with its `shade`, `sign` and `name`; `limits` are the thresholds."""
    names = sign_names(limits["vanish"], limits["explode"], verdicts) + (
        [("failed", "failed")] if "failed" in verdicts else []
    )
    return [{"shade": _SHADES.get(sign, "lost"), "sign": UNICODE.sign(sign), "name": name} for sign, name in names]


def terms(axes: Sequence[Axis]) -> list[tuple[str, str]]:
    """Return what the terms of the page mean."""
    unit = " or ".join(axis.unit for axis in axes)
    return [
        ("gradient norm",
         f"the norm of ∂loss/∂x of the output x of a {unit}, over one fixed probe batch, in float64. It is the "
         "gradient of the activations, not of the weights."),
        ("survival",
         f"the gradient ratio ‖g₁‖/‖g_L‖: the gradient norm at the first {unit} over that at the last. Means over "
         "seeds are geometric, intervals are 95 % of Student's t over seeds."),
        ("decay",
         f"the factor per {unit} on the way back from the loss, fitted to the logarithm; below 1 the gradient "
         "vanishes, above 1 it explodes."),
        ("reach",
         f"{unit}s until a thousandth of the gradient is left, or until it has grown a thousandfold; its lower bound, "
         "as in >84, where the decay cannot be told from 1."),
        ("theory, z",
         "mean-field theory of wide networks with its scatter at this width; z is measured less predicted, in standard "
         f"deviations of the mean. Beyond ±{UNEXPLAINED_Z:g} theory does not explain it."),
        ("healthy",
         "no mark before training and none after it, in a network that trained: no seed diverged, its weights moved, "
         "its metric measures something. Fading and growing are marks."),
        ("learned", "the task's own criterion, apart from the verdict on the gradient."),
    ]  # fmt: skip
