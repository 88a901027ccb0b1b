"""Vocoders: speech to a few parameters and back."""
