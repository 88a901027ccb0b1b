"""The page of ``mosdata ladder``: how a clip looks, sounds and scores from step to step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from mosdata.audio import Clip, encode_flac
from mosdata.augment.calibration import CURVE
from mosdata.builders.ladder import Ladder, Rung
from mosdata.evaluation import page
from mosdata.evaluation.svg import INK, MARKERS, MUTED, SERIES, drawing, finish

FLOOR_DB: Final = -80.0
SHOWN: Final = 5
"""Steps that are drawn as sound; scores are drawn for all."""

FRAME_S: Final = 0.032
MAX_FRAMES: Final = 600

RANGES: Final = {"pesq": (1.0, 4.7), "stoi": (0.0, 1.02), "dnsmos": (1.0, 5.0)}
NAMES: Final = {
    "pesq.mos_lqo": "PESQ, MOS-LQO",
    "stoi.stoi": "STOI",
    "dnsmos.p808": "DNSMOS P.808",
}


def ladder_page(ladder: Ladder, rungs: Sequence[Rung]) -> str:
    """One file that needs nothing beside it."""
    shown = spread_out(rungs)
    about = (
        f"{ladder.clip_name}, {ladder.clip.duration_s:.2f} s at "
        f"{ladder.clip.sample_rate_hz:,} Hz, seed {ladder.seed}. One damage, and more of it."
    )
    title = f"{ladder.kind}: a ladder"
    head = page.tag("div", page.tag("h1", title), class_="title")
    listen = [[f"{r.level:g}", _told(r), page.audio(encode_flac(r.clip))] for r in shown]
    numbers = [[f"{r.level:g}", *(page.number(x) for x in r.scores.values())] for r in rungs]
    sound = page.section(
        "sound",
        "Sound",
        page.figure(
            sounds(ladder.kind, shown),
            f"Waveform and spectrogram (to {-FLOOR_DB:g} dB below the loudest point of the first) "
            "at some of the levels.",
        ),
        page.table("Listen", ["level", "what was done", ""], listen, text_columns=[1, 2]),
    )
    judged = page.section(
        "scores",
        "Scores",
        page.figure(
            scores(ladder.kind, rungs),
            "What metrics say against the level. Dashed: the published curve, a mean over clips; "
            "a single clip lies beside it.",
        ),
        page.table(
            "Scores", ["level", *(NAMES.get(name, name) for name in rungs[0].scores)], numbers
        ),
    )
    footer = "Written by mosdata ladder; levels and curve: docs/corruptions.md."
    return page.page(
        title,
        page.tag("header", [head, page.tag("p", about)]),
        page.tag("main", [sound, *([judged] if rungs[0].scores else [])]),
        page.tag("footer", footer),
    )


def sounds(kind: str, rungs: Sequence[Rung]) -> str:
    """Waveforms over spectrograms, one column a level."""
    alt = f"Waveform and spectrogram of a clip under {kind} at {len(rungs)} levels."
    with drawing_of_sounds(rungs) as figure:
        return finish(figure, name=f"sound-{kind}", alt=alt)


@contextmanager
def drawing_of_sounds(rungs: Sequence[Rung]) -> Iterator[Any]:
    """The same as a matplotlib figure, to be kept in another format."""
    with drawing(2.0 * len(rungs) + 0.6, 3.6) as figure:
        axes = figure.subplots(
            2, len(rungs), sharex=True, sharey="row", squeeze=False, height_ratios=(1, 2)
        )
        loudest_db = float(_spectrogram_db(rungs[0].clip).max())
        peak = max(float(np.abs(rung.clip.samples).max()) for rung in rungs)
        for column, rung in enumerate(rungs):
            _waveform(axes[0][column], rung, peak)
            _spectrogram(axes[1][column], rung.clip, loudest_db)
        axes[0][0].set_ylabel("amplitude")
        axes[1][0].set_ylabel("kHz")
        yield figure


def scores(kind: str, rungs: Sequence[Rung]) -> str:
    """One panel a metric."""
    names = list(rungs[0].scores)
    alt = f"Scores of {', '.join(names) or 'no metric'} against the level of {kind}."
    with drawing(3.1 * max(1, len(names)), 2.7) as figure:
        panels = figure.subplots(1, max(1, len(names)), squeeze=False)[0]
        for number, (axes, name) in enumerate(zip(panels, names, strict=False)):
            if name == "pesq.mos_lqo":
                axes.plot(*zip(*CURVE, strict=True), color=MUTED, linestyle="--", linewidth=1)
            known = [(r.level, r.scores[name]) for r in rungs if r.scores[name] is not None]
            if known:
                axes.plot(
                    *zip(*known, strict=True),
                    color=SERIES[number],
                    marker=MARKERS[number % 5],
                    ms=3.5,
                )
            axes.set_ylim(*RANGES.get(name.partition(".")[0], (None, None)))
            axes.set_xlim(-0.02, 1.02)
            axes.set_title(NAMES.get(name, name))
            axes.set_xlabel("level")
        if not names:
            panels[0].set_axis_off()
        return finish(figure, name=f"scores-{kind}", alt=alt)


def _waveform(axes: Any, rung: Rung, peak: float) -> None:
    """Least and greatest sample of each of some hundred parts: what a drawing can show."""
    samples = rung.clip.samples
    parts = np.array_split(samples, min(400, len(samples)))
    times_s = np.linspace(0, rung.clip.duration_s, len(parts))
    lows, highs = [part.min() for part in parts], [part.max() for part in parts]
    axes.fill_between(times_s, lows, highs, color=INK, linewidth=0)
    axes.set_ylim(-peak, peak)
    axes.set_title(f"level {rung.level:g}")
    axes.grid(visible=False)


def _spectrogram(axes: Any, clip: Clip, loudest_db: float) -> None:
    image = _spectrogram_db(clip) - loudest_db
    axes.imshow(
        image,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=FLOOR_DB,
        vmax=0,
        extent=(0, clip.duration_s, 0, clip.sample_rate_hz / 2000),
        interpolation="nearest",
    )
    axes.set_xlabel("s")
    axes.grid(visible=False)


def _spectrogram_db(clip: Clip) -> np.ndarray:
    """Power in dB, frequencies by frames; hops grow with the clip."""
    length = max(16, round(FRAME_S * clip.sample_rate_hz))
    samples = np.pad(clip.samples, (0, max(0, length - clip.num_samples)))
    hop = max(length // 4, (len(samples) - length) // MAX_FRAMES + 1)
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]
    powers = np.abs(np.fft.rfft(frames * np.hanning(length).astype(np.float32))) ** 2
    return 10 * np.log10(powers.T + 1e-12)


def spread_out(rungs: Sequence[Rung]) -> list[Rung]:
    """Some of the steps, the first and the last among them."""
    if len(rungs) <= SHOWN:
        return list(rungs)
    return [rungs[round(i * (len(rungs) - 1) / (SHOWN - 1))] for i in range(SHOWN)]


def _told(rung: Rung) -> str:
    """What was done, in physical values."""
    values = {
        name: value
        for name, value in rung.params.items()
        if not isinstance(value, bool) and not name.endswith("seed")
    }
    told = [f"{k} {v:g}" if isinstance(v, int | float) else f"{k} {v}" for k, v in values.items()]
    return ", ".join(told) or "nothing"
