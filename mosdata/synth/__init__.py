"""Engines: text to clip."""
