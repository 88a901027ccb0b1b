"""Long texts in pieces, failed pieces again, and what the engine was really given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.errors import RecordRejected
from mosdata.synth.base import Speech, SpeechRequest, SystemInfo, Voice
from mosdata.synth.speak import ATTEMPTS, PAUSES_S, method_of, seed_of, speak
from mosdata.synth.tone import Tone
from mosdata.testing import speechlike

RATE = 16_000
REQUEST = SpeechRequest(text="One. Two.", language="en", voice="default", seed=1)
NAN = Clip(np.full(RATE, np.nan, np.float32), RATE)
ZERO = Clip(np.zeros(RATE, np.float32), RATE)


@dataclass
class Listed:
    """An engine that answers from a list, and remembers what it was asked."""

    answers: list[Clip | Speech | RecordRejected] = field(default_factory=list)
    asked: list[SpeechRequest] = field(default_factory=list)
    info: SystemInfo = field(
        default_factory=lambda: SystemInfo(
            name="listed",
            family="test",
            sample_rate_hz=RATE,
            languages=("mul",),
            license="CC0-1.0",
            max_chars=20,
        )
    )

    def voices(self) -> tuple[Voice, ...]:
        """One for all."""
        return (Voice(name="default", language="mul"),)

    def revision(self) -> str:
        """Never changes."""
        return "1"

    def synthesize(self, request: SpeechRequest) -> Clip | Speech:
        """The next answer; noise where the list is at its end."""
        self.asked.append(request)
        answer = self.answers.pop(0) if self.answers else speechlike(1.0, seed=request.seed % 99)
        if isinstance(answer, RecordRejected):
            raise answer
        return answer


def test_a_text_that_fits_is_the_request_itself():
    """Same text, same seed, same samples as without any cutting."""
    request = replace(REQUEST, text="A short sentence.", seed=7)

    spoken = speak(Tone(), request)

    assert np.array_equal(Tone().synthesize(request).samples, spoken.clip.samples)
    assert ("A short sentence.", ()) == (spoken.text, spoken.boundaries_s)


def test_a_long_text_is_spoken_in_pieces():
    """Each with its own seed; joined with the pause of how it ends; where pieces begin is told."""
    engine = Listed([speechlike(1.0), speechlike(0.5), speechlike(2.0)])
    text = "This is the first. And here, the rest of it."

    spoken = speak(engine, replace(REQUEST, text=text))

    assert ["This is the first.", "And here,", "the rest of it."] == [
        request.text for request in engine.asked
    ]
    assert [seed_of(1, i, 0) for i in range(3)] == [request.seed for request in engine.asked]
    assert 3 == len({request.seed for request in engine.asked})
    second = 1.0 + PAUSES_S["sentence"]
    third = second + 0.5 + PAUSES_S["clause"]
    assert pytest.approx((second, third)) == spoken.boundaries_s
    assert pytest.approx(third + 2.0) == spoken.clip.duration_s
    start = round(third * RATE)
    assert np.array_equal(speechlike(2.0).samples, spoken.clip.samples[start:])
    assert not spoken.clip.samples[RATE : round(second * RATE)].any()
    assert text == spoken.text


def test_pieces_do_not_depend_on_one_another():
    """The same piece at the same place is the same clip, whatever the others are."""
    one = speak(Listed(), replace(REQUEST, text="The first one is. The second is here."))
    two = speak(Listed(), replace(REQUEST, text="The first one is. Another is there."))
    start = round(one.boundaries_s[0] * RATE)

    assert one.boundaries_s == two.boundaries_s
    assert np.array_equal(one.clip.samples[:start], two.clip.samples[:start])


def test_no_piece_is_longer_than_the_engine_takes():
    """Clauses, words, and characters where there is nothing else; nothing is left out."""
    engine = Listed()
    text = "Averyveryverylongwordindeed, and then 天气很好我们去公园玩然后回家吃饭睡觉起床上班吧。"

    speak(engine, replace(REQUEST, text=text, language="mul"))

    asked = [request.text for request in engine.asked]
    assert all(len(part) <= 20 for part in asked)
    assert text.replace(" ", "") == "".join(asked).replace(" ", "")


@dataclass
class Counting(Listed):
    """An engine that takes fewer bytes than ``max_chars`` promises."""

    most: int = 12

    def synthesize(self, request: SpeechRequest) -> Clip | Speech:
        """Refuse what is too long for it."""
        if len(request.text.encode()) > self.most:
            raise RecordRejected("text_too_long", "tokens")
        return super().synthesize(request)


def test_what_an_engine_finds_too_long_is_halved():
    """Until it takes it; nothing is lost, seeds differ, and other pieces stay what they were."""
    wide = replace(Listed().info, max_chars=60)
    text = "Twelve and a half dozen of them went away, and the rest stayed on."
    engine = Counting(info=wide, most=40)

    spoken = speak(engine, replace(REQUEST, text=text))

    asked = [request.text for request in engine.asked]
    assert text == " ".join(asked)
    assert all(len(part) <= 40 for part in asked)
    assert len(asked) == len({request.seed for request in engine.asked})
    assert len(asked) == len(spoken.boundaries_s) + 1
    again = speak(Counting(info=wide, most=40), replace(REQUEST, text=text))
    assert np.array_equal(spoken.clip.samples, again.clip.samples)


def test_what_no_cutting_helps_is_rejected():
    """An engine that finds everything too long says so, and is not asked for ever."""
    engine = Counting(most=0)
    with pytest.raises(RecordRejected) as rejected:
        speak(engine, replace(REQUEST, text="This is the first. And here, the rest of it."))

    assert rejected.value.reason == "text_too_long"


@pytest.mark.parametrize("bad", [NAN, ZERO, speechlike(0.1), speechlike(1.0, 22_050)])
def test_what_is_not_audio_is_asked_for_again(bad):
    """With another seed, the same in every run; the clip says so."""
    engine = Listed([bad, bad])

    spoken = speak(engine, REQUEST)

    assert [seed_of(1, 0, attempt) for attempt in range(3)] == [r.seed for r in engine.asked]
    assert ("retried",) == spoken.flags


def test_three_attempts_are_enough():
    """Then the record is rejected with the last reason, and all attempts in the message."""
    engine = Listed([NAN, ZERO, ZERO])

    with pytest.raises(RecordRejected) as caught:
        speak(engine, REQUEST)

    assert ("silent", ATTEMPTS) == (caught.value.reason, len(engine.asked))
    for request in engine.asked:
        assert f"seed {request.seed}: " in str(caught.value)


def test_what_an_engine_says_of_itself_is_asked_again_or_not():
    """A runaway may end with another seed; a voice that is not there will not come."""
    runaway = RecordRejected("runaway", "It did not stop.")
    refused = RecordRejected("unknown_voice", "No such voice.")

    assert ("retried",) == speak(Listed([runaway]), REQUEST).flags
    with pytest.raises(RecordRejected, match="No such voice"):
        speak(engine := Listed([refused]), REQUEST)
    assert 1 == len(engine.asked)


def test_only_the_piece_that_failed_is_asked_again():
    """The others keep their first sound."""
    engine = Listed([speechlike(1.0), NAN, speechlike(1.0)])

    speak(engine, replace(REQUEST, text="This is the first. And the second one."))

    assert [seed_of(1, 0, 0), seed_of(1, 1, 0), seed_of(1, 1, 1)] == [
        request.seed for request in engine.asked
    ]


def test_flags_of_all_pieces_are_put_together():
    """Once each, in the order of the table, with those that only the engine knows at the end."""
    engine = Listed(
        [
            Speech(clip=speechlike(1.0), flags=("own_flag", "runaway")),
            Speech(clip=speechlike(1.0), flags=("runaway",)),
        ]
    )

    spoken = speak(engine, replace(REQUEST, text="This is the first. And the second one."))

    assert ("runaway", "own_flag") == spoken.flags


def test_an_engine_is_given_words_where_it_asks_for_them():
    """Only then; what it was given is known, and so is what was left out."""
    text = "It’s 5 % off 😀!"
    reads, given = Listed(), Listed()
    given.info = replace(given.info, text_frontend="mosdata", max_chars=100)
    reads.info = replace(reads.info, max_chars=100)

    as_it_is = speak(reads, replace(REQUEST, text=text))
    in_words = speak(given, replace(REQUEST, text=text))

    assert (text, ()) == (as_it_is.text, as_it_is.flags)
    assert "It's five percent off!" == in_words.text == given.asked[0].text
    assert ("emoji_removed",) == in_words.flags


def test_how_a_text_was_treated_is_part_of_what_a_clip_is():
    """Nothing for a text that an engine got as it is and whole, as before there were pieces."""
    plain = Listed().info
    words = replace(plain, text_frontend="mosdata")

    assert {} == method_of(plain, "Short.", "en")
    assert {"pieces": "1 of 20"} == method_of(plain, "A text that is longer.", "en")
    assert {"pieces": "1 of 20", "text_frontend": "mosdata-text/1 english"} == method_of(
        words, "Short.", "en"
    )


def test_invisible_characters_reach_no_engine():
    """Whoever reads the text."""
    engine = Listed()

    speak(engine, replace(REQUEST, text="zero\u200bwidth\u00ad and\x07 bell"))

    assert ["zerowidth and bell"] == [request.text for request in engine.asked]
