"""A torchaudio that cannot decode, as the one on PyPI without FFmpeg."""


def load(uri, *args, **kwargs):
    msg = "could not load libtorchcodec"
    raise RuntimeError(msg)
