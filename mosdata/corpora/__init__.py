"""Rated corpora as they come: tables in many layouts, audio beside them."""
