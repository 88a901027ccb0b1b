"""The table of corruptions: a name, and where its code is."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Final, Literal, NamedTuple, get_args

from mosdata.augment.base import Corruption, Material, Pool
from mosdata.errors import InvalidValue, UnknownName

Stage = Literal[
    "voice",  # how the speech itself was made
    "room",  # around the speaker
    "talkers",  # who else is in it
    "noise",  # what else is in it
    "capture",  # the microphone and its gain
    "band",  # the line
    "distortion",  # of the line
    "codec",
    "network",
    "echo",  # from the far end
    "playout",  # what the receiver does with it
]
"""Where on the way from mouth to ear a corruption happens; chains follow this order."""

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)


class Kind(NamedTuple):
    """A line of the table.

    Args:
        path: ``module:Class`` below ``mosdata.augment``; nothing is imported before it is built.
        stage: where on the way from mouth to ear it happens.
        groups: names that stand for it and others in ``--kinds``.
        leans_on: the standard or the work that it follows, as in tables.
        needs: what it mixes in; its class then takes ``pool`` (and ``sentence``, ``speaker``
            where that is speech).
    """

    path: str
    stage: Stage
    groups: tuple[str, ...]
    leans_on: str
    needs: Material | None = None


GROUPS: Final[dict[str, str]] = {
    "speech": "the seven probes of the XLS-R study (Tamm et al. 2023, section 4)",
    "noise": "sounds beside the speech",
    "room": "walls around the speaker",
    "filter": "limits of the band",
    "distortion": "what a line or converter does to the waveform",
    "level": "loudness, and what follows it",
    "telephony": "what happens to a call on its way",
    "codec": "there and back through a coder",
    "network": "packets that do not come, or not in time",
    "resynthesis": "the voice taken apart and put together again",
}
"""What the groups are; ``all`` is the whole table without the ``am:`` transforms."""

# Append to a section, so that two additions at a time do not collide.
# fmt: off
CORRUPTIONS: Final[dict[str, Kind]] = {
    # The seven probes of the XLS-R study
    "white_noise": Kind(
        "noise:WhiteNoise", "noise", ("speech", "noise"),
        "SNR of active speech, ITU-T P.56",
    ),
    "overlap": Kind(
        "overlap:Overlap", "talkers", ("speech", "noise"),
        "SIR of active speech, ITU-T P.56", needs="speech",
    ),
    "reverb": Kind(
        "reverb:Reverb", "room", ("speech", "room"),
        "Polack 1988; RT60 of ISO 3382",
    ),
    "low_pass": Kind(
        "filters:LowPass", "band", ("speech", "filter"),
        "Butterworth 1930",
    ),
    "high_pass": Kind(
        "filters:HighPass", "band", ("speech", "filter"),
        "Butterworth 1930",
    ),
    "time_mask": Kind(
        "mask:TimeMask", "network", ("speech", "network"),
        "Tamm et al. 2023",
    ),
    "mp3": Kind(
        "mp3:Mp3", "codec", ("speech", "codec"),
        "ISO/IEC 11172-3, 13818-3",
    ),
    # Noise and rooms from files
    "pink_noise": Kind(
        "coloured_noise:PinkNoise", "noise", ("noise",),
        "1/f; SNR of active speech, ITU-T P.56",
    ),
    "brown_noise": Kind(
        "coloured_noise:BrownNoise", "noise", ("noise",),
        "1/f²; SNR of active speech, ITU-T P.56",
    ),
    "speech_shaped_noise": Kind(
        "speech_shaped:SpeechShapedNoise", "noise", ("noise",),
        "Makhoul 1975; SNR of active speech, ITU-T P.56",
    ),
    "background_noise": Kind(
        "background:BackgroundNoise", "noise", ("noise",),
        "SNR of active speech, ITU-T P.56", needs="noise",
    ),
    "babble": Kind(
        "babble:Babble", "talkers", ("noise",),
        "SNR of active speech, ITU-T P.56; Simpson & Cooke 2005", needs="speech",
    ),
    "impulse_response": Kind(
        "impulse_response:ImpulseResponse", "room", ("room",),
        "DRR as Zahorik 2002", needs="impulse_responses",
    ),

    # Lines, levels and networks
    "gain": Kind(
        "gain:Gain", "capture", ("level",),
        "ITU-T G.107",
    ),
    "agc_pumping": Kind(
        "agc:AgcPumping", "capture", ("level", "telephony"),
        "ITU-T P.56; not ITU-T G.169",
    ),
    "resampling": Kind(
        "resampling:Resampling", "distortion", ("distortion",),
        "Shannon 1949",
    ),
    "telephone_band": Kind(
        "band:TelephoneBand", "band", ("filter", "telephony"),
        "ITU-T G.712",
    ),
    "wide_band": Kind(
        "band:WideBand", "band", ("filter", "telephony"),
        "ITU-T P.341",
    ),
    "clipping": Kind(
        "clipping:Clipping", "distortion", ("distortion", "level"),
        "share of active speech, ITU-T P.56",
    ),
    "bit_depth": Kind(
        "bit_depth:BitDepth", "distortion", ("distortion",),
        "Lipshitz et al. 1992",
    ),
    "mnru": Kind(
        "mnru:Mnru", "distortion", ("distortion", "telephony"),
        "ITU-T P.810",
    ),
    "echo": Kind(
        "echo:Echo", "echo", ("telephony",),
        "ITU-T G.131",
    ),
    "jitter": Kind(
        "jitter:Jitter", "network", ("network", "telephony"),
        "ITU-T Y.1540",
    ),
    "packet_loss": Kind(
        "packet_loss:PacketLoss", "network", ("network", "telephony"),
        "Gilbert 1960",
    ),
    "packet_loss_concealed": Kind(
        "packet_loss:PacketLossConcealed", "network", ("network", "telephony"),
        "ITU-T G.711 Appendix I; Gilbert 1960",
    ),

    # Codecs
    "g711_mu": Kind(
        "g711:MuLaw", "codec", ("codec", "telephony"),
        "ITU-T G.711",
    ),
    "g711_a": Kind(
        "g711:ALaw", "codec", ("codec", "telephony"),
        "ITU-T G.711",
    ),
    "g726": Kind(
        "g726:G726", "codec", ("codec", "telephony"),
        "ITU-T G.726",
    ),
    "gsm": Kind(
        "gsm:Gsm", "codec", ("codec", "telephony"),
        "ETSI EN 300 961",
    ),
    "amr": Kind(
        "ffmpeg_codecs:Amr", "codec", ("codec", "telephony"),
        "3GPP TS 26.071",
    ),
    "g722": Kind(
        "ffmpeg_codecs:G722", "codec", ("codec", "telephony"),
        "ITU-T G.722",
    ),
    "opus": Kind(
        "opus:Opus", "codec", ("codec", "telephony"),
        "RFC 6716",
    ),
    # Resynthesis
    "griffin_lim": Kind(
        "resynthesis:GriffinLimVoice", "voice", ("resynthesis",),
        "Griffin & Lim 1984; Perraudin et al. 2013",
    ),
    "lpc": Kind(
        "resynthesis:LpcVoice", "voice", ("resynthesis",),
        "Atal & Hanauer 1971",
    ),
    "world": Kind(
        "resynthesis:WorldVoice", "voice", ("resynthesis",),
        "Morise et al. 2016",
    ),
    "spectral_subtraction": Kind(
        "resynthesis:SpectralSubtraction", "capture", ("resynthesis",),
        "Boll 1979; Berouti et al. 1979",
    ),
}
# fmt: on
"""Every corruption by name."""

KINDS: Final[dict[str, tuple[str, ...]]] = {
    **{
        group: tuple(name for name, kind in CORRUPTIONS.items() if group in kind.groups)
        for group in GROUPS
    },
    "all": tuple(CORRUPTIONS),
}
"""Groups that stand for several names."""

MIXING_SPEECH: Final = tuple(name for name, kind in CORRUPTIONS.items() if kind.needs == "speech")
"""Those that mix other clips of the dataset in."""

SPECTRAL: Final = frozenset(
    {
        "reverb",
        "impulse_response",
        "speech_shaped_noise",
        "pink_noise",
        "brown_noise",
        *KINDS["resynthesis"],
    }
)
"""Made through Fourier transforms or exponentials, whose last bits differ from one processor to
another: these hold to 1e-4, all others bit for bit."""

ADAPTER_PREFIX: Final = "am:"
"""``am:<Class>`` is a transform of audiomentations; see :mod:`audiomentations_adapter`."""


def build_corruption(
    name: str, *, pool: Pool | None = None, sentence: str = "", speaker: str = ""
) -> Corruption:
    """Load a corruption by its name.

    Args:
        name: a key of ``CORRUPTIONS``, or ``am:<Class>`` with optional ``(argument=literal)``.
        pool: other clips and files, for those that need them; not needed to ask for a ladder.
        sentence: sentence group of the clip to be drawn for, where other speech is mixed in.
        speaker: speaker of the clip to be drawn for, likewise.

    Raises:
        UnknownName: no such corruption; the message offers the nearest.
        InvalidValue: arguments that the transform does not take.
        MissingExtra: a package that the transform needs is not installed.

    Example:
        >>> build_corruption("gain").ladder(1.0, 48_000)
        {'gain_db': -43.0}
    """
    if name.startswith(ADAPTER_PREFIX):
        from mosdata.augment.audiomentations_adapter import build_transform

        return build_transform(name)
    if name not in CORRUPTIONS:
        raise UnknownName("corruption", name, [*CORRUPTIONS, "am:<Class>"])
    kind = CORRUPTIONS[name]
    module, _, class_name = kind.path.partition(":")
    made = getattr(import_module(f"mosdata.augment.{module}"), class_name)
    about: dict[str, object] = {} if kind.needs is None else {"pool": pool}
    if kind.needs == "speech":
        about |= {"sentence": sentence, "speaker": speaker}
    corruption: Corruption = made(**about)
    return corruption


def expand_kinds(text: str) -> tuple[str, ...]:
    """Names from a comma list of names and groups, each once, in the order given.

    Raises:
        UnknownName: neither a corruption nor a group.
        InvalidValue: an empty list, or an ``am:`` transform that cannot be read.

    Example:
        >>> expand_kinds("mp3,am:TanhDistortion(min_distortion=0.1, max_distortion=0.5)")
        ('mp3', 'am:TanhDistortion(max_distortion=0.5,min_distortion=0.1)')
    """
    names = (name for item in split_kinds(text) for name in KINDS.get(item, (item,)))
    return tuple(dict.fromkeys(names))


def split_kinds(text: str) -> tuple[str, ...]:
    """The items of a comma list as they are, groups too; a repeated name stays for others to see.

    Raises:
        UnknownName: neither a corruption nor a group.
        InvalidValue: an empty list, or an ``am:`` transform that cannot be read.
    """
    items = tuple(_known_name(item) for item in _items(text))
    if not items:
        raise InvalidValue("kind", text, f"names separated by commas: {', '.join(_known())}")
    return items


def _known_name(item: str) -> str:
    if item.startswith(ADAPTER_PREFIX):
        from mosdata.augment.transform_spec import TransformSpec

        return str(TransformSpec.parse(item))
    if item not in KINDS and item not in CORRUPTIONS:
        raise UnknownName("corruption", item, _known())
    return item


def _known() -> list[str]:
    return [*CORRUPTIONS, *KINDS, "am:<Class>"]


def _items(text: str) -> Iterator[str]:
    """Split at the commas that stand outside brackets."""
    depth, item = 0, ""
    for letter in f"{text},":
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth <= 0:
            if item.strip():
                yield item.strip()
            depth, item = 0, ""
        else:
            item += letter
    if item.strip(" ,"):
        raise InvalidValue("kind", text, "brackets that are closed again")
