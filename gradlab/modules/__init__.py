"""Models of the user: any `torch.nn.Module`, measured along the cuts of its autograd graph.

`probe.measure` makes one profile of a model. It works on a copy in float64 (`isolation`), records one forward pass
(`capture`), counts the paths of its graph (`graph`), chooses the blocks (`chain`), goes back once with the gradient
rescaled at the cuts (`backward`) and reads the activations that the graph keeps (`activations`).
"""
