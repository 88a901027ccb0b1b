"""Rows on disk: the schema that ``datasets`` would write, and nothing lost on the way."""

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosdata.errors import DamagedDataset
from mosdata.manifests.rows import Applied, Rating, Utterance
from mosdata.manifests.schema import (
    CLIPS,
    RATINGS,
    class_names_of,
    clips_schema,
    clips_table,
    ratings_schema,
    ratings_table,
    utterances_from,
)
from mosdata.manifests.store import ParquetRows, content_sum
from mosdata.manifests.systems import class_names
from mosdata.testing import utterance

NAMES = class_names(["my-tts"])

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
FLOAT64 = st.floats(allow_nan=False, allow_infinity=False)
PARAMS = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOAT64 | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
APPLIED = st.builds(
    Applied, name=TEXT, level=st.floats(0, 1), params=st.dictionaries(TEXT, PARAMS, max_size=3)
)
UTTERANCES = st.builds(
    Utterance,
    id=TEXT,
    audio=st.binary(max_size=40),
    sample_rate_hz=st.integers(1, 2**31 - 1),
    num_samples=st.integers(0, 2**40),
    duration_s=FLOAT64,
    text=TEXT,
    language=TEXT,
    speaker=TEXT,
    synthesizer=st.sampled_from(NAMES),
    system=TEXT,
    engine_revision=TEXT,
    dataset=TEXT,
    sentence=TEXT,
    voice=TEXT,
    text_spoken=TEXT,
    boundaries_s=st.lists(FLOAT64, max_size=3).map(tuple),
    engine_fingerprint=TEXT,
    speech_s=st.none() | FLOAT64,
    heard=st.none() | TEXT,
    parent_id=st.none() | TEXT,
    corruptions=st.lists(APPLIED, max_size=3).map(tuple),
    mos=st.none() | FLOAT64,
    mos_std=st.none() | FLOAT64,
    mos_votes=st.none() | st.integers(0, 2**31 - 1),
    mos_scale=st.none() | TEXT,
    seed=st.integers(0, 2**64 - 1),
    license=TEXT,
    code_license=TEXT,
    weights_license=TEXT,
    output_terms=TEXT,
    pcm_sha256=TEXT,
    flags=st.lists(TEXT, max_size=3).map(tuple),
    sample_rate_source_hz=st.integers(0, 2**31 - 1),
    num_channels_source=st.integers(0, 2**15 - 1),
    encoding_source=TEXT,
    bandwidth_hz=FLOAT32,
    peak_dbfs=FLOAT32,
    rms_dbfs=FLOAT32,
    clipped_fraction=FLOAT32,
)
RATINGS_ROWS = st.builds(
    Rating,
    clip_id=TEXT,
    kind=TEXT,
    dimension=TEXT,
    scale=TEXT,
    value=FLOAT64,
    votes=st.none() | st.integers(0, 2**31 - 1),
    std=st.none() | FLOAT64,
    rater=st.none() | TEXT,
    test=st.none() | TEXT,
    revision=st.none() | TEXT,
)


def through_parquet(folder, rows):
    """Rows as they come back from a file."""
    schema = clips_schema(class_names=NAMES, sample_rate_hz=16_000)
    path = folder / "rows.parquet"
    writer = ParquetRows(path, schema)
    writer.write(clips_table(rows, schema))
    writer.close()
    return [*utterances_from(pq.read_table(path), NAMES)]


@pytest.mark.parametrize("rate_hz", [16_000, 48_000, None])
def test_the_schema_is_the_one_that_datasets_would_write(rate_hz):
    """Types and metadata, byte for byte, so that ``load_dataset`` sees Audio and ClassLabel."""
    from datasets import Audio, ClassLabel, Features, List, Value

    def feature(kind: pa.DataType) -> object:
        if pa.types.is_list(kind):
            return List(feature(kind.value_type))
        if pa.types.is_struct(kind):
            return {kind.field(i).name: feature(kind.field(i).type) for i in range(kind.num_fields)}
        return Value({"float": "float32", "double": "float64"}.get(str(kind), str(kind)))

    features = {name: feature(kind) for name, (kind, _) in CLIPS.items()}
    features["audio"] = Audio(sampling_rate=rate_hz)
    features["synthesizer"] = ClassLabel(names=NAMES)
    theirs = Features(features).arrow_schema

    ours = clips_schema(class_names=NAMES, sample_rate_hz=rate_hz)

    assert theirs.equals(ours.remove_metadata(), check_metadata=False)
    assert theirs.metadata[b"huggingface"] == ours.metadata[b"huggingface"]
    assert Features.from_arrow_schema(ours) == Features(features)


def test_the_schema_says_its_version_and_its_table():
    """What a reader of another version needs to know is in the file itself."""
    about = [
        json.loads(schema.metadata[b"mosdata"])
        for schema in (clips_schema(class_names=NAMES, sample_rate_hz=8_000), ratings_schema())
    ]

    assert about == [
        {"schema_version": "3", "table": "clips"},
        {"schema_version": "3", "table": "ratings"},
    ]


