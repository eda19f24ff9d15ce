"""The parameters of a watched model by name, asked for again at each measured step."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["NamedParameters"]


class NamedParameters:
    """As `dict(model.named_parameters())`, which walks over every module, and whether it is still that."""

    def __init__(self, model: nn.Module) -> None:
        self.by_name: dict[str, Tensor] = dict(model.named_parameters())
        self._places: list[tuple[nn.Module, str, Tensor]] = []
        for name, parameter in self.by_name.items():
            owner, _, attribute = name.rpartition(".")
            self._places.append((model.get_submodule(owner), attribute, parameter))

    @property
    def current(self) -> bool:
        """Whether each parameter is still where it was. Modules added since are no part of the blocks."""
        return all(owner._parameters.get(attribute) is parameter for owner, attribute, parameter in self._places)
