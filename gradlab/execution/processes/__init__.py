"""Banks in worker processes of this machine, owned by us: the death of one costs one bank and one restart.

`pool` is the executor, `process` the parent's end of one worker, `child` what runs in it, `channel` the frames
between them, `machine` what the operating system tells about cores, memory and how a process ended.
"""

from gradlab.execution.processes.pool import LocalExecutor

__all__ = ["LocalExecutor"]
