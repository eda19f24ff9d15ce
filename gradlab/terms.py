"""The terms of reports, help and messages: what each means, its formula, and where it is used.

A term that is also a column of a table has its meaning from `gradlab.columns`, and limits from `gradlab.definitions`
and `gradlab.thresholds`. docs/terms.md follows from `TERMS`, and so does ``gradlab explain``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from gradlab.columns import COLUMNS
from gradlab.definitions import REACH_FACTOR, SHORTEST_WITHOUT_ENDS
from gradlab.thresholds import ABSURD_METRIC, FADING, LEARNED_SHARE, UNEXPLAINED_Z

__all__ = ["TERMS", "Term", "markdown", "term"]


@dataclass(frozen=True, slots=True)
class Term:
    """One term. A term without a `column` has a `meaning`."""

    name: str
    meaning: str = ""
    """What it is, as a phrase without a full stop."""
    formula: str = ""
    used: str = ""
    """Where it stands besides the tables."""
    column: str = ""
    """The column of the tables with this number."""
    aliases: tuple[str, ...] = ()
    """Other words for it: headings, signs, plurals."""
    related: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the meaning, of a column that of its first entry."""
        return self.meaning or next(column.help for column in COLUMNS if column.name == self.column)


_REPORTS = "reports of run and compare, probe"
_THEORY = "theory"
_COMPARE = "compare"
_BEST = "compare --best, run --best"

