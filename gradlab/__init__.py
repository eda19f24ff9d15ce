"""gradlab: find out, with numbers that hold, whether gradients survive in a deep network."""

__version__ = "0.1.0"
