"""How processes begin, live and end: commands, the processes of a training, and the signals that stop them."""
