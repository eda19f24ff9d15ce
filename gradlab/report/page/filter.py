"""What the filter of the page can be asked: its columns, and every setting of each configuration."""

from __future__ import annotations

from typing import Any

from gradlab.query import NUMBER, TEXT, ColumnType, columns_json, setting_columns
from gradlab.report.model.marks import VERDICT_NAMES
from gradlab.report.page.configurations import NUMBERS, Configurations

__all__ = ["filter_document"]

_VERDICT = ColumnType("text", {name: verdict for verdict, name in VERDICT_NAMES.items()})


def filter_document(configurations: Configurations) -> dict[str, Any]:
    """Return `columns`, for `gradlab.query`'s interpreter in the page, and the values of `settings`: for each its
    `levels` and, where it has several, one code for each configuration.
    """
    settings = {key: column for key, column in setting_columns().items() if key != "seed"}
    numbers = [name for name in NUMBERS if configurations.frame[name].notna().any()]
    columns = {
        **settings,
        **dict.fromkeys((*numbers, "failed"), NUMBER),
        **dict.fromkeys(("verdict", "verdict_final"), _VERDICT),
        **dict.fromkeys(("run", "theory_note"), TEXT),
    }
    values = {key: _coded(configurations.settings[key].tolist()) for key in settings}
    return {"columns": columns_json(columns), "settings": values}


def _coded(values: list[Any]) -> dict[str, Any]:
    levels = {value: code for code, value in enumerate(dict.fromkeys(None if v != v else v for v in values))}
    codes = [levels[None if value != value else value] for value in values] if len(levels) > 1 else []
    return {"levels": list(levels), "codes": codes}
