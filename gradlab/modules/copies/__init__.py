"""Copies of a model, and what they leave as it was."""
