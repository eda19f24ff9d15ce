"""From measured profiles to the tables of a run. Knows no terminal and no torch; its modules load pandas."""
