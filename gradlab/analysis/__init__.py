"""What is concluded from the tables of runs. No files but through `store`, no terminal."""
