"""Upstream's inference."""
