"""Corruptions: clip to clip."""
