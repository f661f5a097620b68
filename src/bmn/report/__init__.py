"""The pages that people open: what the data look like, how good the proposals are."""
