"""Saying what is true: metrics, intervals, baselines and the report, for any predictor's scores."""
