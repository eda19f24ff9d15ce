"""Architectures of the user, any `torch.nn.Module`, trained in banks: replicas stacked where the module allows it, one
after another elsewhere, and measured along the cuts of their graphs.

The room stands above `families`, as `modules` does, whose graphs it reads; a plugin's declaration names it by text.
"""
