"""Measure how much every corruption harms, and lay its levels on one published curve.

    python benchmarks/calibrate.py --speak CLIPS             # adds clean synthetic speech
    python benchmarks/calibrate.py --clips CLIPS --held-out OTHERS [--kinds speech] [--noise DIR]
                                   [--impulse-responses DIR] [--work DIR] [--workers 2] [--write]
    python benchmarks/calibrate.py --held-out OTHERS [--write]  # what the committed levels do there

``CLIPS`` and ``OTHERS`` hold clean speech, one folder per speaker, 20 clips or more each, of
different speakers; add real speech of your own.
For each kind the mean PESQ (wide band, P.862.2) of ``CLIPS`` is measured over positions of its
scale, the curve of ``mosdata.augment.calibration`` is inverted, measured again at 20 levels, and
inverted once more. What is reported of the levels as they then are, PESQ clip by clip at 20 levels
and STOI, is of ``OTHERS``, which had no part in it. ``gain``, which PESQ cannot hear, is laid on
the curve by the E-model (ITU-T G.107) instead. What was measured is kept in ``--work`` and not
measured twice, so a run can be stopped and repeated; a kind is measured again when its code or its
scale changes. ``--write`` puts knots and report into ``mosdata/augment/calibration.json``; without
``--kinds`` for all, else for those, and without ``--clips`` the report alone.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mosdata.audio import Clip, decode_audio, resample
from mosdata.augment.base import Corruption
from mosdata.augment.calibration import (
    ANCHORED_ELSEWHERE,
    FILE,
    between,
    expected_mos_lqo,
    knots_of,
    measurement_of,
)
from mosdata.augment.corruptions import CORRUPTIONS, build_corruption, expand_kinds
from mosdata.augment.pool import MemoryPool
from mosdata.errors import RecordRejected, UsageError
from mosdata.labels.base import Metric
from mosdata.labels.metrics import build_metric
from mosdata.manifests.ids import canonical_json, rng_for
from mosdata.manifests.rows import Applied
from mosdata.testing import speechlike

RATE_HZ = 16_000
GRID = (0.0, 0.05, 0.12, 0.2, 0.3, 0.42, 0.55, 0.7, 0.85, 1.0)
KNOTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
ANCHORS = (0.25, 0.5, 0.75, 1.0)
STEPS = tuple(round(0.05 * step, 2) for step in range(1, 21))
LEAST_STEP = 0.003
FLOOR = 1.04
RISE = 0.02
MAX_VOICES = 3
SENTENCES = (
    "The birch canoe slid on the smooth planks, and the crew cheered from the shore.",
    "Glue the sheet to the dark blue background before the paint has time to dry.",
    "It's easy to tell the depth of a well if you drop a stone and count.",
    "Four hours of steady work faced us when the rain had washed the road away.",
)  # Harvard sentences (IEEE 1969), each with a tail of ours so that a clip lasts four seconds
SPEAKING = ("flite-clustergen", "flite-diphone", "festival-hts", "festival-diphone", "espeak-klatt")


class Ground:
    """What every worker has in memory: clips, their speakers, the pool, the metrics."""

    def __init__(self, folder: Path, noise: Path | None, rooms: Path | None) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in (".wav", ".flac"))
        self.clips = {path.relative_to(folder).as_posix(): _clip(path) for path in paths}
        digest = hashlib.sha256()
        for name, clip in self.clips.items():
            digest.update(name.encode() + clip.samples.tobytes())
        self.digest = digest.hexdigest()[:16]
        self.pool = MemoryPool(
            {name: (clip, name, _speaker(name)) for name, clip in self.clips.items()},
            files={
                "noise": _files(noise) or {"babble": self.babble()},
                "impulse_responses": _files(rooms) or {"room": _room()},
            },
        )
        self.metrics = {name: build_metric(name) for name in ("pesq", "stoi")}

    def babble(self) -> Clip:
        """Everybody at once, where no folder of noises is given."""
        loops = [np.resize(clip.samples, 10 * RATE_HZ) for clip in self.clips.values()]
        mixed = np.sum([loop / np.sqrt(np.mean(loop**2)) for loop in loops], axis=0)
        return Clip((0.1 * mixed / np.abs(mixed).max()).astype(np.float32), RATE_HZ)

    @property
    def speakers(self) -> list[str]:
        return sorted({_speaker(name) for name in self.clips})

    def about(self) -> dict[str, object]:
        """What the committed file says of them."""
        return {
            "num_clips": len(self.clips), "num_speakers": len(self.speakers), "digest": self.digest
        }  # fmt: skip

    def corruption(self, name: str, clip: str) -> Corruption:
        return build_corruption(name, pool=self.pool, sentence=clip, speaker=_speaker(clip))

    def measure(
        self, name: str, values: dict[str, float], metrics: tuple[str, ...]
    ) -> dict[str, list[float]]:
        """Scores of every clip, harmed in its own way at these values."""
        scores: dict[str, list[float]] = {metric: [] for metric in metrics}
        for clip_id, clip in self.clips.items():
            corruption = self.corruption(name, clip_id)
            drawn = corruption.draw(1.0, clip, rng_for(0, clip_id, name))
            applied = Applied(name=name, level=1.0, params={**drawn.params, **values})
            try:
                harmed = corruption.apply(clip, applied)
            except RecordRejected as error:  # nothing is left of it
                print(f"{name} of {clip_id}: {error}", file=sys.stderr)
                harmed = None
            for metric in metrics:
                scores[metric].append(_score(self.metrics[metric], harmed, clip))
        return scores


def _clip(path: Path) -> Clip:
    return resample(decode_audio(path), RATE_HZ)


def _files(folder: Path | None) -> dict[str, Clip]:
    paths = sorted(folder.rglob("*.wav")) if folder else []
    return {path.relative_to(folder).as_posix(): decode_audio(path) for path in paths if folder}


def _room() -> Clip:
    from mosdata.augment.reverb import room_response

    params = {"rt60_s": 0.6, "drr_db": 0.0, "room_seed": 1}
    return Clip(room_response(Applied(name="reverb", level=0.5, params=params), RATE_HZ), RATE_HZ)


def _score(metric: Metric, clip: Clip | None, reference: Clip) -> float:
    """NaN where a metric finds nothing to judge, which for PESQ happens when nothing is left."""
    if clip is None:
        return float("nan")
    try:
        (score,) = metric.score(clip, reference).values()
    except RecordRejected:
        return float("nan")
    return float(score)


def _speaker(clip: str) -> str:
    return clip.split("/", maxsplit=1)[0]


@cache
def _ground(*arguments: Path | None) -> Ground:
    """One per process."""
    folder, noise, rooms = arguments
    assert folder is not None
    return Ground(folder, noise, rooms)


def _measure(
    arguments: tuple[Path | None, ...],
    name: str,
    values: dict[str, float],
    metrics: tuple[str, ...],
) -> dict[str, list[float]]:
    return _ground(*arguments).measure(name, values, metrics)


@cache
def _code_of(name: str) -> str:
    """Digest of the module of a kind, as it is run: without docstrings and comments."""
    module = import_module(f"mosdata.augment.{CORRUPTIONS[name].path.partition(':')[0]}")
    tree = ast.parse(Path(str(module.__file__)).read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [line for line in node.body if not _is_text(line)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


class Measurements:
    """Scores by kind and physical values, kept in a file and made by several processes."""

    def __init__(
        self, arguments: tuple[Path | None, ...], file: Path, workers: ProcessPoolExecutor
    ) -> None:
        self._file, self._workers, self._arguments = file, workers, arguments
        self._digest = _ground(*arguments).digest
        lines = file.read_text("utf-8").splitlines() if file.is_file() else []
        self._known = {entry["key"]: entry["scores"] for entry in map(json.loads, lines)}

    def _key(self, name: str, values: dict[str, float], metrics: tuple[str, ...]) -> str:
        return canonical_json([name, values, self._digest, _code_of(name), list(metrics)])

    def at(
        self, wanted: list[tuple[str, dict[str, float]]], *metrics: str
    ) -> list[dict[str, np.ndarray]]:
        """Scores at values, in order; an array over clips for each metric."""
        keys = [self._key(*pair, metrics) for pair in wanted]
        missing = {
            key: pair for key, pair in zip(keys, wanted, strict=True) if key not in self._known
        }
        work = {
            self._workers.submit(_measure, self._arguments, *pair, metrics): key
            for key, pair in missing.items()
        }
        with self._file.open("a", encoding="utf-8") as lines:
            for future in as_completed(work):
                key = work[future]
                self._known[key] = future.result()
                lines.write(json.dumps({"key": key, "scores": self._known[key]}) + "\n")
                lines.flush()
        return [{k: np.array(v) for k, v in self._known[key].items()} for key in keys]


def e_model_mos(attenuation_db: float) -> float:
    """MOS-CQE of the E-model, ITU-T G.107 (06/2015): all values by default but a softer sender.

    Symbols are those of the Recommendation, chapter 7; without delay nothing is lost to echo.
    """
    slr, rlr, ps, ds, pr, lstr = 8.0 + attenuation_db, 2.0, 35.0, 3.0, 35.0, 18.0
    olr = slr + rlr
    pre = pr + 10 * np.log10(1 + 10 ** ((10 - lstr) / 10))  # (7-6)
    noises = (
        -70.0,  # Nc, of the circuit
        ps - slr - ds - 100 + 0.004 * (ps - olr - ds - 14) ** 2,  # Nos (7-4)
        rlr - 121 + pre + 0.008 * (pre - 35) ** 2,  # Nor (7-5)
        -64 + rlr,  # Nfo (7-7)
    )
    no = 10 * np.log10(sum(10 ** (noise / 10) for noise in noises))  # (7-3)
    ro = 15 - 1.5 * (slr + no)  # (7-2)
    xolr = olr + 0.2 * (64 + no - rlr)  # (7-10)
    iolr = 20 * ((1 + (xolr / 8) ** 8) ** (1 / 8) - xolr / 8)  # (7-9)
    stmro = -10 * np.log10(10**-1.5 + 10**-6.5)  # (7-12), STMR 15 and TELR 65 at T = 0
    ist = (
        12 * (1 + ((stmro - 13) / 6) ** 8) ** (1 / 8)
        - 28 * (1 + ((stmro + 1) / 19.4) ** 35) ** (1 / 35)
        - 13 * (1 + ((stmro - 3) / 33) ** 13) ** (1 / 13)
        + 29
    )  # (7-11)
    g = 1.07 + 0.258 * 37 + 0.0602 * 37**2  # (7-15), (7-16) with one quantizing distortion unit
    y, z = (ro - 100) / 15 + 46 / 8.4 - g / 9, 46 / 30 - g / 40
    iq = 15 * np.log10(1 + 10**y + 10**z)  # (7-13), (7-14)
    r = min(100.0, max(0.0, float(ro - iolr - ist - iq)))  # (7-1)
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)  # (B-4)


def scale(name: str, position: float) -> dict[str, float]:
    return dict(build_corruption(name).scale(position, RATE_HZ))  # type: ignore[attr-defined]


def mean_of(scores: np.ndarray) -> float:
    """Mean over clips; one in which PESQ finds no utterance is as bad as can be."""
    return float(np.nan_to_num(scores, nan=FLOOR).mean())


class Search:
    """One kind on its way to the curve."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.means: dict[float, float] = {}
        self.knots: list[tuple[float, float]] = list(knots_of(name))
        self.floor = FLOOR

    def learn(self, positions: list[float], scores: list[dict[str, np.ndarray]]) -> None:
        """Take in what was measured, and lay the knots anew."""
        if self.name in ANCHORED_ELSEWHERE:
            self.learn_of_model()
            return
        for position, score in zip(positions, scores, strict=True):
            self.means[position] = mean_of(score["pesq"])
        self.invert()

    def learn_of_model(self) -> None:
        """Lay the knots by what the E-model says of a gain, instead of PESQ."""
        for position in np.linspace(0, 1, 101).tolist():
            self.means[position] = self.model_mos(position)
        self.invert()

    def model_mos(self, position: float) -> float:
        """MOS of the E-model there."""
        return e_model_mos(-scale(self.name, position)["gain_db"])

    def invert(self) -> None:
        """Knots where the falling line through the means meets the curve."""
        positions = sorted(self.means)
        falling = np.minimum.accumulate([self.means[position] for position in positions])
        self.floor = float(falling[-1])
        self.knots = [(0.0, 0.0)]
        for index, level in enumerate(KNOTS, start=1):
            at = float(np.interp(-self.target(level), -falling, positions))
            least = self.knots[-1][1] + LEAST_STEP  # strictly rising, also where nothing is left
            most = 1 - LEAST_STEP * (len(KNOTS) - index)
            self.knots.append((level, round(min(max(at, least), most), 4)))

    @property
    def anchor(self) -> str:
        """What its levels rest on; as committed, where nothing was measured now."""
        if self.name in ANCHORED_ELSEWHERE:
            return "e-model"
        if not self.means:
            return str(measurement_of(self.name).get("anchor", "position"))
        return "mild" if self.is_mild else "pesq"

    @property
    def is_mild(self) -> bool:
        """Whether its worst is still far above the end of the curve."""
        return self.floor > expected_mos_lqo(1.0) + 0.3

    def target(self, level: float) -> float:
        """The curve; of a mild kind, the same shape down to its own worst."""
        best, end = expected_mos_lqo(0.0), expected_mos_lqo(1.0)
        share = (best - max(self.floor, end)) / (best - end) if self.is_mild else 1.0
        return best - share * (best - expected_mos_lqo(level))

    def position(self, level: float) -> float:
        """Where a level lies."""
        return between(level, self.knots)


