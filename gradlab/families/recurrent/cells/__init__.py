"""One layer of a recurrent network for R replicas: cells as maps of one step, and a whole sequence of them.

`T` time steps, `N` batch, `H` units, `G` rows of the recurrent matrix: H for each of its blocks, a gate or the
candidate, in the order of `blocks`. A cell first maps the inputs of all steps at once (`project`), then goes step by
step from a state of zeros. `along` takes a hand-written backward pass where there is one (`sequence`) and
plain autograd elsewhere; both give the same numbers.

Norms stand where Ba 2016 (arXiv 1607.06450) has them: in a vanilla cell around the sum of inputs and recurrence
(its equation 4), in LSTM and GRU around each of the two by itself, and around the cell state of an LSTM on its way
to the output (its supplement); of a minimal cell around the sum in its gate.
"""

from __future__ import annotations

from gradlab.families.recurrent.cells.base import Learned, RecurrentCell, cuts
from gradlab.families.recurrent.cells.kinds import CELLS

__all__ = ["CELLS", "Learned", "RecurrentCell", "cuts"]
