"""Layers for R replicas at once. Tensors carry the replica first; nothing here knows cells, specs or tasks."""
