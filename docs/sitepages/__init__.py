"""Pages of the documentation site that follow from the code, and how files of the repository are shown in it."""