def calibrate(names: list[str], measured: Measurements) -> dict[str, Search]:
    """Grid, inversion, 20 levels, inversion; all kinds of a round at once."""
    searches = {name: Search(name) for name in names}
    for levels in (None, STEPS):
        pairs = [
            (name, position)
            for name, search in searches.items()
            for position in ([search.position(x) for x in levels] if levels else GRID)
        ]
        scores = measured.at([(name, scale(name, position)) for name, position in pairs], "pesq")
        for name, search in searches.items():
            rows = [row for row, pair in zip(scores, pairs, strict=True) if pair[0] == name]
            search.learn([position for kind, position in pairs if kind == name], rows)
        print(f"{len(pairs)} places measured", file=sys.stderr, flush=True)
    return searches


def judged(searches: dict[str, Search], measured: Measurements) -> dict[str, dict[str, object]]:
    """What the levels do to clips that had no part in laying them."""
    places, anchors = (
        [
            (name, scale(name, search.position(level)))
            for name, search in searches.items()
            for level in levels
        ]
        for levels in (STEPS, ANCHORS)
    )
    pesq, stoi = measured.at(places, "pesq"), measured.at(anchors, "stoi")
    report = {}
    for index, (name, search) in enumerate(searches.items()):
        rows = slice(index * len(STEPS), (index + 1) * len(STEPS))
        heard = stoi[index * len(ANCHORS) : (index + 1) * len(ANCHORS)]
        report[name] = _report(
            search,
            dict(zip(STEPS, [values for _, values in places[rows]], strict=True)),
            np.nan_to_num(np.array([score["pesq"] for score in pesq[rows]]), nan=FLOOR),
            [float(np.nanmean(score["stoi"])) for score in heard],
        )
    return report


