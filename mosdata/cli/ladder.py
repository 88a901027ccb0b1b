"""``mosdata ladder``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosdata.cli.options import WORKSPACE, AsJson, place


def ladder(
    kind: Annotated[str, typer.Argument(help="Corruption, such as white_noise.")],
    source: Annotated[
        Path,
        typer.Argument(parser=place, metavar="CLIP", help="Audio file, or folder of a dataset."),
    ],
    clip: Annotated[
        str | None, typer.Option(help="Id of the clip in the dataset. Default: the first.")
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option(
            help="Levels: a list (0,0.5,1) or start:stop:step. "
            "Default: 0:1:0.1, and 0,1 for am: transforms."
        ),
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="Metrics, separated by commas; what is not installed is left out.")
    ] = "pesq,stoi,dnsmos.p808",
    others: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Other people's speech, for overlap.")
    ] = None,
    noise: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Recorded noises, for background_noise.")
    ] = None,
    impulse_responses: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Responses of rooms, for impulse_response."),
    ] = None,
    wavs: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write every step as a WAV file, too.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write waveforms and spectrograms as .png, .webp, .svg or .pdf."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The page to write.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another damage.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show a corruption on a clip from level to level: waveform, spectrogram, sound, scores.

    One page that needs nothing beside it. The dashed line is the published curve.
    """
    from mosdata.augment.base import Material
    from mosdata.augment.corruptions import ADAPTER_PREFIX, expand_kinds
    from mosdata.augment.levels import parse_levels
    from mosdata.builders.card_plots import can_draw
    from mosdata.builders.ladder import open_ladder, usable_metrics
    from mosdata.builders.ladder_page import ladder_page
    from mosdata.builders.ladder_picture import check_picture, write_picture
    from mosdata.builders.ladder_wavs import file_stem, write_wavs
    from mosdata.cli import console
    from mosdata.errors import InvalidValue, MissingExtra

    names = expand_kinds(kind)
    if len(names) != 1:
        raise InvalidValue("KIND", kind, "one corruption, not several or a group")
    if not can_draw():
        raise MissingExtra("mosdata ladder", ["matplotlib"], "report")
    if picture:
        check_picture(picture)
    folders: dict[Material, Path] = {"noise": noise} if noise else {}
    if impulse_responses:
        folders["impulse_responses"] = impulse_responses
    found = open_ladder(
        names[0],
        source,
        clip_id=clip,
        others=others,
        folders=folders,
        seed=seed,
    )
    usable, notes = usable_metrics([name.strip() for name in metrics.split(",") if name.strip()])
    usual = "0,1" if names[0].startswith(ADAPTER_PREFIX) else "0:1:0.1"
    rungs = list(found.rungs(parse_levels(levels or usual), usable))
    notes = (*notes, *found.remarks(rungs))
    for remark in notes:
        console.note(remark)
    page = out or WORKSPACE / f"ladder-{file_stem(names[0])}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(ladder_page(found, rungs), encoding="utf-8")
    written = write_wavs(wavs, names[0], rungs) if wavs else []
    if picture:
        write_picture(picture, rungs)
    console.say(f"{len(rungs)} levels of {names[0]} on {found.clip_name}: {page}")
    value = {
        "kind": names[0],
        "clip": found.clip_name,
        "page": str(page),
        "wavs": [str(path) for path in written],
        "picture": str(picture) if picture else None,
        "notes": list(notes),
        "levels": [rung.to_json() for rung in rungs],
    }
    console.result(value, as_json=as_json, plain=page)
