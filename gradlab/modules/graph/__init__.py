"""The autograd graph of a forward pass, and what was recorded of it."""
