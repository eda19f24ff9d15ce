"""One grid by many runners: what a user would write in plain torch, and gradlab.

`setting` has the grid, the data and the networks; `measurements` what is recorded of them, once for all peers; `loop`
trains one cell, `ensemble` all cells of one shape with torch.func; `launchers` has the runners, `agreement` compares
their numbers with gradlab's, `process` times one in a process of its own. `python -m peers RUNNER GRID` is such a
process: it prints one line of JSON.
"""
