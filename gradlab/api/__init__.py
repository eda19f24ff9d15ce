"""One module for each command: a function from paths, specs or settings and an options object to a result object.

The command line (`gradlab.cli`) and Python (`gradlab.python`) call these; nothing here parses arguments or prints.
"""
