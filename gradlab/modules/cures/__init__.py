"""Changes that may help a model, each measured on a copy."""
