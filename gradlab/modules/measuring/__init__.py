"""One model measured with one batch: forward, back, the numbers of every block."""
