"""Reads motion in the formats and layouts that others publish, all into the same Clip."""
