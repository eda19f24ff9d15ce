"""Components of the user: files of them, and their registration. Loads no torch."""

from gradlab.plugins.loading import load, plugin, shipped
from gradlab.plugins.registration import activation, family, init, module, norm, optimizer, task

__all__ = ["activation", "family", "init", "load", "module", "norm", "optimizer", "plugin", "shipped", "task"]
