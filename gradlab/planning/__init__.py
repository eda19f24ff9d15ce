"""Which cells share a bank, and what a bank costs. No torch."""
