"""Stage 2: annotation formats, their checks, and the packing of features."""
