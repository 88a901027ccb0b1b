"""One audio file of a corpus: its true properties, and a reason where it cannot be taken in."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.corpora.sound import FLAGS, read_header, take_in
from mosdata.errors import RecordRejected
from mosdata.testing import speechlike


def file_of(samples, rate=16_000, kind="WAV", subtype="PCM_16"):
    """Bytes of an audio file."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_the_rate_of_the_file_is_kept(rate):
    """Nothing is resampled: the samples are those of the file."""
    clip = speechlike(0.3, rate)

    sound = take_in(file_of(clip.samples, rate, subtype="FLOAT"))

    assert rate == sound.clip.sample_rate_hz
    np.testing.assert_array_equal(clip.samples, sound.clip.samples)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("WAV", "ULAW"),
        ("FLAC", "PCM_16"),
        ("MP3", "MPEG_LAYER_III"),
        ("OGG", "VORBIS"),
        ("AIFF", "PCM_16"),
    ],
)
def test_the_encoding_is_named_as_it_is(kind, subtype):
    """Container and samples, so that a lossy origin can be told later."""
    data = file_of(speechlike(0.5).samples, kind=kind, subtype=subtype)

    assert f"{kind}/{subtype}" == take_in(data).encoding


def test_channels_that_are_copies_are_one():
    """A mono recording saved as stereo is the mono recording."""
    mono = speechlike(0.2).samples

    sound = take_in(file_of(np.stack([mono, mono], axis=1), subtype="FLOAT"))

    assert (sound.num_channels, sound.flags) == (2, ())
    np.testing.assert_array_equal(mono, sound.clip.samples)


def test_channels_that_differ_are_averaged_and_flagged():
    """The mean, computed in double precision."""
    both = np.stack([speechlike(0.2, seed=1).samples, speechlike(0.2, seed=2).samples], axis=1)

    sound = take_in(file_of(both, subtype="FLOAT"))

    assert ("downmixed",) == sound.flags
    np.testing.assert_allclose(both.mean(axis=1), sound.clip.samples, atol=1e-7)


def test_samples_beyond_full_scale_are_flagged():
    """Only where there are some: full scale itself is inside."""
    loud, full = np.array([1.5, -0.2] * 400), np.array([1.0, -1.0] * 400)

    assert ("over_full_scale",) == take_in(file_of(loud, subtype="FLOAT")).flags
    assert () == take_in(file_of(full, subtype="FLOAT")).flags


def test_digital_silence_is_kept_and_flagged():
    """Somebody has rated it."""
    assert ("silent",) == take_in(file_of(np.zeros(800))).flags


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_file"),
        (b"RIFF", "unreadable_audio"),
        (b"<html>404 not found</html>" * 9, "unreadable_audio"),
        (file_of(np.zeros(0)), "empty_audio"),
        (file_of(np.zeros(1)), "too_short"),
        (file_of(np.full(800, np.nan), subtype="FLOAT"), "not_finite"),
        (file_of(np.full(800, np.inf), subtype="FLOAT"), "not_finite"),
        (file_of(np.zeros(800), rate=700_000), "unsupported_rate"),
        (file_of(np.zeros(800), rate=65_537), "unsupported_rate"),
        (file_of(speechlike(1).samples, kind="FLAC")[:9_000], "unreadable_audio"),
        (file_of(speechlike(1).samples)[:16_000], "truncated_audio"),
        (file_of(speechlike(1).samples, kind="MP3", subtype="MPEG_LAYER_III")[:3_000],
         "truncated_audio"),
    ],
)  # fmt: skip
def test_what_is_no_sound_has_a_reason(data, reason):
    """A code that summaries count by, and words without a path in them."""
    with pytest.raises(RecordRejected) as error:
        take_in(data)

    assert reason == error.value.reason
    assert len(str(error.value)) > 20


def test_a_few_missing_samples_are_a_flag():
    """Up to one in a hundred; people will not have heard the difference."""
    assert ("truncated",) == take_in(file_of(speechlike(1).samples)[:-100]).flags


def test_a_writer_that_did_not_know_the_length_is_no_truncation():
    """Streams put the largest number where the length belongs."""
    data = bytearray(file_of(speechlike(0.5).samples))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"

    assert take_in(bytes(data)).flags == ()


def test_the_header_says_rate_and_length():
    """Without decoding; nothing for what is no audio."""
    header = read_header(file_of(np.zeros(4_000), rate=8_000))

    assert (8_000, 0.5) == (header.sample_rate_hz, header.duration_s)
    assert read_header(b"no audio") is None


@given(st.binary(max_size=200), st.sampled_from([b"", b"RIFF", b"fLaC", b"OggS", b"ID3\x03"]))
def test_any_bytes_are_taken_in_or_rejected(tail, head):
    """No other error, whatever a corpus holds."""
    try:
        sound = take_in(head + tail)
    except RecordRejected:
        return
    assert {*FLAGS} >= {*sound.flags}
