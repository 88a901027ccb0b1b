"""Judges: features, models, training, evaluation."""
