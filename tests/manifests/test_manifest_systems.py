"""The class list only ever grows at its end."""

from hypothesis import given
from hypothesis import strategies as st

from mosdata.manifests.systems import SYSTEM_NAMES, class_names
from mosdata.synth.systems import SYSTEMS

FIRST_RELEASE = (
    "natural",
    "unknown",
    "cosyvoice-300m",
    "cosyvoice2-0.5b",
    "fireredtts",
    "f5tts-24khz",
    "espeak-formant",
    "espeak-klatt",
    "espeak-formant-griffinlim",
    "espeak-formant-lpc",
    "espeak-formant-world",
    "espeak-formant-sinusoidal",
    "espeak-klatt-griffinlim",
    "espeak-klatt-lpc",
    "espeak-klatt-world",
    "espeak-klatt-sinusoidal",
    "flite-diphone",
    "flite-clustergen",
    "festival-diphone",
    "festival-hts",
    "tone",
)
"""Never edit: append the names of a release when it is out."""


def test_the_class_list_begins_as_it_did_at_first():
    """An index means the same system in every dataset that was ever written."""
    assert SYSTEM_NAMES[: len(FIRST_RELEASE)] == FIRST_RELEASE


def test_each_name_stands_for_one_class():
    """No name twice, and every system that can be built has a class."""
    assert len({*SYSTEM_NAMES}) == len(SYSTEM_NAMES)
    assert {*SYSTEMS} <= {*SYSTEM_NAMES}


@given(st.lists(st.sampled_from(SYSTEM_NAMES) | st.text(min_size=1, max_size=9)))
def test_users_systems_come_after_ours(names):
    """Whatever a dataset adds, the committed indices stay, and each name has one index."""
    found = class_names(names)

    assert tuple(found[: len(SYSTEM_NAMES)]) == SYSTEM_NAMES
    assert {*found} == {*SYSTEM_NAMES, *names}
    assert len({*found}) == len(found)
