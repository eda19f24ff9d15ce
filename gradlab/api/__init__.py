"""One function for each command, used by the command line and by ``import gradlab as gl`` alike."""
