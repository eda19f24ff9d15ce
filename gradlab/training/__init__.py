"""Training a bank: the one loop, batches, number formats, checkpoints and measurements. Loads torch."""
