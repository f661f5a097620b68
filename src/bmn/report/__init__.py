"""Pages and figures: what the data look like, how good the proposals are.

More than ten modules: one for each page, and the figures, facts and tables that they share.
"""
