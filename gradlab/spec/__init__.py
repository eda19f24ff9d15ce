"""From a YAML file to a checked `Spec`: YAML with places, ranges, components, overrides, every error at once."""

from gradlab.spec.dump import dump
from gradlab.spec.load import from_mapping, load, loads
from gradlab.spec.model import Axis, Exclude, Spec, Subgrid
from gradlab.spec.plain import plain

__all__ = ["Axis", "Exclude", "Spec", "Subgrid", "dump", "from_mapping", "load", "loads", "plain"]