TERMS: tuple[Term, ...] = (
    # what is run
    Term("block", "unit of depth: a linear map or convolution with its norm, activation and skip connection; of a "
         "transformer attention and MLP; of a recurrent network one time step of the profile", used="everywhere",
         aliases=("blocks", "layers"), related=("depth", "grad_norm")),
    Term("cell", "one full setting with one seed: what is computed, stored and counted", used="everywhere",
         aliases=("cells",), related=("configuration", "bank")),
    Term("configuration", "all cells that differ in the seed only; one row of summary.csv", used=_REPORTS,
         aliases=("configurations",), related=("cell", "seed")),
    Term("bank", "cells whose tensors have equal shapes, computed together as one stacked network; the unit of work, "
         "retry and storage", used="plan, run, run.log", aliases=("banks",), related=("cell",)),
    Term("baseline", "the configuration that all others are compared with, in pairs of cells of equal seed",
         used="compare --baseline", related=("paired difference",)),
    Term("expectation", "statement of a spec about its results, judged after the run as held, not held or undecided",
         used="expect in a spec, run --check", aliases=("expectations", "expect")),
    # the gradient
    Term("survival", column="survival", formula="‖g₁‖ / ‖g_L‖, with g_l = ∂loss/∂h_l, h_l the output of block l of L",
         used=_REPORTS, aliases=("gradient ratio",), related=("log10_survival", "decay", "verdict")),
    Term("decay", column="decay",
         formula="exp of the least-squares slope of ln ‖g_l‖ over L - l; from "
         f"{SHORTEST_WITHOUT_ENDS} blocks on without the first and the last block",
         used=_REPORTS, aliases=("decay/block", "decay/step"), related=("reach", "survival")),
    Term("reach", column="reach", formula=f"ln({REACH_FACTOR:g}) / |ln decay|; infinite where decay is 1",
         used=_REPORTS, related=("decay",)),
    Term("profile", "the gradient norms of all blocks of one network, from the first to the last", "ln ‖g_l‖, l = 1..L",
         used="show, reports, pictures", related=("grad_norm", "survival")),
    Term("verdict", column="verdict",
         formula="nonfinite, dead, vanishing (survival < thresholds.vanish), exploding (survival > "
         "thresholds.explode), healthy: the first that holds", used=_REPORTS, aliases=("verdicts",),
         related=("healthy", "vanishing", "exploding", "dead gradient", "nonfinite gradient", "fading")),
    Term("healthy", "verdict: the survival is between both thresholds and no gradient is zero or not finite",
         "thresholds.vanish <= survival <= thresholds.explode", _REPORTS, related=("verdict", "fading")),
    Term("vanishing", "verdict: the survival is below its threshold", "survival < thresholds.vanish", _REPORTS,
         aliases=("vanished", "vanish", "✗"), related=("verdict", "thresholds.vanish")),
    Term("exploding", "verdict: the survival is above its threshold", "survival > thresholds.explode",
         _REPORTS, aliases=("exploded", "explode", "▲"), related=("verdict", "thresholds.explode")),
    Term("dead gradient", "verdict `dead`: the gradient of some block is exactly zero", "‖g_l‖ = 0 for some l",
         _REPORTS, aliases=("dead", "∅"), related=("verdict", "dead")),
    Term("nonfinite gradient", "verdict `nonfinite`: the gradient of some block is infinite or not a number", "",
         _REPORTS, aliases=("nonfinite", "not finite"), related=("verdict", "nonfinite", "diverged")),
    Term("fading", "mark of a healthy survival that is on the way to vanishing",
         f"log10 survival < {FADING:.2g} · log10 thresholds.vanish", _REPORTS, aliases=("▾",),
         related=("growing", "verdict")),
    Term("growing", "mark of a healthy survival that is on the way to exploding",
         f"log10 survival > {FADING:.2g} · log10 thresholds.explode", _REPORTS, aliases=("▴",),
         related=("fading", "verdict")),
    Term("masked", "verdict of a model of your own: the gradient is exactly zero at and below a block, as a weight "
         "above is zero in every element", used="probe, gl.watch", related=("verdict", "detached")),
    Term("detached", "verdict of a model of your own: no path of autograd leads from the loss to some block",
         used="probe, gl.watch", related=("verdict", "masked")),
    # training
    Term("learned", column="learned", formula="metric better than the mark of the task; of a configuration: by more "
         f"than {100 * LEARNED_SHARE:g} % of its seeds", used=_REPORTS, aliases=("✓",),
         related=("metric", "trainable")),
    Term("metric", column="metric", formula="accuracy of classes, R² of numbers; beyond "
         f"±{ABSURD_METRIC:g} it measures nothing", used=_REPORTS, aliases=("accuracy", "r2"), related=("learned",)),
    Term("trainable", "max trainable depth: the largest depth (or sequence length) at which the configuration learned",
         used=_REPORTS, aliases=("max trainable depth",), related=("learned", "reach")),
    Term("diverged", column="diverged", used=_REPORTS, related=("status", "diverged_at")),
    Term("stalled", "not learned, and the training loss of the last quarter of the steps is level with that of the "
         "third", used="conclusions",
         related=("train_loss_q3", "train_loss_q4", "train_loss_se")),
    Term("chance", "loss of a prediction that knows the frequencies of the classes only", "ln(number of classes)",
         "conclusions", related=("loss",)),
    # statistics
    Term("interval", "95 % interval of a mean over seeds", "mean ± t(0.975, n - 1) · sd / √n", "± in reports, _lo and "
         "_hi in tables", aliases=("±", "confidence interval"), related=("n",)),
    Term("main effect", "mean of a level of a factor minus the mean over its levels, at settings of the other factors "
         "where all of them were measured", used=_COMPARE, aliases=("effect", "main effects"),
         related=("omega squared", "interval")),
    Term("omega squared", "share of the variance that a factor explains beyond chance",
         "(SS_factor - df · MS_residual) / (SS_total + MS_residual)", _COMPARE, aliases=("omega2", "share", "ω²"),
         related=("main effect",)),
    Term("confounded", "two settings that change only together: their effects cannot be told apart", used=_COMPARE,
         related=("main effect",)),
    Term("paired difference", "difference of two cells of equal seed that are alike in all other settings; ↑ or ↓ "
         "where a paired t test and a sign-flip permutation test pass after Holm's correction, otherwise ~", "",
         _COMPARE, aliases=("~", "↑", "↓", "paired"), related=("baseline", "interval")),
    Term("held-out samples", "samples of the task that training does not see; the metric is measured on them. Two "
         "fixed halves, the same for all seeds, are measured apart: validation half and test half", used=_REPORTS,
         aliases=("held-out", "held out"), related=("metric", "best value")),
    Term("validation half", "half of the held-out samples by which `--best` chooses values", used=_BEST,
         aliases=("selection", "validation"), related=("validation_metric", "best value", "test half")),
    Term("test half", "the other half of the held-out samples: `--best` judges by it what was chosen without it",
         used=_BEST, aliases=("test",), related=("test_metric", "best value", "validation half")),
    Term("best value", "value of a setting, one for all seeds of a configuration, with the largest mean metric on the "
         "validation half; a seed that diverged counts 0", "argmax over values of the mean over seeds of "
         "max(validation metric, 0)", _BEST, aliases=("best", "--best"),
         related=("validation half", "tie", "sensitivity")),
    Term("tie", "value of a setting that the validation half does not tell from the best one: with 95 % confidence the "
         "truly best is the chosen value or a tie",
         "paired one-sided t test over common seeds: p >= 0.05 / (values - 1)",
         _BEST, aliases=("ties",), related=("best value", "paired difference")),
    Term("sensitivity", "how much depends on a setting: range of the mean metric on the test half over its values, a "
         "diverged seed as 0", "largest - smallest mean over the values", _BEST, aliases=("range",),
         related=("best value",)),
    # mean-field theory
    Term("z", column="theory_z", formula="(mean ln survival - predicted) / √(predicted sd²/n + known error of the "
         f"theory²); theory does not explain |z| > {UNEXPLAINED_Z:g}", used=_REPORTS,
         related=("theory_survival", "theory_log10_sd")),
    Term("mean-field theory", "prediction of the moments of activations and gradients in the limit of large width, "
         "over random weights", used=f"{_THEORY}, reports", aliases=("theory", "mean field"),
         related=("q*", "chi", "z")),
    Term("q*", "fixed point of the mean square of the pre-activations from block to block",
         "q* = σ_w² E[φ(√q* z)²] + σ_b², z standard normal", _THEORY, aliases=("q",), related=("chi",)),
    Term("chi", "factor on the mean squared gradient from block to block, at q*", "χ = σ_w² E[φ'(√q* z)²]", _THEORY,
         aliases=("χ",), related=("q*", "xi_grad", "phase")),
    Term("xi_grad", "depth scale of the gradient: blocks over which its mean square changes by a factor e",
         "1 / |ln χ|", _THEORY, aliases=("depth scale", "xi"), related=("chi", "reach")),
    Term("c*", "fixed point of the correlation of two inputs from block to block", used=_THEORY, aliases=("c",),
         related=("xi_c",)),
    Term("xi_c", "depth scale of the correlation of two inputs", "1 / |ln χ_c|, χ_c the slope of the correlation map "
         "at c*", _THEORY, related=("c*",)),
    Term("phase", "ordered (χ < 1, gradients vanish), chaotic (χ > 1, gradients explode) or critical (χ = 1)",
         used=_THEORY, aliases=("ordered", "chaotic", "critical"), related=("chi",)),
    Term("coordinate check", "whether the change of the activations by the first update is independent of the width",
         used="width", related=("grows", "shrinks")),
    Term("grows", "verdict of a coordinate check: the change of the layer grows with the width", used="width",
         related=("coordinate check",)),
    Term("shrinks", "verdict of a coordinate check: the change of the layer shrinks with the width", used="width",
         related=("coordinate check",)),
)  # fmt: skip


def term(name: str) -> Term | None:
    """Return the term of a name or one of its aliases; None where there is none."""
    return next((entry for entry in TERMS if name == entry.name or name in entry.aliases), None)


def markdown() -> str:
    """Return the text of docs/terms.md."""
    lines = [
        "# Terms",
        "",
        "The terms of reports, help and messages. Made from `gradlab/terms.py` by `python -m gradlab.terms > "
        "docs/terms.md`; `gradlab explain TERM` prints an entry. The columns of the tables stand in "
        "[a page of their own](columns.md).",
        "",
        "| term | meaning | formula | used in |",
        "| --- | --- | --- | --- |",
    ]
    for entry in TERMS:
        fields = (entry.name, entry.text, entry.formula, entry.used)
        lines.append("| " + " | ".join(field.replace("|", "\\|") for field in fields) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
