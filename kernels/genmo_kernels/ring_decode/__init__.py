"""Attention of one new token per stream over a ring of cached tokens."""
