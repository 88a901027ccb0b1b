"""eSpeak NG inside the process: exact, honest about voices, and leaving nothing behind."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mosdata.audio import pcm_sha256
from mosdata.errors import MissingExtra, MosdataError, RecordRejected
from mosdata.synth import espeak
from mosdata.synth.base import SpeechRequest
from mosdata.synth.speak import voices_for

pytest.importorskip("espeakng_loader", reason="extra 'espeak' is not installed")

TEXT = "The birch canoe slid on the smooth planks. She sees six ships."
REQUEST = SpeechRequest(text=TEXT, language="en", voice="en-us", seed=7)

IN_A_FRESH_PROCESS = """
import sys
from mosdata.audio import pcm_sha256
from mosdata.synth import espeak
from mosdata.synth.base import SpeechRequest
method, voice, seed, text = sys.argv[1:]
engine = getattr(espeak, method)()
request = SpeechRequest(text=text, language="en", voice=voice, seed=int(seed))
print(pcm_sha256(engine.synthesize(request)))
"""


def _checksum(engine: espeak.Espeak, **changes: object) -> str:
    return pcm_sha256(engine.synthesize(replace(REQUEST, **changes)))


@pytest.fixture(scope="module")
def formant() -> espeak.Espeak:
    """One engine for all tests: none of them changes it."""
    return espeak.formant()


@pytest.fixture(scope="module")
def klatt() -> espeak.Espeak:
    """As above, with the other method."""
    return espeak.klatt()


@pytest.mark.parametrize(
    ("method", "voice"), [("formant", "en-us"), ("formant", "en-gb+f3"), ("klatt", "en-us+klatt2")]
)
def test_same_bytes_as_a_fresh_process(method: str, voice: str) -> None:
    """What was said before does not change what is said now: a fresh process says the same."""
    engine = getattr(espeak, method)()
    for text in ("Something else!", "And another thing, with fricatives."):
        engine.synthesize(replace(REQUEST, text=text, voice=voice, seed=99))
    command = [sys.executable, "-c", IN_A_FRESH_PROCESS, method, voice, "7", TEXT]

    fresh = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert fresh == _checksum(engine, voice=voice)


def test_order_and_repetition_do_not_matter(formant: espeak.Espeak, klatt: espeak.Espeak) -> None:
    """Two engines taking turns, forwards and backwards, say every utterance the same way."""
    jobs = [
        (engine, voice, text)
        for text in ("One two three.", "Four five six.")
        for engine, voice in [(formant, "en-us+f2"), (klatt, "de+klatt"), (formant, "fr")]
    ]

    forwards = [_checksum(engine, voice=voice, text=text) for engine, voice, text in jobs]
    backwards = [_checksum(engine, voice=voice, text=text) for engine, voice, text in jobs[::-1]]

    assert forwards == backwards[::-1]
    assert len(set(forwards)) == len(jobs)


def test_threads_take_turns(formant: espeak.Espeak) -> None:
    """The library is not thread-safe; four threads still get the bytes of one."""
    expected, found = _checksum(formant), []
    threads = [threading.Thread(target=lambda: found.append(_checksum(formant))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [expected] * 4 == found


@pytest.mark.parametrize("voice", ["nope", "en-us+nope", "en-us+klatt", "", "EN-US", "../../en"])
def test_unknown_voice_is_rejected(formant: espeak.Espeak, voice: str) -> None:
    """The library would speak with another voice in silence; we never do."""
    with pytest.raises(RecordRejected, match="has no voice") as caught:
        formant.synthesize(replace(REQUEST, voice=voice))

    assert caught.value.reason == "unknown_voice"


def test_a_voice_that_the_library_refuses_is_rejected(
    formant: espeak.Espeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name in our table that the library does not take is an error, not the previous voice."""
    _, voice = formant._voices["en-gb"]
    monkeypatch.setitem(formant._voices, "en-gb", ("en-gb", voice))  # a name 1.52 refuses

    with pytest.raises(RecordRejected, match="refused the voice") as caught:
        formant.synthesize(replace(REQUEST, voice="en-gb"))

    assert caught.value.reason == "engine_failed"


