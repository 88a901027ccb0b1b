"""What every kind of work looks like to the machinery: records in, rows out.

``build``, ``import``, ``corrupt`` and ``label`` differ in two places only: how records are
planned (once, in the driver, cheaply) and what a bench makes of one record (in a worker,
anywhere). Plan, execution, receipts and commit are the same code for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, Protocol, cast, runtime_checkable

from mosdata.errors import InvalidValue, UnknownName
from mosdata.manifests.ids import JSON
from mosdata.manifests.places import is_remote
from mosdata.manifests.rows import Rating, Unstored, Utterance

Made = Utterance | Unstored | Rating
"""What benches make."""

Table = Literal["clips", "ratings"]

GPUS_INPUT: Final = "gpus"
"""Key of :attr:`StageSpec.inputs`: group -> share of a GPU, as JSON, for those that need one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One unit of work: becomes rows, or one row in the quarantine.

    Records of a shard share ``split`` and ``group`` (the system, say); ``payload`` is all that
    the bench needs to know, as JSON.
    """

    id: str
    split: str
    group: str
    payload: dict[str, JSON]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a plan will cost, before anything is made."""

    num_records: int
    duration_s: float
    num_bytes: int
    details: tuple[Mapping[str, JSON], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """All that a worker must know of a stage, as JSON.

    ``config`` is identity: the same config and records give the same bytes, so it holds no path,
    host or time. ``inputs`` says where things lie on this machine.
    """

    name: str
    table: Table
    config: dict[str, JSON]
    class_names: tuple[str, ...] = ()
    sample_rate_hz: int | None = None
    inputs: dict[str, str] = field(default_factory=dict)


class Stage(Protocol):
    """The planning side of a kind of work; lives in the driver."""

    @property
    def spec(self) -> StageSpec:
        """What workers need."""
        ...

    @property
    def needs_gpu(self) -> bool:
        """Whether ``auto`` execution should look for GPUs."""
        ...

    def records(self) -> Iterator[Record]:
        """Everything to be made, in plan order; records of one (split, group) are adjacent."""
        ...

    def estimate(self) -> Estimate:
        """Counts, hours and bytes."""
        ...

    def provenance(self) -> dict[str, JSON]:
        """Engines, metrics, licences and versions behind the rows."""
        ...


class Bench(Protocol):
    """The making side; built once per worker, where engines and models are loaded."""

    def make(self, record: Record) -> Sequence[Made]:
        """Rows of one record; sounds that are not encoded yet will be, some of them together.

        Raises:
            RecordRejected: this record cannot be made; the reason goes to the quarantine.
        """
        ...


@runtime_checkable
class ClosingBench(Protocol):
    """A bench that holds processes or devices."""

    def close(self) -> None:
        """Give them back; it may be used again."""
        ...


BENCHES: Final = {
    "build": "mosdata.builders.speech:SpeechBench",
    "corrupt": "mosdata.builders.corrupt:CorruptBench",
    "label": "mosdata.builders.label:LabelBench",
    "import": "mosdata.builders.import_bench:ImportBench",
}


def open_bench(spec: StageSpec) -> Bench:
    """Load what a worker of this stage needs."""
    if spec.name not in BENCHES:
        raise UnknownName("stage", spec.name, BENCHES)
    module, _, attribute = BENCHES[spec.name].partition(":")
    return cast("Bench", getattr(import_module(module), attribute)(spec))


def spec_from_json(values: Mapping[str, Any]) -> StageSpec:
    """The inverse of ``dataclasses.asdict`` on a :class:`StageSpec` after JSON."""
    return StageSpec(**{**values, "class_names": tuple(values["class_names"])})


def run_folder(out: Path) -> Path:
    """Where the run that makes ``out`` keeps its state: ``OUT.run`` beside it."""
    if is_remote(out) and not out.name:
        raise InvalidValue("The folder", out, "an address below a bucket, such as s3://bucket/out")
    named = out.resolve() if out.name in ("", "..") else out  # "." has no name of its own
    return named.with_name(f"{named.name}.run")
