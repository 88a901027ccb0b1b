"""Receipts: the only truth about what is done.

A shard is done when its receipt exists. The receipt names the Parquet file, its checksum, what is
in it and what was rejected; the first writer wins, so two workers on one shard do no harm.
Progress, resume and verification read receipts and nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mosdata.builders.plan import Plan, Shard
from mosdata.manifests.durable import create_text, sha256_file
from mosdata.manifests.places import is_remote, read_all, sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One record that could not be made, and why; a row of the quarantine."""

    record_id: str
    group: str
    split: str
    reason: str
    message: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one shard became. ``file`` is relative to the run folder, None without rows.

    ``num_taken_over`` counts rows that an earlier dataset had already.
    """

    shard_key: str
    file: str | None
    sha256: str
    num_bytes: int
    num_rows: int
    duration_s: float
    content_sum: int
    rejections: tuple[Rejection, ...] = field(default=())
    num_taken_over: int = 0


def receipt_path(folder: Path, shard: Shard) -> Path:
    """Where the receipt of a shard lies."""
    return folder / "receipts" / f"{shard.index:06d}-{shard.key[:16]}.json"


def save_receipt(folder: Path, shard: Shard, receipt: Receipt) -> bool:
    """Write the receipt unless there is one; True where ours is the first."""
    values = {**asdict(receipt), "content_sum": f"{receipt.content_sum:x}"}
    return create_text(receipt_path(folder, shard), json.dumps(values, ensure_ascii=False))


def load_receipt(folder: Path, shard: Shard) -> Receipt | None:
    """The receipt of a shard, or None where it is not done or its receipt is damaged."""
    try:
        text = receipt_path(folder, shard).read_bytes()
    except FileNotFoundError:
        return None
    return _parsed(text, shard)


def _parsed(text: bytes, shard: Shard) -> Receipt | None:
    try:
        values: dict[str, Any] = json.loads(text)
        values["content_sum"] = int(values["content_sum"], 16)
        values["rejections"] = tuple(Rejection(**entry) for entry in values["rejections"])
        receipt = Receipt(**values)
    except (KeyError, TypeError, ValueError):
        return None
    return receipt if receipt.shard_key == shard.key else None


def receipt_names(folder: Path) -> set[str]:
    """Names of the receipts that there are, damaged or not."""
    place = folder / "receipts"
    if is_remote(folder):
        return {*sizes(place)}
    return set(os.listdir(place)) if place.is_dir() else set()  # noqa: PTH208 - 10,000 names


def load_receipts(folder: Path, plan: Plan) -> dict[int, Receipt]:
    """All receipts of a plan by shard index; where there is none, nothing is asked for."""
    place = folder / "receipts"
    if is_remote(folder):
        known = {receipt_path(folder, shard).name: shard for shard in plan.shards}
        texts = read_all(place, {name: n for name, n in sizes(place).items() if name in known})
        parsed = ((known[name].index, _parsed(texts[name], known[name])) for name in texts)
        return {index: receipt for index, receipt in sorted(parsed) if receipt is not None}
    names = receipt_names(folder)
    present = (shard for shard in plan.shards if receipt_path(folder, shard).name in names)
    found = ((shard.index, load_receipt(folder, shard)) for shard in present)
    return {index: receipt for index, receipt in found if receipt is not None}


def is_there(folder: Path, receipt: Receipt) -> bool:
    """Whether the file of a receipt exists and has its size; says nothing of what is in it."""
    if receipt.file is None:
        return True
    if is_remote(folder):
        return bool(those_there(folder, {0: receipt}))
    try:
        return os.stat(folder / receipt.file).st_size == receipt.num_bytes  # noqa: PTH116 - speed
    except FileNotFoundError:
        return False


def those_there(folder: Path, receipts: Mapping[int, Receipt]) -> dict[int, Receipt]:
    """The receipts whose file exists and has its size; an object store is asked once for all."""
    if not is_remote(folder):
        return {i: receipt for i, receipt in receipts.items() if is_there(folder, receipt)}
    listed = sizes(folder / "attempts") if receipts else {}
    return {
        i: receipt
        for i, receipt in receipts.items()
        if receipt.file is None
        or listed.get(receipt.file.removeprefix("attempts/")) == receipt.num_bytes
    }


def is_intact(folder: Path, receipt: Receipt) -> bool:
    """Whether the file of a receipt is there and is what was written, to the byte."""
    if receipt.file is None:
        return True
    return is_there(folder, receipt) and sha256_file(folder / receipt.file) == receipt.sha256


def drop_receipt(folder: Path, shard: Shard) -> None:
    """Forget a shard whose file or receipt is damaged, so that it is made again."""
    receipt_path(folder, shard).unlink(missing_ok=True)