def _report(
    search: Search, values: dict[float, dict[str, float]], clips: np.ndarray, stoi: list[float]
) -> dict[str, object]:
    """Of one kind; ``clips`` is PESQ of (levels, clips)."""
    means = dict(zip(STEPS, clips.mean(axis=1).tolist(), strict=True))
    models = {}
    if search.name in ANCHORED_ELSEWHERE:
        models = {level: search.model_mos(search.position(level)) for level in ANCHORS}
    off = [abs((models or means)[level] - expected_mos_lqo(level)) for level in ANCHORS]
    rises = np.diff(clips, axis=0)
    return {
        "anchor": search.anchor,
        "knots": [list(knot) for knot in search.knots],
        "values": {f"{level:g}": values[level] for level in ANCHORS},
        "mos_lqo": [round(means[level], 2) for level in ANCHORS],
        **({"mos_model": [round(mos, 2) for mos in models.values()]} if models else {}),
        "stoi": [round(mean, 3) for mean in stoi],
        "off_curve": round(max(off), 2),
        "num_steps": len(rises),
        "rising_steps_percent": round(100 * float((rises > RISE).mean()), 2),
        "largest_rise": round(float(rises.max()), 2),
        "rising_means": int((rises.mean(axis=1) > 0.005).sum()),
    }


