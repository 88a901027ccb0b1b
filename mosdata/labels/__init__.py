"""Objective metrics: clip, and perhaps its clean source, to scores."""
