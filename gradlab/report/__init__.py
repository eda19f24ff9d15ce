"""From tables to something a person reads. Knows no training and no torch."""
