"""Ids are names of what a record is; chance belongs to the record."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.manifests.ids import canonical_json, rng_for, seed_for, stable_id, unit_hash

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)

IN_A_FRESH_PROCESS = """
from mosdata.manifests.ids import rng_for, seed_for, stable_id, unit_hash
key = {"text": "Grüße, 世界", "take": 3, "level": 0.3, "nested": {"b": [1, None], "a": True}}
name = stable_id("clip", key)
print(name, seed_for(7, name, "synth", bits=32), unit_hash(name))
print(rng_for(7, name, "white_noise").integers(0, 2**63, 4).tolist())
"""


def test_ids_seeds_and_draws_are_the_same_in_every_process():
    """Neither a new process nor another hash seed changes a name or a number."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", IN_A_FRESH_PROCESS],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    ]

    assert len({*runs}) == 1


def test_ids_and_draws_are_those_of_every_earlier_version():
    """Written down once: if these change, every dataset that exists has other ids."""
    name = stable_id("text", {"text": "The birch canoe slid on the smooth planks."})

    assert name == "4wajfmfjn264o5epczbj223hp4"
    assert seed_for(0, name, "synth", bits=32) == 530086275
    assert unit_hash(name) == pytest.approx(0.004218463681938747, abs=0)
    assert rng_for(0, name, "white_noise").integers(0, 1000, 5).tolist() == [721, 330, 523, 588, 28]


@given(st.dictionaries(TEXT, VALUES, max_size=5), st.randoms())
def test_an_id_does_not_depend_on_the_order_of_its_keys(key, random):
    """A name says what is in the key, not how it was put together."""
    items = list(key.items())
    random.shuffle(items)

    assert stable_id("clip", key) == stable_id("clip", dict(items))


@given(VALUES)
def test_canonical_json_is_json(value):
    """What is hashed can be read again by anybody."""
    assert value == json.loads(canonical_json(value))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_does_not_have_are_refused(value):
    """NaN would spell the same for different faults."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"level": value})


def test_the_kind_is_part_of_the_name():
    """A clip and a text of the same key are two things."""
    assert stable_id("clip", {"a": 1}) != stable_id("text", {"a": 1})


@given(st.lists(TEXT, unique=True, min_size=2, max_size=6), st.randoms())
def test_what_a_record_draws_does_not_depend_on_who_drew_before(records, random):
    """Any order of records gives each the same numbers."""
    shuffled = random.sample(records, len(records))
    forward = {record: rng_for(5, record, "noise").random() for record in records}
    backward = {record: rng_for(5, record, "noise").random() for record in shuffled}

    assert forward == backward
    assert len({*forward.values()}) == len(records)


@given(st.integers(0, 2**40), TEXT, TEXT)
def test_each_part_of_a_seed_matters(seed, record, purpose):
    """Run, record and purpose each give other chances, and do not run into one another."""
    own = seed_for(seed, record, purpose)

    assert own != seed_for(seed + 1, record, purpose)
    assert own != seed_for(seed, record + "x", purpose)
    assert own != seed_for(seed, record, purpose + "x")
    assert 0 <= seed_for(seed, record, purpose, bits=32) < 2**32


@given(TEXT)
def test_a_unit_hash_is_a_share(text):
    """At least 0, below 1."""
    assert 0 <= unit_hash(text) < 1


def test_unit_hashes_are_spread_evenly():
    """A tenth of many names falls into each tenth."""
    counts = [0] * 10
    for index in range(10_000):
        counts[int(unit_hash(f"name-{index}") * 10)] += 1

    assert max(abs(count - 1000) for count in counts) < 5 * 30  # 5 standard deviations
