"""Stage 1: raw features and annotations, from wherever they are."""
