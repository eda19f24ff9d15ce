"""Architectures, written once for R replicas. They know blocks and taps, not tasks and not training."""
