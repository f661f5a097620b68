"""Recipes for params.yaml: presets and the parameters for your own data; and edits that keep its comments."""
