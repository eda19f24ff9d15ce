"""The schema of columns: one entry for each number that gradlab measures or derives, with its meaning for people.

The fields of a `gradlab.record.Record`, the columns of the published parts and of the CSV tables, what ``compare``
reads and the list in docs/columns.md all follow from `COLUMNS`. A measured quantity needs one entry here, and its value
in the record; a derived one needs an entry here, and its formula in `gradlab.results`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

from gradlab.cell import SETTINGS

__all__ = ["COLUMNS", "TABLES", "Column", "column", "columns_of", "field_names", "fields", "markdown", "names_of"]

Table = Literal["cells", "layers", "steps", "summary", "stacked"]
Kept = Literal["", "setting", "bank", "cell", "step", "layer", "stacked"]
Aggregate = Literal["", "mean", "mean_finished", "geometric", "share", "count", "largest"]

TABLES: dict[str, str] = {
    "cells": "one row per cell",
    "layers": "one row per cell, probed step and block (of a recurrent network: time step)",
    "steps": "one row per cell and probed step",
    "summary": "one row per configuration, over its seeds",
    "stacked": "one row per cell, probed step, time step and stacked layer; only with stacked recurrent networks",
}
"""The tables of a run, each with what a row stands for; the file is the name with ``.csv``."""

_AGGREGATES: dict[Aggregate, str] = {
    "mean": "mean",
    "mean_finished": "mean, without the seeds that diverged",
    "geometric": "geometric mean",
    "share": "share of the seeds",
    "count": "number of seeds",
    "largest": "of the seed with the largest `underflow`",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One quantity, and the tables with a column of it."""

    name: str
    help: str
    """What it is, as a phrase without a full stop."""
    tables: tuple[Table, ...] = ()
    """Empty: it is kept in the parts alone."""
    kept: Kept = ""
    """What the parts keep of it. A field of a `Record`: one value of the ``cell``, one for each probed ``step`` [K],
    for each step and block (``layer``) [K, L], or for each of the ``stacked`` layers too [K, L, D]. ``bank``: what is
    known where a bank is published; ``setting``: a setting of the cell. Empty: nothing, it is derived."""
    kind: Literal["float", "int", "text", "bool"] = "float"
    source: str = ""
    """Field of the record that the column shows in another form, see `form`; empty: the one of the same name."""
    form: Literal["same", "exp", "log10"] = "same"
    """How `source`, a natural logarithm, is shown."""
    at: Literal["first", "last"] = "last"
    """In `cells`: the probed step whose value stands there, of a quantity per step."""
    over_seeds: Aggregate = ""
    """In `summary`: how the values of the seeds become one."""
    log10_of: str = ""
    """The column whose decimal logarithm this is: right where the other is outside the range of a double."""
    unit: str = ""
    heading: str = ""
    """Short name for people; empty: the name."""
    compared: bool = False
    """Whether ``gradlab compare`` reads it."""
    since: str = "0.1"
    """The first version of gradlab with this column."""

    @property
    def title(self) -> str:
        """The heading, or the name."""
        return self.heading or self.name


