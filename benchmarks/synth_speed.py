"""Real-time factor of every system that is available here: seconds of work per second of speech.

    python benchmarks/synth_speed.py [SYSTEM ...]

Each system speaks three sentences with its default voice, once to warm up and then three times;
the fastest pass counts, as the others only add what else the machine was doing. One thread.
"""

from __future__ import annotations

import sys
import time

from mosdata.synth.base import SpeechRequest, Synthesizer
from mosdata.synth.speak import speak, voices_for
from mosdata.synth.systems import available_systems, build_system

TEXTS = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well.",
)
NUM_PASSES = 3


def main(names: list[str]) -> None:
    print(f"{'system':<28}{'load s':>8}{'RTF':>9}{'ms a clip':>11}{'s of speech':>13}")
    for name in names or available_systems():
        start = time.perf_counter()
        engine = build_system(name)
        load_s = time.perf_counter() - start
        one_pass(engine)
        passes = [one_pass(engine) for _ in range(NUM_PASSES)]
        work_s, speech_s = min(passes)
        row = f"{load_s:>8.2f}{work_s / speech_s:>9.4f}{1e3 * work_s / len(TEXTS):>11.1f}"
        print(f"{name:<28}{row}{speech_s:>13.2f}")


def one_pass(engine: Synthesizer) -> tuple[float, float]:
    voice = voices_for(engine, "en")[0].name
    start = time.perf_counter()
    clips = [
        speak(engine, SpeechRequest(text=text, language="en", voice=voice, seed=1)).clip
        for text in TEXTS
    ]
    return time.perf_counter() - start, sum(clip.duration_s for clip in clips)


if __name__ == "__main__":
    main(sys.argv[1:])
