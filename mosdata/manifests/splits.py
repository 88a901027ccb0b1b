"""Train, validation and test by sentence, so that no text is on both sides.

A split is a function of the sentence group's id alone: adding texts later moves nobody, and
every voice, system and corrupted copy of a sentence follows it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from mosdata.errors import InvalidValue
from mosdata.manifests.ids import unit_hash

SPLITS: Final = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRule:
    """Shares of train, validation and test, in proportion to each other.

    Example:
        >>> SplitRule.parse("8:1:1").split_of("some-root-id") in SPLITS
        True
    """

    shares: tuple[float, float, float] = (8.0, 1.0, 1.0)
    salt: str = ""

    def __post_init__(self) -> None:
        if not all(0 <= share < math.inf for share in self.shares) or not self.shares[0]:
            given = ":".join(f"{share:g}" for share in self.shares)
            raise InvalidValue("split", given, "shares of 0 or more, with some for train")

    @classmethod
    def parse(cls, text: str) -> SplitRule:
        """Read ``"8:1:1"``.

        Raises:
            InvalidValue: not three numbers, one negative, or nothing for training.
        """
        try:
            train, validation, test = (float(part) for part in text.split(":"))
        except ValueError as error:
            raise InvalidValue(
                "--split", text, "three numbers, train:validation:test, such as 8:1:1"
            ) from error
        return cls(shares=(train, validation, test))

    def split_of(self, sentence: str) -> str:
        """The split of a sentence group."""
        place = unit_hash(f"split/{self.salt}/{sentence}") * sum(self.shares)
        for name, share in zip(SPLITS, self.shares, strict=True):
            if place < share:
                return name
            place -= share
        return SPLITS[0]
