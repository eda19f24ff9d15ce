"""How banks are computed: in this process, in worker processes, on a Ray cluster; scheduling, retries and failures.

This file imports nothing, so that `processes.starting` is there before everything else.
"""
