"""Clips of a dataset, fetched by their places."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mosdata.builders import sources
from mosdata.builders.sources import SourceClips, places
from mosdata.manifests.store import ROW_GROUP_ROWS
from mosdata.testing import speechlike, utterance, write_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Three row groups of one short sound."""
    row = utterance(0, speechlike(0.1, seed=0))
    rows = [replace(row, id=f"clip-{i:04d}") for i in range(2 * ROW_GROUP_ROWS + 1)]
    return write_dataset(tmp_path_factory.mktemp("sources") / "data", {"train": rows})


@pytest.fixture
def read(monkeypatch):
    """The row groups that are read from the disk, in order."""
    groups = []

    def rows_of(reader, group, *rest):
        groups.append(group)
        return real(reader, group, *rest)

    real = sources.rows_of
    monkeypatch.setattr(sources, "rows_of", rows_of)
    return groups


def test_every_place_leads_to_its_clip(dataset):
    """In file order, and backwards."""
    known = [(place, row["id"]) for _, place, row in places(dataset, ("id",))]
    clips = SourceClips(dataset.folder)

    assert len(known) == dataset.num_rows
    for place, clip_id in [*known, *reversed(known)]:
        assert clips.fetch(place).id == clip_id


def test_a_clip_from_elsewhere_leaves_the_group_at_hand_in_memory(dataset, read):
    """Copies of one source are made one after the other, with clips of any group mixed in."""
    first = {place.group: place for _, place, _ in reversed([*places(dataset, ("id",))])}
    clips = SourceClips(dataset.folder, keep_groups=2)
    for mixed_in in (1, 2, 1, 2):
        clips.fetch(first[0])
        clips.fetch(first[mixed_in])

    assert read == [0, 1, 2, 1, 2]