COLUMNS: tuple[Column, ...] = (
    # of a cell, as the worker measures it
    Column("cell", "identity of the cell: a hash of its setting", ("cells", "layers", "steps", "stacked"), kept="cell",
           kind="text", compared=True),
    Column("status", "`ok`, `diverged` (loss or gradient not finite in training) or `failed`", ("cells",), kept="cell",
           kind="text", compared=True),
    Column("diverged_at", "first step with a loss or gradient that is not finite", ("cells",), kept="cell", kind="int",
           heading="diverged at", compared=True),
    Column("steps", "updates made while everything was finite", ("cells",), kept="cell", kind="int", heading="updates"),
    Column("loss_last_finite", "loss of the last training batch, or where training diverged of the last one before",
           ("cells",), kept="cell", heading="last finite loss", compared=True, since="0.2"),
    Column("in_features", "input features of the network", kept="cell", kind="int", compared=True),
    Column("out_features", "outputs of the network", ("cells",), kept="cell", kind="int", heading="outputs",
           compared=True),
    Column("input_mean_square", "mean of x² over probe samples and input features: q₀ of mean-field theory",
           ("cells",), kept="cell", heading="mean square of inputs", compared=True),
    Column("target_mean_square", "mean of y² over probe samples and targets; empty where targets are classes",
           ("cells",), kept="cell", heading="mean square of targets", compared=True, since="0.2"),
    Column("metric_name", "what `metric` is", ("cells",), kept="cell", kind="text", compared=True),
    Column("learned", "whether the final metric passes the task's mark; in `summary` the share of the cells",
           ("cells", "summary"), kept="cell", kind="bool", over_seeds="share", compared=True),
    Column("test_learned", "as `learned`, of `test_metric`", ("cells",), kept="cell", kind="bool",
           heading="learned on the test half", compared=True, since="0.2"),
    Column("clip_rate", "share of training steps whose gradient was clipped; empty without clipping", ("cells",),
           kept="cell", heading="clip rate", compared=True),
    Column("clip_coef_mean", "mean factor of the clipping over the training steps", ("cells",), kept="cell",
           heading="mean clip factor", compared=True),
    Column("train_loss_q3", "mean loss of the training batches in the third quarter of the steps", ("cells",),
           kept="cell", heading="training loss, third quarter", compared=True, since="0.2"),
    Column("train_loss_q4", "the same in the last quarter", ("cells",), kept="cell",
           heading="training loss, last quarter", compared=True, since="0.2"),
    Column("train_loss_se", "standard error of the difference of the two, from the scatter of the batches about a "
           "line", ("cells",), kept="cell", compared=True, since="0.2"),
    # at each probed step
    Column("loss", "loss of the probe batch in float64; in `cells` and `summary` after training",
           ("steps", "cells", "summary"), kept="step", over_seeds="mean_finished", compared=True),
    Column("metric", "metric on the held-out samples; in `cells` and `summary` after training",
           ("steps", "cells", "summary"), kept="step", over_seeds="mean_finished", compared=True),
    Column("validation_metric", "`metric` on the first of two fixed halves of the held-out samples: what `--best` "
           "chooses by", ("steps", "cells", "summary"), kept="step", over_seeds="mean_finished",
           heading="validation metric", compared=True, since="0.2"),
    Column("test_metric", "`metric` on the other half, which no choice has seen: what `--best` judges by",
           ("steps", "cells", "summary"), kept="step", over_seeds="mean_finished", heading="test metric",
           compared=True, since="0.2"),
    Column("grad_norm_total", "norm of the probe gradient over all parameters", ("steps",), kept="step",
           heading="|gradient|"),
    Column("clip_before", "norm of the training gradient before clipping", kept="step"),
    Column("clip_after", "norm of the training gradient after clipping", kept="step"),
    Column("clip_coef", "factor of the clipping in the update after this step; empty at the last", ("steps",),
           kept="step", heading="factor"),
    Column("spectral_radius", "largest modulus of an eigenvalue of the top layer's recurrent matrix (of gated cells: "
           "of its block for the candidate)", ("steps",), kept="step", heading="radius"),
    Column("recurrent_norm", "largest singular value of the same matrix", ("steps",), kept="step",
           heading="recurrent norm"),
    Column("loss_scale", "factor on the loss in force; 1 in precisions that need none", ("steps",), kept="step",
           heading="loss scale"),
    # at each probed step and block
    Column("log_grad_norm", "ln of g_l, the norm of the loss gradient with respect to the output of block l; of a "
           "recurrent network with respect to the states h_t of all stacked layers. -inf is exactly zero, never "
           "underflow; NaN is not finite", kept="layer", compared=True),
    Column("log_weight_grad_norm", "ln of the norm of the gradient of the block's weights; of a recurrent network of "
           "what time step t adds to that of the recurrent matrices", kept="layer"),
    Column("weight_norm", "norm of the block's weights; of a recurrent network of its recurrent matrices", ("layers",),
           kept="layer", heading="|W|"),
    Column("update_ratio", "norm of the update made from this step over `weight_norm`; empty at the last", ("layers",),
           kept="layer", heading="update"),
    Column("displacement", "norm of the change of the block's weights since step 0 over their norm then; in `cells` "
           "the largest over the blocks after training", ("layers", "cells"), kept="layer", heading="moved",
           compared=True, since="0.2"),
    Column("act_mean", "mean activation", ("layers",), kept="layer", heading="mean"),
    Column("act_std", "standard deviation of the activations", ("layers",), kept="layer", heading="std"),
    Column("saturated", "share of (sample, unit) pairs whose slope is below 1/20 of the activation's largest; of "
           "gated cells the share of (sample, unit, gate) with a sigmoid as flat; in `cells` the largest over the "
           "blocks at step 0", ("layers", "cells"), kept="layer", compared=True),
    Column("dead", "share of units whose slope is zero for every probe sample", ("layers",), kept="layer"),
    Column("zero_grad", "share of exact zeros in the gradient with respect to the block's output", ("layers",),
           kept="layer", heading="zero g"),
    Column("underflow", "share of gradient elements, times `loss_scale`, that underflow in the precision of "
           "training; in `cells` the largest over the blocks at step 0", ("layers", "cells", "summary"), kept="layer",
           over_seeds="mean"),
    Column("log_cell_grad_norm", "as `log_grad_norm`, with respect to an LSTM's cell state", kept="layer"),
    Column("token_cosine", "mean cosine between two tokens of a sequence in the block's output; 1 is rank collapse. Of "
           "transformers alone", ("layers",), kept="layer", heading="token cosine", since="0.2"),
    Column("attn_entropy", "mean entropy of the attention over the logarithm of the number of tokens that a query sees",
           ("layers",), kept="layer", heading="attention entropy", since="0.2"),
    Column("common", "share of the squared gradient that is the same for all tokens of a sequence", ("layers",),
           kept="layer", heading="common share", since="0.2"),
    Column("grad_cosine", "likeness of the gradients of different samples as a share of that at the last block: slope "
           "of the cosines of pairs of samples against those there (Balduzzi 2017); empty with stacked recurrent "
           "layers and a cell state", ("layers",), kept="layer", heading="gradient cosine", since="0.2"),
    Column("log_grad_norm_by_layer", "as `log_grad_norm`, with respect to the states of each stacked layer of a "
           "recurrent network by itself, the lowest first", kept="stacked", compared=True, since="0.2"),
    # of a bank, as it is published
    Column("wall_s", "the cell's share of its bank's time", ("cells",), kept="bank", unit="s", heading="time"),
    Column("device", "where the cell was computed", ("cells",), kept="bank", kind="text", compared=True),
    Column("gradlab", "version of gradlab that computed the cell", kept="bank", kind="text", compared=True),
    Column("torch", "version of torch that computed the cell", kept="bank", kind="text", compared=True),
    # places in a table
    Column("bank", "the part that holds the cell: `parts/<bank>.parquet`", ("cells",), kind="text"),
    Column("step", "training step of the probe; 0 is before training", ("layers", "steps", "stacked"), kind="int"),
    Column("layer", "block, 1 next to the input; of a recurrent network the time step", ("layers", "stacked"),
           kind="int"),
    Column("stacked_layer", "layer of a stacked recurrent network, 1 next to the input", ("stacked",), kind="int",
           heading="stacked layer", since="0.2"),
    Column("n", "number of seeds measured", ("summary",), kind="int", over_seeds="count", heading="seeds"),
    Column("error", "why the cell failed, or the step at which it diverged", ("cells",), kind="text"),
    # gradient norms as people read them
    Column("grad_norm", "g_l, the norm of the loss gradient with respect to the block's output", ("layers",),
           source="log_grad_norm", form="exp", heading="|g|"),
    Column("log10_grad_norm", "log10 of `grad_norm`", ("layers",), source="log_grad_norm", form="log10",
           log10_of="grad_norm", heading="log10 |g|"),
    Column("log10_grad_norm", "log10 of the norm of the loss gradient with respect to the states of this layer alone",
           ("stacked",), source="log_grad_norm_by_layer", form="log10", heading="log10 |g|", since="0.2"),
    Column("weight_grad_norm", "norm of the gradient of the block's weights", ("layers",),
           source="log_weight_grad_norm", form="exp", heading="|dW|"),
    Column("cell_grad_norm", "as `grad_norm`, with respect to an LSTM's cell state", ("layers",),
           source="log_cell_grad_norm", form="exp", heading="|g| of the cell state"),
    Column("log10_cell_grad_norm", "log10 of `cell_grad_norm`", ("layers",), source="log_cell_grad_norm", form="log10",
           log10_of="cell_grad_norm", heading="log10 |g| of the cell state"),
    Column("clip_norm_before", "norm of the training gradient before clipping; empty at the last step", ("steps",),
           source="clip_before", heading="before clipping"),
    Column("clip_norm_after", "the same after clipping", ("steps",), source="clip_after", heading="after"),
    Column("loss_first", "loss before training", ("cells",), source="loss", at="first", heading="first loss",
           compared=True),
    Column("unmoved_blocks", "blocks whose weights are to the bit those before training; empty without a finite end",
           ("cells",), kind="int", heading="unmoved blocks", compared=True, since="0.2"),
    Column("unmoved", "number of seeds in which no block's weights moved in training", ("summary",), kind="int",
           over_seeds="count", since="0.2"),
    Column("metric_lost_at", "first probed step with a metric that is not finite or beyond ±1e6; empty where training "
           "diverged", ("cells",), kind="int", heading="metric lost at", compared=True, since="0.2"),
    Column("metric_lost", "number of seeds that did not diverge whose final metric is not finite or beyond ±1e6: left "
           "out of the mean", ("summary",), kind="int", over_seeds="count", since="0.2"),
    # survival and decay
    Column("verdict", "before training: `nonfinite`, `dead`, `vanishing`, `exploding` or `healthy`, the first that "
           "holds", ("cells", "summary"), kind="text", compared=True),
    Column("survival", "gradient ratio ‖g₁‖/‖g_L‖ of the first block to the last; before training, in `steps` at "
           "each probe", ("cells", "steps", "summary"), over_seeds="geometric",
           compared=True),
    Column("log10_survival", "log10 of `survival`", ("cells", "steps", "summary"), over_seeds="mean",
           log10_of="survival", heading="log10 survival", compared=True),
    Column("log10_survival", "log10 of the gradient ratio of this layer's states over time, in the row of time step 1",
           ("stacked",), heading="log10 survival", since="0.2"),
    Column("survival_lo", "lower end of the 95 % interval of `survival` (Student t)", ("summary",)),
    Column("survival_hi", "upper end of it", ("summary",)),
    Column("log10_survival_lo", "log10 of `survival_lo`", ("summary",), log10_of="survival_lo"),
    Column("log10_survival_hi", "log10 of `survival_hi`", ("summary",), log10_of="survival_hi"),
    Column("n_survival", "seeds behind the mean of `survival`: those with a finite gradient that is not zero",
           ("summary",), kind="int", over_seeds="count"),
    Column("decay", "factor per block going down from the loss, fitted to ln g_l; before training, in `steps` at "
           "each probe", ("cells", "steps", "summary"), over_seeds="geometric", compared=True),
    Column("decay_se", "standard error of `decay`", ("cells",), heading="standard error"),
    Column("decay_lo", "lower end of the 95 % interval of `decay` (Student t)", ("summary",)),
    Column("decay_hi", "upper end of it", ("summary",)),
    Column("reach", "blocks until a thousandth of the gradient is left, or a thousandfold: ln 1000 / |ln decay|",
           ("cells", "summary"), unit="blocks", compared=True),
    Column("reach_lo", "lower end of the 95 % interval of `reach`", ("summary",), unit="blocks", since="0.2"),
    Column("reach_hi", "upper end of it; infinite where the interval of `decay` contains 1", ("summary",),
           unit="blocks", since="0.2"),
    Column("survival_final", "gradient ratio after training", ("cells",), compared=True),
    Column("verdict_final", "verdict after training", ("cells", "summary"), kind="text", compared=True),
    Column("log10_survival_final", "log10 of the gradient ratio after training", ("cells", "summary"),
           over_seeds="mean", log10_of="survival_final", compared=True),
    Column("worst_layer", "stacked layer whose `log10_survival_by_layer` is furthest from 0", ("cells",), kind="int",
           heading="worst layer", compared=True, since="0.2"),
    Column("log10_survival_by_layer", "log10 of the gradient ratio over time of the stacked layer furthest from 1, "
           "before training; empty without stacked layers", ("cells", "summary"), over_seeds="mean",
           heading="log10 survival of the worst layer", compared=True, since="0.2"),
    Column("log10_survival_by_layer_final", "the same after training", ("cells", "summary"), over_seeds="mean",
           compared=True, since="0.2"),
    Column("healthy", "share of the seeds with the verdict `healthy`", ("summary",), over_seeds="share"),
    Column("diverged", "number of seeds that diverged in training", ("summary",), kind="int", over_seeds="count"),
    Column("dead", "number of seeds with a gradient that is exactly zero", ("summary",), kind="int",
           over_seeds="count"),
    Column("nonfinite", "number of seeds with a gradient that is not finite", ("summary",), kind="int",
           over_seeds="count"),
    Column("cell_survival", "gradient ratio of an LSTM's cell state", ("cells",)),
    Column("log10_cell_survival", "log10 of `cell_survival`", ("cells", "summary"), over_seeds="mean",
           log10_of="cell_survival"),
    Column("underflow_at", "block with the largest `underflow` at step 0", ("cells", "summary"), kind="int",
           over_seeds="largest"),
    # mean-field theory
    Column("theory_survival", "predicted geometric mean of `survival`", ("cells", "summary")),
    Column("theory_log10_survival", "log10 of `theory_survival`", ("cells", "summary"), log10_of="theory_survival",
           compared=True),
    Column("theory_log10_sd", "predicted standard deviation of one seed's `log10_survival`", ("cells", "summary"),
           compared=True),
    Column("theory_log10_error", "largest error of `theory_log10_survival` that the approximations of its theory are "
           "known to make; 0 where none is known", ("cells", "summary"), compared=True, since="0.2"),
    Column("theory_decay", "predicted `decay`", ("cells", "summary"), heading="theory", compared=True),
    Column("theory_z", "(measured - predicted) ln survival in predicted standard deviations, the known error of the "
           "prediction among them; in `summary` of the mean",
           ("cells", "summary"), heading="z", compared=True),
    Column("log10_survival_sd", "standard deviation of `log10_survival` over the seeds, with n - 1; beside it "
           "`theory_log10_sd`", ("summary",), heading="scatter", since="0.2"),
    Column("theory_note", "why there is no prediction", ("summary",), kind="text"),
    Column("theory_log10_grad_norm", "predicted log10 of g_l/g_L, at step 0", ("layers",), heading="theory"),
    Column("theory_log10_cell_survival", "predicted log10 of `cell_survival`", ("cells", "summary")),
)  # fmt: skip

