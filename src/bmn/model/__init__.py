"""The network, its boundary-matching layer, and its weights in files."""
