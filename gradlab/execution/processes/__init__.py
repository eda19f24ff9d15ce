"""Banks in worker processes of this machine, owned by us: the death of one costs one bank and one restart.

(The pool of concurrent.futures is broken by the death of any of its workers, and all that is in work is lost.)
`pool` is the executor, `worker` the parent's end of one worker process, `child` what runs in it, `machine` what the
operating system tells about cores, memory and how a process ended.
"""

from gradlab.execution.processes.pool import LocalExecutor

__all__ = ["LocalExecutor"]
