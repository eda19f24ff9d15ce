"""`gradlab list`: what a spec can name."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from gradlab.cell import REGISTRIES, SETTINGS, Named
from gradlab.cli.common import console, print_json, report_width
from gradlab.components import ALIASES, Component, nearest
from gradlab.errors import UsageError

__all__ = ["listing"]


def listing(kind: str | None, *, json: bool) -> int:
    """Print the settings, or the names of one kind; return the exit code. Raises UsageError for an unknown kind."""
    if kind is None:
        rows = [_setting(key) for key in SETTINGS]
        if json:
            print_json({"settings": rows, "kinds": sorted(_kinds())})
        else:
            _print([(row["name"], f"{row['summary']} [{row['default']}]") for row in rows])
            print(f"\nNames: gradlab list {' | '.join(_kinds())}")
        return 0
    key = _key(kind)
    components = [_component(key, name, component) for name, component in REGISTRIES[key].items()]
    if json:
        print_json({"kind": key, "names": components})
    else:
        _print([(row["name"], _line(row)) for row in components])
    return 0


def _kinds() -> dict[str, str]:
    return {f"{key.rpartition('.')[2]}s": key for key in REGISTRIES}


def _key(kind: str) -> str:
    kinds = _kinds()
    wanted = kind.lower().replace("-", "_").replace("optimiser", "optimizer").rpartition(".")[2]
    found = kinds.get(wanted) or kinds.get(f"{wanted}s")
    if found is None:
        close = nearest(f"{wanted}s", kinds)
        raise UsageError(
            f"there is no list of {kind!r}" + (f"; did you mean {close}?" if close else ""),
            f"choose from {', '.join(kinds)}",
        )
    return found


def _setting(key: str) -> dict[str, Any]:
    setting = SETTINGS[key]
    default = str(setting.default) if isinstance(setting.default, Named) else setting.default
    shown = f"the {'task' if key == 'seq_len' else 'optimizer'}'s own" if default is None else default
    return {"name": "seeds" if key == "seed" else key, "summary": setting.help, "default": shown}


def _component(key: str, name: str, component: Component) -> dict[str, Any]:
    return {
        "name": name,
        "summary": component.summary,
        "params": {param: None if p.required else p.default for param, p in component.params.items()},
        "aliases": [alias for alias, meant in ALIASES.get(key, {}).items() if meant == name],
    }


def _line(row: dict[str, Any]) -> str:
    text = str(row["summary"])
    if row["params"]:
        params = (param if value is None else f"{param}={value:g}" if isinstance(value, float) else f"{param}={value}"
                  for param, value in row["params"].items())  # fmt: skip
        text += f" [{', '.join(params)}]"
    return text + (f"; also {', '.join(row['aliases'])}" if row["aliases"] else "")


def _print(rows: Sequence[tuple[str, str]]) -> None:
    target = console()
    width = report_width(target)
    left = max(len(name) for name, _ in rows) + 2
    for name, text in rows:
        folded = [text] if width is None else textwrap.wrap(text, max(width - left, 20), break_on_hyphens=False)
        target.print(name.ljust(left), style="bold", end="", soft_wrap=True)
        target.print(("\n" + " " * left).join(folded), soft_wrap=True)
