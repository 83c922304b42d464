"""Attention of a whole sequence under a sliding window."""
