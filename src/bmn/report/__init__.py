"""What the converted data look like: facts, figures, a page."""
