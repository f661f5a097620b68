"""What params.yaml can be switched to: presets, and what a person's own data need; and edits that keep its comments."""
