"""Facts of an engine family: what it needs, what it makes, and on whose terms."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptLimits:
    """What a recording must be like to be cloned; durations in seconds, rate in Hz."""

    min_duration_s: float
    max_duration_s: float
    min_sample_rate_hz: int
    needs_text: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One set of weights of a family: the system (class) that it makes.

    ``files`` are what its model folder must hold; ``weights_ids`` say where people get them
    (never fetched by us); ``options`` go to the adapter with what the user set. ``clones`` is
    False for weights that speak in voices of their own only, in a family that clones.
    """

    system: str
    sample_rate_hz: int
    languages: tuple[str, ...]
    weights_license: str
    output_terms: str
    license: str
    files: tuple[str, ...] = ()
    weights_ids: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    max_chars: int = 200
    vocoder: str = ""
    clones: bool = True
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """An engine family: code, environment and checkpoints.

    ``adapter`` is a module of ``mosdata.synth.adapters``. ``repository`` and ``commit`` name the
    checkout where upstream is no package; ``submodules`` lie inside it. ``python`` is the version
    for the environment that ``mosdata engines install`` makes from ``lock`` (a file in
    ``mosdata/synth/engines/locks``). An engine without ``lock`` runs in mosdata's own environment.
    ``text_frontend`` is that of ``mosdata.synth.base.SystemInfo``. ``dtype`` is what the adapter is
    told where nobody sets one; empty means that it chooses by the device.
    """

    name: str
    adapter: str
    family: str
    code_license: str
    source_url: str
    checkpoints: tuple[Checkpoint, ...]
    repository: str = ""
    commit: str = ""
    submodules: tuple[str, ...] = ()
    python: str = "3.11"
    lock: str = ""
    prompt: PromptLimits | None = None
    needs_gpu: bool = False
    gpu_memory_gb: float = 0.0
    load_deadline_s: float = 600.0
    seconds_per_char: float = 0.065
    recycle_after: int = 0
    text_frontend: str = "mosdata"
    dtype: str = "float32"
    terms_note: str = ""
    sampling: dict[str, float] = field(default_factory=dict)