_ORDER: dict[str, str] = {
    "cells": "cell * status verdict survival log10_survival decay decay_se reach theory_survival theory_decay theory_z "
    "survival_final verdict_final loss_first loss metric_name metric learned clip_rate steps bank wall_s device error "
    "log10_survival_final diverged_at theory_log10_survival cell_survival log10_cell_survival "
    "theory_log10_cell_survival underflow underflow_at",
    "layers": "cell step layer grad_norm weight_grad_norm weight_norm update_ratio act_mean act_std saturated dead "
    "zero_grad log10_grad_norm theory_log10_grad_norm underflow cell_grad_norm log10_cell_grad_norm",
    "steps": "cell step loss metric survival decay grad_norm_total clip_coef log10_survival clip_norm_before "
    "clip_norm_after spectral_radius recurrent_norm loss_scale",
    "summary": "* n survival survival_lo survival_hi decay reach theory_survival theory_decay verdict healthy learned "
    "metric loss diverged log10_survival log10_survival_lo log10_survival_hi n_survival decay_lo decay_hi dead "
    "nonfinite log10_survival_final verdict_final theory_log10_survival theory_z theory_log10_sd theory_note "
    "log10_cell_survival theory_log10_cell_survival underflow underflow_at",
    "stacked": "cell step layer stacked_layer log10_grad_norm log10_survival",
}
"""The order of the columns of 0.1, with ``*`` for the settings. A column that is not named here comes after them."""


