"""Reports for people: the report model, and its drawings for a terminal, as pictures, as a page and for TensorBoard."""
