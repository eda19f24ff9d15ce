"""The executor over worker processes of this machine.

The processes are gradlab's own: the death of one costs one bank and one restart, where the pool of concurrent.futures
is broken by the death of any worker and loses every bank in work. `pool` is the executor, `starting` and `server` fork
the processes, `worker` is the parent's end of one, `child` its main function, `machine` reads CPUs, memory kills and
exit codes from the operating system.
"""
