"""What a batch is made of: videos, windows, subsets and their packed features."""
