"""Settings that are valid and most likely not meant: a warning for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gradlab.cell import REGISTRIES
from gradlab.components import TASKS
from gradlab.families import FAMILIES
from gradlab.query import And, Condition, Pattern
from gradlab.query.expressions import Constant
from gradlab.spec.conflicts import listed
from gradlab.spec.model import Subgrid

__all__ = ["barely_enough", "idle_seq_len"]


def idle_seq_len(subgrids: Iterable[Subgrid]) -> str:
    """Return a warning where a spec has a `seq_len` and no model, or no task, of sequences; empty otherwise."""
    able = [name for name, family in FAMILIES.items() if "seq_len" not in family.ignores]
    models: dict[str, None] = {}
    tasks: dict[str, None] = {}
    length_given = False
    for subgrid in subgrids:
        models |= dict.fromkeys(model.name for model in subgrid.values("model"))
        tasks |= dict.fromkeys(task.name for task in subgrid.values("task"))
        length_given = length_given or "seq_len" in dict(subgrid.fixed) or "seq_len" in subgrid.varied
    if not length_given:
        return ""
    if models.keys() & set(able):
        of_samples = not any(TASKS[task].of_sequences for task in tasks)
        return f"seq_len means nothing to {listed(tasks)}, whose samples are no sequences" if of_samples else ""
    return f"seq_len means nothing to {listed(models)}; models of sequences are {listed(able, 'and')}"


def barely_enough(subgrids: Iterable[Subgrid]) -> Iterator[str]:
    """Yield a warning for each component with a number so small that almost no gradient comes through it."""
    for subgrid in subgrids:
        for key, registry in REGISTRIES.items():
            for named in subgrid.values(key):
                for other, advised in registry[named.name].advised.items():
                    small = next((value for value in subgrid.values(other) if value < advised), None)
                    if small is not None and subgrid.has(And((_is(key, Pattern(named.name)), _is(other, small)))):
                        combination = f"{key}: {named.name} with {other}: {small} gives 1 and -1 but for its eps"
                        yield f"{combination}: almost no gradient comes through; take a {other} of at least {advised}"


def _is(key: str, constant: Constant) -> Condition:
    return Condition(key, "=", (constant,))
