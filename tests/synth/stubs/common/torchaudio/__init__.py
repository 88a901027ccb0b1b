"""Stands for torchaudio in tests of adapters: there, so that it can be opened."""


def load(uri):
    """Replaced when it is opened."""
    raise RuntimeError("torchcodec is missing")
