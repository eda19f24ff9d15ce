"""The functions of ``import gradlab as gl`` that predict without training: each calls `gradlab.api.theory`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradlab import grid
from gradlab.api.options import TheoryOptions
from gradlab.api.theory import Theory
from gradlab.cell import SETTINGS
from gradlab.errors import UsageError
from gradlab.python.arguments import by_key, spelling_of
from gradlab.python.messages import keyword_messages

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["critical_line", "theory", "theory_table"]


@keyword_messages
def theory(*, inputs: tuple[int, int, float] | None = None, **settings: Any) -> Theory:
    """Return the prediction for one configuration: ``gl.theory(activation="tanh", init="orthogonal", depth=30)``.

    The number is that of ``gradlab theory`` for the same settings.

    Args:
        inputs: features, outputs and mean square of the inputs; None: those of the task (digits, if none is named).
        settings: any setting of a spec; the dot of a nested one is left out or written ``_`` (``bias_std``,
            ``probe_batch_size``). Left out: depth 30, the default activation of the model (relu, tanh in recurrent
            networks) and its usual init, of a recurrent network the defaults of a spec; a `seq_len` asks for an rnn.

    Raises:
        SpecError, UsageError: for a setting or a value that there is not; for several values see `theory_table`.
    """
    from gradlab.api.theory import theory

    predictions = theory(by_key(settings), TheoryOptions(inputs=inputs), alone=True, spelling=spelling_of(settings))
    if len(predictions) > 1:
        raise UsageError(
            f"these are {len(predictions):,} configurations", "gl.theory_table(...) returns a table of them"
        )
    return predictions[0]


@keyword_messages
def theory_table(
    *, inputs: tuple[int, int, float] | None = None, limit: int = grid.LIMIT, **settings: Any
) -> pd.DataFrame:
    """Return the predictions for every combination of settings, one row each: ``depth=[2, 4, 8]``, ``depth="2..64*2"``.

    The rows are those of ``gradlab theory`` with the same settings: without an activation the classical ones are
    compared. Arguments are those of `theory`, and `limit`, the most rows. The columns are `activation`, `init`,
    `depth`, the settings that were named or vary, `log10_survival`, `log10_survival_sd`, `decay`, `reach` and
    `reason`.

    Raises:
        SpecError, UsageError: for a setting or a value that there is not.
    """
    import pandas as pd

    from gradlab.api.theory import theory

    settings_by_key = by_key(settings)
    predictions = theory(settings_by_key, TheoryOptions(inputs=inputs, limit=limit), spelling=spelling_of(settings))
    rows = [prediction.row() | {"reason": prediction.reason} for prediction in predictions]
    varied = [key for key in SETTINGS if key in rows[0] and len({str(row[key]) for row in rows}) > 1]
    keys = dict.fromkeys(["activation", "init", "depth", *(key for key in settings_by_key if key in rows[0]), *varied])
    numbers = ("log10_survival", "log10_survival_sd", "decay", "reach", "reason")
    return pd.DataFrame([{key: row[key] for key in (*keys, *numbers)} for row in rows])


@keyword_messages
def critical_line(*, limit: int = grid.LIMIT, **settings: Any) -> pd.DataFrame:
    """Return points of the order-to-chaos line: ``gl.critical_line(activation="tanh", bias_std=[0, 0.1])``.

    On it chi(q*) = 1, and gradients neither vanish nor explode.

    Args:
        limit: the most rows.
        settings: `activation`, and either `bias_std` (the critical σ_w² is found) or `init` (the critical σ_b²).

    Returns:
        A frame with the columns `activation`, `sigma_b2` (variance of a bias), `sigma_w2` (variance of a weight times
        fan-in), `q` and `gain` (that of lecun_normal); empty where there is no such point.

    Raises:
        UsageError: for a setting that the line does not depend on; SpecError for a value that there is not.
    """
    import pandas as pd

    from gradlab.api.theory import critical_line

    return pd.DataFrame(critical_line(by_key(settings), TheoryOptions(limit=limit), spelling=spelling_of(settings)))
