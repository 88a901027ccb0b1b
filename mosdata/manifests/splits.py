"""Train, validation and test by shares, so that nobody ever moves.

The split of a group is a function of its name, the shares and the salt alone: adding groups later
moves none, and everything that goes by the group's name follows it. Rules over several keys, folds
and leave-one-out are in :mod:`mosdata.manifests.group_rules`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from mosdata.errors import InvalidValue
from mosdata.manifests.ids import unit_hash

SPLITS: Final = ("train", "validation", "test")

UNUSED: Final = "unused"
"""Where a row goes that may be on no side: its keys disagree, or one of them is not known."""


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
    def parse(cls, text: str, *, option: str = "--split") -> SplitRule:
        """Read ``"8:1:1"``, or ``"85:15"`` for train and validation without a test.

        Two shares are train and validation, as where the test is a corpus of its own: a set that
        choices are made on is not a test.

        Args:
            text: two or three numbers with colons between them.
            option: how the user gave it, for the message.

        Raises:
            InvalidValue: not two or three numbers, one negative, or nothing for training.
        """
        try:
            train, validation, *rest = (float(part) for part in text.split(":"))
            (test,) = rest or [0.0]
        except ValueError as error:
            raise InvalidValue(
                option,
                text,
                "train:validation:test, such as 8:1:1, or train:validation, such as 85:15",
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
