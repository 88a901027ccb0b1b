"""Small clips, rows and datasets for tests: yours as well as ours.

Example:
    >>> from mosdata.testing import clip, utterance
    >>> utterance(3, system="my-tts").clip().sample_rate_hz
    16000
"""

from mosdata.testing.clips import clip, speechlike
from mosdata.testing.datasets import human_ratings, utterance, write_dataset

__all__ = ["clip", "human_ratings", "speechlike", "utterance", "write_dataset"]