def table(kinds: dict[str, dict[str, object]]) -> str:
    heads = [f"{level:g}" for level in ANCHORS]
    lines = [
        f"| kind | anchor | MOS-LQO at {' / '.join(heads)} | STOI | off the curve | steps | "
        "rising steps of single clips | rising means |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, kind in kinds.items():
        mos = " / ".join(f"{value:.2f}" for value in kind["mos_lqo"])  # type: ignore[attr-defined]
        stoi = " / ".join(f"{value:.3f}" for value in kind["stoi"])  # type: ignore[attr-defined]
        lines.append(
            f"| `{name}` | {kind['anchor']} | {mos} | {stoi} | {kind['off_curve']:.2f} | "
            f"{kind['num_steps']} | {kind['rising_steps_percent']:.1f} % "
            f"(max {kind['largest_rise']:+.2f}) | "
            f"{kind['rising_means']} |"
        )
    return "\n".join(lines)


def speak(folder: Path) -> None:
    """Clean synthetic speech by the offline systems that are installed here."""
    import soundfile

    from mosdata.synth.base import SpeechRequest
    from mosdata.synth.systems import build_system

    for system in SPEAKING:
        try:
            engine = build_system(system)
        except UsageError as error:
            print(f"{system}: {error}", file=sys.stderr)
            continue
        voices = [voice for voice in engine.voices() if voice.language.startswith("en")][
            :MAX_VOICES
        ]
        for index, voice in enumerate(voices):
            request = SpeechRequest(
                text=SENTENCES[index % len(SENTENCES)], language=voice.language,
                voice=voice.name, seed=0,
            )  # fmt: skip
            made = engine.synthesize(request)
            clip = made if isinstance(made, Clip) else made.clip
            path = folder / f"{system}-{voice.name.replace('/', '-')}" / "1.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, resample(clip, RATE_HZ).samples, RATE_HZ, subtype="PCM_16")
            print(path, f"{clip.duration_s:.1f} s")


def usable(text: str, ground: Ground) -> list[str]:
    """Kinds of a list whose packages are here."""
    names, clip = [], speechlike(0.3)
    first = next(iter(ground.clips))
    for name in expand_kinds(text):
        try:
            ground.corruption(name, first).draw(0.5, clip, rng_for(0, "r", name))
        except (UsageError, RecordRejected) as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
        else:
            names.append(name)
    return names


def write(kinds: dict[str, dict[str, object]], laid: Ground | None, judge: Ground) -> None:
    """Keep what was measured; of levels that were not laid now, what they were laid on."""
    before = json.loads(FILE.read_text("utf-8"))
    merged = {**before["kinds"]}
    for name, kind in kinds.items():
        merged[name] = {
            **kind,
            "made": {
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
                "laid_on": laid.about() if laid else merged[name]["made"]["laid_on"],
                "measured_on": judge.about(),
                "pesq": version("pesq"),
                "pystoi": version("pystoi"),
            },
        }
    lines = [f'  "{name}": {json.dumps(merged[name])}' for name in CORRUPTIONS if name in merged]
    FILE.write_text('{"kinds": {\n' + ",\n".join(lines) + "\n}}\n", encoding="utf-8")


def options_of_call() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speak", type=Path, help="speak clean clips into a folder")
    parser.add_argument("--clips", type=Path, help="clips that the levels are laid on")
    parser.add_argument("--held-out", type=Path, help="clips of others, that they are measured on")
    parser.add_argument("--kinds", default="all")
    parser.add_argument("--noise", type=Path)
    parser.add_argument("--impulse-responses", type=Path)
    parser.add_argument("--work", type=Path, default=Path("calibration"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--grid", action="store_true", help="print PESQ over positions and end")
    parser.add_argument("--report", action="store_true", help="print what is committed")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.clips and not options.held_out and not options.grid:
        parser.error("--clips lays the levels; give --held-out OTHERS to measure them on")
    if options.write and not options.held_out:
        parser.error("--write needs --held-out OTHERS, which the levels are measured on")
    return options


def main() -> None:
    """Measure, print, and with --write keep."""
    options = options_of_call()
    if options.report:
        print(table(json.loads(FILE.read_text("utf-8"))["kinds"]))
    if options.speak:
        speak(options.speak)
    if not (options.clips or options.held_out):
        return
    folders = [folder for folder in (options.clips, options.held_out) if folder]
    asked = [(folder, options.noise, options.impulse_responses) for folder in folders]
    grounds = [_ground(*arguments) for arguments in asked]
    twice = {*grounds[0].speakers} & {*grounds[-1].speakers} if len(grounds) == 2 else ()
    if twice:
        sys.exit(f"speakers of both folders: {', '.join(sorted(twice))}; each may be in one")
    names = usable(options.kinds, grounds[0])
    new = [name for name in names if not measurement_of(name)]
    if options.write and not options.clips and new:
        sys.exit(f"no levels were laid yet for {', '.join(new)}; give --clips, to lay them on")
    options.work.mkdir(parents=True, exist_ok=True)
    file = options.work / "measured.jsonl"
    with ProcessPoolExecutor(options.workers) as workers:
        if options.grid:
            measured = Measurements(asked[0], file, workers)
            for name in names:
                rows = measured.at([(name, scale(name, position)) for position in GRID], "pesq")
                print(f"{name:<24}", " ".join(f"{mean_of(row['pesq']):.2f}" for row in rows))
            return
        searches = {name: Search(name) for name in names}
        if options.clips:
            searches = calibrate(names, Measurements(asked[0], file, workers))
        kinds = judged(searches, Measurements(asked[-1], file, workers))
    for ground in grounds:
        print(json.dumps(ground.about()))
    print(table(kinds))
    if options.write:
        write(kinds, grounds[0] if options.clips else None, grounds[-1])


if __name__ == "__main__":
    main()
