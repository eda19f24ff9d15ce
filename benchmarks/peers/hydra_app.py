"""One cell as a Hydra application; `launchers.hydra` sweeps it with the joblib launcher."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore

from peers.setting import Cell

DEFAULTS = asdict(Cell(4, "relu", "he_normal", 0, 0, None, "all"))
ConfigStore.instance().store(name="config", node=DEFAULTS)


@hydra.main(config_name="config", config_path=None, version_base=None)
def app(config: Any) -> None:
    """Train the cell of `config` and write its numbers."""
    from peers import loop

    cell = Cell(**{name: config[name] for name in DEFAULTS})
    (Path(config.out) / f"{cell.key}.json").write_text(json.dumps(loop.run(cell)))


if __name__ == "__main__":
    app()