def test_every_field_of_a_row_is_a_column():
    """Nothing that a row knows is left behind."""
    assert {*Utterance.__dataclass_fields__} == {*CLIPS}
    assert [*Rating.__dataclass_fields__] == [*RATINGS]


@settings(max_examples=40)
@given(rows=st.lists(UTTERANCES, min_size=1, max_size=4))
def test_rows_come_back_from_parquet_as_they_were(tmp_path_factory, rows):
    """Every field, None and nested parameters included; so does their content digest."""
    back = through_parquet(tmp_path_factory.mktemp("rows"), rows)

    assert rows == back
    assert content_sum(rows) == content_sum(back)


@given(rows=st.lists(RATINGS_ROWS, min_size=1, max_size=5))
def test_ratings_come_back_as_they_were(rows):
    """Every field of every score."""
    assert rows == [Rating(**values) for values in ratings_table(rows).to_pylist()]


def test_columns_that_were_not_read_keep_a_blank():
    """A row of some columns is a row."""
    (row,) = utterances_from(pa.table({"id": ["a"], "text": ["Hello."]}), NAMES)

    assert (row.id, row.text, row.audio, row.corruptions, row.mos) == ("a", "Hello.", b"", (), None)


def test_a_system_without_a_class_is_refused():
    """A row is never written under another system's index."""
    schema = clips_schema(class_names=NAMES, sample_rate_hz=16_000)

    with pytest.raises(DamagedDataset, match="'no-such-tts' is not in the class list"):
        clips_table([utterance(synthesizer="no-such-tts")], schema)


@pytest.mark.parametrize(
    "metadata", [None, {"huggingface": "not json"}, {"huggingface": "{}"}, {"other": "x"}]
)
def test_a_table_of_somebody_else_has_no_class_list(metadata):
    """The reader is told that this is not one of our tables."""
    with pytest.raises(DamagedDataset, match="no class list"):
        class_names_of(pa.schema([("id", pa.string())], metadata=metadata))


def test_the_class_list_comes_back_from_the_schema():
    """By name and in order."""
    assert class_names_of(clips_schema(class_names=NAMES, sample_rate_hz=16_000)) == NAMES


def test_audio_is_stored_as_it_is_and_the_rest_packed(tmp_path):
    """FLAC is compressed already; a reader can map its bytes."""
    through_parquet(tmp_path, [utterance(i) for i in range(3)])

    group = pq.read_metadata(tmp_path / "rows.parquet").row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    codecs = {column.path_in_schema: column.compression for column in columns}
    assert codecs.pop("audio.bytes") == "UNCOMPRESSED"
    assert {*codecs.values()} == {"ZSTD"}


def test_sounds_lie_in_pages_of_a_megabyte(tmp_path):
    """However they came: a reader of one clip needs no whole row group."""
    sizes = []
    schema = clips_schema(class_names=NAMES, sample_rate_hz=16_000)
    rows = [replace(utterance(), id=f"{i}", audio=bytes(300_000)) for i in range(16)]
    table = clips_table(rows, schema)
    for name, part in (("apart", table), ("joined", table.combine_chunks())):
        path = tmp_path / name
        writer = ParquetRows(path, schema)
        writer.write(part)
        writer.close()
        group = pq.read_metadata(path).row_group(0)
        columns = [group.column(i) for i in range(group.num_columns)]
        (sounds,) = (one for one in columns if one.path_in_schema == "audio.bytes")
        sizes.append(sounds.total_uncompressed_size - sum(4 + len(row.audio) for row in rows))

    assert sizes[0] >= 4 * 25  # the header of a page takes 25 bytes or more
    assert sizes[1] >= 2 * 25


@pytest.mark.parametrize("sounds", [(b"a", b"bc", b"d" * 99), (b"a", b"", b"c"), (b"", b"")])
def test_sound_is_not_copied_and_silent_rows_have_none(tmp_path, sounds):
    """Each a chunk of its own, in the memory of the bytes; read back as it was."""
    blank = utterance()
    rows = [replace(blank, id=f"{i}", audio=sound) for i, sound in enumerate(sounds)]
    schema = clips_schema(class_names=NAMES, sample_rate_hz=16_000)
    expected = [{"bytes": s, "path": f"{i}.flac"} if s else None for i, s in enumerate(sounds)]

    table = clips_table(rows, schema)

    table.validate(full=True)
    assert expected == table["audio"].to_pylist()
    for sound, chunk in zip(sounds, table["audio"].chunks, strict=True):
        if sound:
            assert chunk.field("bytes").buffers()[2].address == pa.py_buffer(sound).address
    assert [*sounds] == [row.audio for row in through_parquet(tmp_path, rows)]


def test_no_rows_are_a_table_too():
    """Of the same schema."""
    schema = clips_schema(class_names=NAMES, sample_rate_hz=16_000)

    table = clips_table([], schema)

    assert (table.num_rows, table.schema) == (0, schema)