def columns_of(table: Table) -> tuple[Column, ...]:
    """Return the columns of a table in their order, the settings among them."""
    known = {entry.name: entry for entry in COLUMNS if table in entry.tables}
    settings = tuple(
        Column(key, setting.help, ("cells", "summary"), kept="setting")
        for key, setting in SETTINGS.items()
        if table != "summary" or key != "seed"
    )
    late = tuple(column for column in settings if SETTINGS[column.name].late)
    ordered: list[Column] = []
    for name in _ORDER[table].split():
        ordered += [column for column in settings if column not in late] if name == "*" else [known.pop(name)]
    return (*ordered, *(late if "*" in _ORDER[table] else ()), *known.values())


def names_of(table: Table) -> tuple[str, ...]:
    """Return the names of the columns of a table, in their order."""
    return tuple(entry.name for entry in columns_of(table))


def column(name: str, table: Table | None = None) -> Column:
    """Return the entry of a name, where several have it that of `table`. Raises KeyError when there is none."""
    for entry in COLUMNS:
        if entry.name == name and (table is None or table in entry.tables):
            return entry
    raise KeyError(name)


def fields(*kept: Kept) -> tuple[Column, ...]:
    """Return the entries that the parts keep in these ways, in order; without an argument the fields of a record."""
    return tuple(entry for entry in COLUMNS if entry.kept in (kept or ("cell", "step", "layer", "stacked")))