def test_every_voice_sounds_different(formant: espeak.Espeak, klatt: espeak.Espeak) -> None:
    """No voice is another one by a second name."""
    sounds = {
        _checksum(engine, voice=voice.name, text="Hello, hello.")
        for engine in (formant, klatt)
        for voice in engine.voices()
    }

    assert len(formant.voices()) + len(klatt.voices()) == len(sounds)


def test_seed_is_the_take(formant: espeak.Espeak) -> None:
    """Another seed is another reading of the sentence; the same seed the same one."""
    takes = [_checksum(formant, seed=seed) for seed in (0, 1, 2**32 - 1, 0, 1, 2**32 - 1)]

    assert takes[:3] == takes[3:]
    assert len(set(takes)) == 3


def test_chance_of_the_process_is_left_alone(formant: espeak.Espeak, klatt: espeak.Espeak) -> None:
    """No voice draws from C's ``rand``, which other code shares, nor from numpy's global state."""
    if sys.platform == "win32":
        pytest.skip("C libraries of Windows do not share one rand")
    c = ctypes.CDLL(None)
    numpy_before = np.random.get_state()[1].copy()  # noqa: NPY002  # the state that must not move
    for engine in (formant, klatt):
        for voice in voices_for(engine, "en"):
            c.srand(5)
            expected = c.rand()
            c.srand(5)
            engine.synthesize(replace(REQUEST, voice=voice.name))

            assert expected == c.rand(), voice.name
    assert (numpy_before == np.random.get_state()[1]).all()  # noqa: NPY002  # as above


def test_text_is_read_as_text(formant: espeak.Espeak) -> None:
    """Mark-up, phoneme brackets and NUL are read out or skipped; nothing is cut off or obeyed."""
    whole = formant.synthesize(replace(REQUEST, text="before\0after and on and on and on"))
    start = formant.synthesize(replace(REQUEST, text="before"))
    plain = _checksum(formant, text="emphasis hello emphasis")

    assert whole.duration_s > 2 * start.duration_s
    assert plain != _checksum(formant, text="<emphasis>hello</emphasis>")


def test_a_library_held_by_others_is_refused(formant: espeak.Espeak) -> None:
    """Where other code keeps the library in memory its state would leak into ours."""
    if sys.platform == "win32":
        pytest.skip("Windows cannot ask whether a library is resident")
    held = ctypes.CDLL(str(formant._files.library))
    try:
        with pytest.raises(MosdataError, match="process of its own"):
            _checksum(formant)
    finally:
        espeak._unload(held)

    assert _checksum(formant) == _checksum(espeak.formant())


def test_no_memory_is_lost(formant: espeak.Espeak) -> None:
    """A hundred loads and unloads keep the process within a few megabytes."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("memory is read from /proc")
    short = replace(REQUEST, text="Hello.")
    for _ in range(20):
        formant.synthesize(short)
    before = int(statm.read_text().split()[1])

    for _ in range(100):
        formant.synthesize(short)

    assert (int(statm.read_text().split()[1]) - before) * 4096 < 4_000_000


def test_missing_package_is_noticed_when_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra and without the program the error names it, at once."""
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(MissingExtra, match=r"pip install 'mosdata\[espeak\]'"):
        espeak.formant()


def test_foreign_data_are_refused(formant: espeak.Espeak, tmp_path: Path) -> None:
    """Data that are not the wheel's are an error, never another installation's voices."""
    with (
        pytest.raises(MosdataError),
        espeak._loaded(replace(formant._files, data=tmp_path / "nothing")),
    ):
        pass


def test_revision_names_version_and_options(formant: espeak.Espeak, klatt: espeak.Espeak) -> None:
    """Another voice table is another revision; building twice is not."""
    assert formant.revision().startswith("espeak/1 espeak-ng/1.")
    assert formant.revision() == espeak.formant().revision() != klatt.revision()
