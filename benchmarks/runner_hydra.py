"""One cell of the reference grid as a Hydra application; `runner_tasks.py` sweeps it with the joblib launcher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from runner_tasks import key, of

FIRST = {"depth": 4, "activation": "relu", "init": "he_normal", "seed": 0, "steps": 0}
ConfigStore.instance().store(name="config", node=FIRST)


@hydra.main(config_name="config", config_path=None, version_base=None)
def app(config: Any) -> None:
    setting = {name: config[name] for name in FIRST}
    (Path(config.out) / f"{key(setting)}.json").write_text(json.dumps(of(setting)))


if __name__ == "__main__":
    app()