def field_names(*kept: Kept) -> tuple[str, ...]:
    """Return the names of `fields`."""
    return tuple(field.name for field in fields(*kept))


def markdown() -> str:
    """Return the text of docs/columns.md."""
    lines = [
        "# The columns of a run's tables",
        "",
        "Made from `gradlab/columns.py` by `python -m gradlab.columns > docs/columns.md`. Numbers before training are "
        "those of step 0. A number outside the range of a double is an empty field, its log10 column is right; 0 means "
        "exactly zero, its log10 is `-inf`. *Over seeds* says what a row of `summary.csv` holds.",
    ]
    for table, rows in TABLES.items():
        lines += ["", f"## {table}.csv", "", f"{rows[0].upper()}{rows[1:]}.", ""]
        over_seeds = table == "summary"
        lines += _row("column", "what it is", "unit", "since", *["over seeds"] * over_seeds, head=True)
        lines += _row("the settings", "as in cells.csv, without `seed`", "", "", "") if over_seeds else []
        for entry in columns_of(table):  # type: ignore[arg-type]
            if over_seeds and entry.kept == "setting":
                continue
            aggregate = [_AGGREGATES.get(entry.over_seeds, "")] * over_seeds
            lines += _row(f"`{entry.name}`", entry.help, entry.unit, entry.since, *aggregate)
    lines += ["", "## Only in parts/*.parquet", "", *_row("field", "what it is", "since", head=True)]
    for entry in COLUMNS:
        if entry.kept and not entry.tables:
            lines += _row(f"`{entry.name}`", entry.help, entry.since)
    return "\n".join(lines) + "\n"


def _row(*fields: str, head: bool = False) -> list[str]:
    texts = [field.replace("|", "\\|") for field in fields]
    return [f"| {' | '.join(texts)} |", *[f"|{' --- |' * len(texts)}"] * head]


if __name__ == "__main__":
    sys.stdout.write(markdown())
