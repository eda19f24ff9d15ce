"""What both faces use to speak to a terminal: the console, reports and JSON on it, the display of a run."""
