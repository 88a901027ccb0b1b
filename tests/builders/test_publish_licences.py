"""Which licence says all that the licences inside a dataset ask for, and when none does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.builders.licences import LICENCES, strictest_terms, together

NO_TERMS = "LicenseRef-no-engine-terms"


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (["CC0-1.0"], "CC0-1.0"),
        ([NO_TERMS, "CC0-1.0"], "CC0-1.0"),
        (["CC0-1.0", "MIT"], "MIT"),
        (["MIT", "Apache-2.0"], "Apache-2.0"),
        (["MIT-Festival", "Apache-2.0"], "Apache-2.0"),
        (["MIT", "BSD-3-Clause"], "BSD-3-Clause"),
        (["Apache-2.0", "CC-BY-4.0", "CC0-1.0"], "CC-BY-4.0"),
        (["CC-BY-3.0", "CC-BY-4.0"], "CC-BY-4.0"),
        (["CC-BY-4.0", "CC-BY-SA-4.0"], "CC-BY-SA-4.0"),
        (["CC-BY-4.0", "CC-BY-NC-4.0"], "CC-BY-NC-4.0"),
        (["CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"], "CC-BY-NC-SA-4.0"),
        (["GPL-3.0-only", "GPL-3.0-or-later", "MIT"], "GPL-3.0-or-later"),
        (["CC-BY-SA-4.0", "CC-BY-NC-4.0"], None),
        (["CC-BY-SA-4.0", "CC-BY-NC-SA-4.0"], None),
        (["CC-BY-SA-3.0", "CC-BY-SA-4.0"], None),
        (["CC-BY-NC-SA-4.0", "CC-BY-ND-4.0"], None),
        (["GPL-3.0-or-later", "CC-BY-4.0"], None),
        (["GPL-2.0-only", "GPL-3.0-only"], None),
        (["CC0-1.0", "unknown"], None),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else str(value),
)
def test_the_strictest_of_what_is_inside(inside, expected):
    """The table of docs/publish.md, row by row."""
    found = together(inside).licence

    assert expected == (found.spdx if found else None)


@given(st.sets(st.sampled_from(sorted(LICENCES))))
def test_the_answer_asks_for_all_that_is_asked_for(inside):
    """Whatever is mixed: one licence inside that asks for everything, or a conflict is named."""
    found = together(inside)

    asked = {ask for name in inside for ask in LICENCES[name].asks}
    if found.licence is not None:
        assert found.licence.spdx in inside
        assert asked == found.licence.asks
    assert (found.licence is None and bool(inside)) == bool(found.conflicts)


@given(st.lists(st.sampled_from(sorted(LICENCES)), min_size=1))
def test_order_and_repetition_do_not_matter(inside):
    """A set of licences has one answer."""
    assert together(inside) == together(reversed([*inside, *inside]))


@pytest.mark.parametrize(
    ("inside", "front"),
    [
        (["MIT"], {"license": "mit"}),
        (["unknown"], {"license": "unknown"}),
        ([""], {"license": "unknown"}),
        (
            ["MIT-Festival"],
            {
                "license": "other",
                "license_name": "mit-festival",
                "license_link": "https://spdx.org/licenses/MIT-Festival",
            },
        ),
        (
            [NO_TERMS],
            {
                "license": "other",
                "license_name": "licenseref-no-engine-terms",
                "license_link": "LICENSE.md",
            },
        ),
        (
            ["Blizzard-2013"],
            {
                "license": "other",
                "license_name": "blizzard-2013",
                "license_link": "LICENSE.md",
            },
        ),
        (
            ["CC-BY-SA-4.0", "CC-BY-NC-4.0"],
            {
                "license": "other",
                "license_name": "several-licences",
                "license_link": "LICENSE.md",
            },
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_the_metadata_of_the_card(inside, front):
    """One of the Hub's own names, or ``other`` with a name and a link."""
    assert front == together(inside).front_matter


def test_a_conflict_says_what_stands_against_what():
    """Both licences, and what each asks for that the other does not."""
    (conflict,) = together(["CC-BY-SA-4.0", "CC-BY-NC-4.0", "MIT"]).conflicts

    assert "CC-BY-SA-4.0 asks for: changed copies only under CC-BY-SA-4.0" in conflict
    assert "CC-BY-NC-4.0 asks for: no commercial use" in conflict
    assert "MIT" not in conflict


def test_licences_of_code_are_marked():
    """The GPL rules an engine's code; that is said where a clip carries it."""
    assert {name for name, licence in LICENCES.items() if licence.of_code} == {
        "GPL-2.0-only",
        "GPL-2.0-or-later",
        "GPL-3.0-only",
        "GPL-3.0-or-later",
    }


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (["open"], "open"),
        (["open", "non-commercial"], "non-commercial"),
        (["non-commercial", "restricted"], "restricted"),
        (["restricted", "unknown"], "unknown"),
        (["open", "made up"], "made up"),
        ([], "unknown"),
    ],
)
def test_the_strictest_terms(terms, expected):
    """What nobody declared is as strict as unknown."""
    assert expected == strictest_terms(terms)
