"""The blocks of a model: which tensors of its graph, and what they are called."""
