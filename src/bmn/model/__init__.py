"""The network, its boundary-matching layer and its losses: tensors in, tensors out, no files."""
