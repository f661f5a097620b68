"""Stage 2: reading and validating annotations, and packing features."""
