"""Rows, ratings, ids, schema and splits; the dataset on disk."""
