"""Errors are words for users, and they travel between processes."""

import pickle

import pytest

from mosdata import errors
from mosdata.errors import InvalidValue, MissingExtra, MosdataError, RecordRejected, UnknownName

MADE = [
    UnknownName("corruption", "white-noise", ["white_noise", "mp3"]),
    InvalidValue("--level", 1.5, "0 to 1", "Try 0.3."),
    MissingExtra("DNSMOS", ["onnxruntime"], "metrics"),
    RecordRejected("empty_text", "The text is empty."),
]


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_to_another_process(error):
    """Kind, words, reason and exit code, whatever its constructor takes."""
    there = pickle.loads(pickle.dumps(error))

    assert type(error) is type(there)
    assert str(error) == str(there)
    assert error.exit_code == there.exit_code
    assert getattr(error, "reason", None) == getattr(there, "reason", None)


def test_every_error_is_drawn_in_the_tree():
    """The module's docstring names each kind."""
    kinds = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, MosdataError)
    ]

    assert [] == [kind.__name__ for kind in kinds if kind.__name__ not in (errors.__doc__ or "")]
