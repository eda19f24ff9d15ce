"""What a spec expects of its results: statements that a computer can check. Parsing and judging; no torch, no terminal.

A statement compares a column of ``summary.csv`` with a number or with another one:

    survival[activation=sigmoid, depth=32] < 1e-6
    learned[activation=relu, depth<=16] >= 0.8
    survival[norm=batch] > 10 * survival[norm=none]
    decay[activation=sigmoid] within 2% of theory_decay
    max(log10_survival[activation=tanh]) < 0.5

The brackets choose configurations, and all of them must satisfy it.
"""

from gradlab.query.grammar import StatementError, Written, parse
from gradlab.query.judge import Judgement, judge
from gradlab.query.model import COLUMNS, Choice, Expectation, Side, Statement, Term

__all__ = [
    "COLUMNS",
    "Choice",
    "Expectation",
    "Judgement",
    "Side",
    "Statement",
    "StatementError",
    "Term",
    "Written",
    "judge",
    "parse",
]
