"""What runs in an engine's own environment; see ``worker.py``."""
