"""Updates of the flat buffer: torch.optim's own optimisers, clipping, penalties, learning-rate schedules."""

from gradlab.optim.clip import Clipping, Clips, Penalty
from gradlab.optim.rules import Rule
from gradlab.optim.schedule import schedule
from gradlab.optim.updates import BankOptimizer

__all__ = ["BankOptimizer", "Clipping", "Clips", "Penalty", "Rule", "schedule"]
