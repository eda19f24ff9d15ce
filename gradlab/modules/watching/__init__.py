"""A training loop of the user, measured from its own backward passes."""
