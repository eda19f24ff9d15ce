"""Components of the user: files of them, and their registration. Loads no torch."""

from gradlab.plugins.loading import load, plugin, shipped
from gradlab.plugins.registration import activation, family, init, norm, optimizer, task

__all__ = ["activation", "family", "init", "load", "norm", "optimizer", "plugin", "shipped", "task"]
