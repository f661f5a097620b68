"""How processes start, live and end: commands, training processes, and the signals that stop them."""
