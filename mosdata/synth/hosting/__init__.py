"""Engines in environments of their own, each behind a pipe."""
