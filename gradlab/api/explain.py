"""What a number or a word of gradlab means: terms, columns of the tables, settings, components."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gradlab.cell import REGISTRIES, SETTINGS, Named
from gradlab.columns import COLUMNS, TABLES, Column
from gradlab.components import ALIASES, nearest
from gradlab.errors import UsageError
from gradlab.terms import TERMS, Term, term

__all__ = ["Explanation", "explain", "explained_names", "listed"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One meaning of a name."""

    name: str
    kind: str
    """``term``, ``column of cells.csv, summary.csv``, ``setting`` or the like."""
    meaning: str
    formula: str = ""
    used: str = ""
    """Where it stands."""
    unit: str = ""
    default: str = ""
    related: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return it as plain values, without fields that are empty."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value}


def explained_names() -> list[str]:
    """Return every name that `explain` knows, terms first; a name stands once."""
    return list(
        dict.fromkeys(
            [
                *(entry.name for entry in TERMS),
                *(alias for entry in TERMS for alias in entry.aliases),
                *(column.name for column in COLUMNS),
                *_settings(),
                *(name for registry in REGISTRIES.values() for name in registry),
            ]
        )
    )


def listed() -> dict[str, list[str]]:
    """Return what can be explained, by kind: terms, columns that are no terms, settings."""
    terms = [entry.name for entry in TERMS]
    columns = dict.fromkeys(column.name for column in COLUMNS if column.tables and column.name not in terms)
    return {"terms": terms, "columns": list(columns), "settings": _settings()}


def _settings() -> list[str]:
    return ["seeds" if key == "seed" else key for key in SETTINGS]


def explain(name: str) -> list[Explanation]:
    """Return every meaning of a name, as it stands in a report, a table or a spec. Raises UsageError where it has none,
    with the name that is most like it."""
    query = " ".join(name.split())
    meanings = _meanings(query) or _meanings(query.lower()) or _meanings(query.lower().replace("-", "_"))
    if meanings:
        return meanings
    close = nearest(query, explained_names())
    raise UsageError(
        f"there is no explanation of {query!r}" + (f"; did you mean {close}?" if close else ""),
        "all names: gradlab explain",
    )


def _meanings(name: str) -> list[Explanation]:
    entry = term(name) or next((term for term in TERMS if term.column == name), None)
    meanings = [] if entry is None else [_of_term(entry)]
    columns = [column for column in COLUMNS if name in (column.name, column.heading)]
    columns = [column for column in columns if entry is None or column.name != entry.column]
    meanings += [_of_column(column) for column in columns]
    key = "seed" if name == "seeds" else name
    setting = SETTINGS.get(key) or next(
        (candidate for candidate in SETTINGS.values() if candidate.attribute == key), None
    )
    if setting is not None:
        default = str(setting.default) if isinstance(setting.default, Named) else setting.default
        spelled = "seeds" if setting.key == "seed" else setting.key
        default_text = "" if default is None else f"{default:g}" if isinstance(default, float) else str(default)
        meanings.append(Explanation(spelled, "setting of a spec", setting.help, default=default_text))
    return meanings + list(_components(name))


def _components(name: str) -> Iterator[Explanation]:
    for key, registry in REGISTRIES.items():
        target = ALIASES.get(key, {}).get(name, name)
        if target in registry:
            component = registry[target]
            parameters = ", ".join(component.params)
            place = f"{key}: {target}" + (f"; parameters {parameters}" if parameters else "")
            yield Explanation(target, f"value of the setting {key}", component.summary, used=place)


def _of_term(entry: Term) -> Explanation:
    columns = [column for column in COLUMNS if entry.column and column.name == entry.column]
    places = [_files(columns[0])] if columns else []
    unit = columns[0].unit if columns else ""
    return Explanation(
        entry.name, "term", entry.text, entry.formula, "; ".join([*places, entry.used]), unit, related=entry.related
    )


def _of_column(column: Column) -> Explanation:
    heading = f"; in reports as {column.heading!r}" if column.heading else ""
    kind = "column of a table" if column.tables else "field of parts/*.parquet"
    related = tuple(filter(None, [column.log10_of, column.source]))
    return Explanation(column.name, kind, column.help, used=_files(column) + heading, unit=column.unit, related=related)


def _files(column: Column) -> str:
    return ", ".join(f"{table}.csv" for table in TABLES if table in column.tables) or "parts/*.parquet"
