"""Python's face: what ``import gradlab as gl`` offers. See docs/python.md."""
