"""Tiny model folders with random weights, in each engine's own format: plumbing, not speech."""
