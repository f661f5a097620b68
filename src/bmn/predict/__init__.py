"""Proposals from an exported program; nothing of training or tracking is needed."""
