"""Rated corpora as they come: tables in many layouts, audio beside them."""

from mosdata.corpora.layouts import LAYOUTS, describe_layouts
from mosdata.corpora.read import read_corpus
from mosdata.corpora.table import CLIP_COLUMNS, Finding, RatedCorpus

__all__ = [
    "CLIP_COLUMNS",
    "LAYOUTS",
    "Finding",
    "RatedCorpus",
    "describe_layouts",
    "read_corpus",
]
