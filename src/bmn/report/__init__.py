"""Pages and figures: what the data look like, how good the proposals are."""
