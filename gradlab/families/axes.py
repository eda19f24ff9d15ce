"""The axes that tables run over, of models as a table writes them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from gradlab.families import FAMILIES, Axis, family_of

__all__ = ["axis_of", "idle_attributes", "known_axes", "length_settings", "models_by_axis"]


def known_axes() -> list[Axis]:
    """Return the axes that some family has, in the order of the families."""
    return list(dict.fromkeys(family.axis for family in FAMILIES.values()))


def length_settings() -> frozenset[str]:
    """Return the settings that are a length of networks: `depth`, and those of the families' axes."""
    return frozenset({"depth", *(family.axis.setting for family in FAMILIES.values())})


def idle_attributes(models: Collection[str]) -> frozenset[str]:
    """Return the attributes of a cell that mean nothing to any of some models; none where one is not known here."""
    families = [family_of(str(model)) for model in set(models)]
    ignored = [frozenset(family.ignores if family else ()) for family in families]
    return frozenset.intersection(*ignored) if ignored else frozenset()


def models_by_axis(models: Collection[str]) -> dict[Axis, list[str]]:
    """Return the models by the axis of their family, in the order of the families.

    A model that is not known here counts as one with the first family's axis.
    """
    ordered = known_axes()
    axes = {model: ordered[0] if (family := family_of(str(model))) is None else family.axis for model in models}
    return {axis: members for axis in ordered if (members := [model for model in models if axes[model] == axis])}


def axis_of(models: Collection[str], varying: Collection[str] = ()) -> Axis:
    """Return the axis that a table of these models runs over, of whose settings some are `varying`.

    It runs over the setting of their axis, unless of the two only `depth` varies. Of several axes it is the last one:
    networks without its setting have no value of it.
    """
    axis = list(models_by_axis(models))[-1]
    return axis if axis.setting in varying or "depth" not in varying else replace(axis, setting="depth")
