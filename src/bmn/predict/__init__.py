"""Proposals from an exported program, without training or tracking."""
