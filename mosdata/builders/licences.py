"""What the licences inside a dataset ask for, and which one licence says it all, if one does.

A licence is the set of things that it asks of whoever uses a clip; it is stricter than another
if it asks for all of that and more. That is a partial order, not a ranking: CC-BY-SA-4.0 and
CC-BY-NC-4.0 each ask for something that the other does not, and no third licence may be put in
their place (share-alike clips stay under their own licence). Then there is no single answer, the
card says ``other`` and names every licence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

TERMS_STRICTEST_FIRST: Final = ("unknown", "restricted", "non-commercial", "open")
LICENCE_FILE: Final = "LICENSE.md"
"""The hub wants its ``license_link`` to be this file or an address."""

UNKNOWN: Final = "unknown"
NOTICE, CHANGES, CREDIT = "keep the notice", "say what was changed", "name the authors"
NON_COMMERCIAL, NO_DERIVATIVES = "no commercial use", "no changed copies"
SOURCE: Final = "offer the source code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """A licence and what it asks for.

    Args:
        spdx: its SPDX id, as rows carry it.
        asks: what a user of a clip must do or leave.
        hub: its name in the metadata of a dataset card; None where the hub has none.
        url: its text.
        of_code: written for programs. It rules an engine's code; whether it reaches the sound
            that the engine makes is not said, so it has to be read.
    """

    spdx: str
    asks: frozenset[str]
    hub: str | None = None
    url: str = ""
    of_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Several licences as one: the strictest, or none where each asks for something else."""

    licence: Licence | None
    conflicts: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def front_matter(self) -> dict[str, str]:
        """The lines of the card's metadata."""
        if self.licence and self.licence.hub:
            return {"license": self.licence.hub}
        if self.licence and self.licence.spdx == UNKNOWN:
            return {"license": UNKNOWN}
        name = "several-licences" if self.licence is None else self.licence.spdx.lower()
        link = self.licence.url if self.licence else ""
        link = link or LICENCE_FILE
        return {"license": "other", "license_name": name, "license_link": link}


def _licence(
    spdx: str, *asks: str, hub: str | None = None, url: str = "", of_code: bool = False
) -> Licence:
    link = url or ("" if spdx.startswith("LicenseRef-") else f"https://spdx.org/licenses/{spdx}")
    return Licence(spdx=spdx, asks=frozenset(asks), hub=hub, url=link, of_code=of_code)


_BY: Final = (NOTICE, CHANGES, CREDIT)


def _alike(spdx: str) -> str:
    return f"changed copies only under {spdx}"


LICENCES: Final[Mapping[str, Licence]] = {
    licence.spdx: licence
    for licence in (
        _licence("LicenseRef-no-engine-terms"),
        _licence("CC0-1.0", hub="cc0-1.0"),
        _licence("MIT", NOTICE, hub="mit"),
        _licence("BSD-2-Clause", NOTICE, hub="bsd-2-clause"),
        _licence("BSD-3-Clause", NOTICE, hub="bsd-3-clause"),
        _licence("MIT-Festival", NOTICE, CHANGES),
        _licence("Apache-2.0", NOTICE, CHANGES, hub="apache-2.0"),
        _licence("ODC-By-1.0", NOTICE, CREDIT, hub="odc-by"),
        _licence("CC-BY-3.0", *_BY, hub="cc-by-3.0"),
        _licence("CC-BY-4.0", *_BY, hub="cc-by-4.0"),
        _licence("CC-BY-SA-3.0", *_BY, _alike("CC-BY-SA-3.0"), hub="cc-by-sa-3.0"),
        _licence("CC-BY-SA-4.0", *_BY, _alike("CC-BY-SA-4.0"), hub="cc-by-sa-4.0"),
        _licence("CC-BY-NC-4.0", *_BY, NON_COMMERCIAL, hub="cc-by-nc-4.0"),
        _licence(
            "CC-BY-NC-SA-4.0",
            *_BY,
            NON_COMMERCIAL,
            _alike("CC-BY-NC-SA-4.0"),
            hub="cc-by-nc-sa-4.0",
        ),
        _licence("CC-BY-ND-4.0", *_BY, NO_DERIVATIVES, hub="cc-by-nd-4.0"),
        _licence("CC-BY-NC-ND-4.0", *_BY, NON_COMMERCIAL, NO_DERIVATIVES, hub="cc-by-nc-nd-4.0"),
        *(
            _licence(
                f"{name}-{ending}", NOTICE, CHANGES, SOURCE, _alike(name), hub=hub, of_code=True
            )
            for name, hub in (("GPL-2.0", "gpl-2.0"), ("GPL-3.0", "gpl-3.0"))
            for ending in ("only", "or-later")
        ),
    )
}
"""Licences that are known, by SPDX id; of two that ask for the same, the later one is named."""


def together(licences: Iterable[str]) -> Together:
    """The strictest of some licences, by SPDX id, or expressions of them with AND.

    Example:
        >>> together(["CC0-1.0", "MIT", "CC-BY-4.0"]).front_matter
        {'license': 'cc-by-4.0'}
        >>> mixed = together(["CC-BY-SA-4.0", "CC-BY-NC-4.0"])
        >>> mixed.licence, mixed.front_matter["license_name"]
        (None, 'several-licences')
    """
    given = {part for name in licences for part in name.split(" AND ")}
    unknown = tuple(sorted(name or UNKNOWN for name in given if name not in LICENCES))
    known = [licence for name, licence in LICENCES.items() if name in given]
    peaks = [a for a in known if not any(a.asks < b.asks for b in known)]
    if unknown:
        sole = Licence(spdx=unknown[0], asks=frozenset()) if len(given) == 1 else None
        return Together(licence=sole, conflicts=(), unknown=unknown)
    if peaks and all(peak.asks == peaks[0].asks for peak in peaks):
        return Together(licence=peaks[-1], conflicts=(), unknown=())
    conflicts = tuple(
        _conflict(a, b) for i, a in enumerate(peaks) for b in peaks[i + 1 :] if a.asks != b.asks
    )
    return Together(licence=None, conflicts=conflicts, unknown=())


def strictest_terms(terms: Iterable[str]) -> str:
    """The strictest of some output terms; what nobody declared counts as unknown.

    Example:
        >>> strictest_terms(["open", "non-commercial"])
        'non-commercial'
    """
    ranks = {name: rank for rank, name in enumerate(TERMS_STRICTEST_FIRST)}
    return min(terms, key=lambda term: ranks.get(term, 0), default="unknown")


def _conflict(a: Licence, b: Licence) -> str:
    only_a, only_b = sorted(a.asks - b.asks), sorted(b.asks - a.asks)
    return (
        f"{a.spdx} asks for: {', '.join(only_a)}; {b.spdx} asks for: {', '.join(only_b)}. "
        "No licence of the two says both."
    )
