"""Normalised RGB crops straight from a decoder's video planes."""
