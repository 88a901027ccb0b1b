"""The pictures on the pages about corruptions: one clip at levels 0, 0.5 and 1 of every kind.

    python benchmarks/calibrate.py --speak CLIPS
    python benchmarks/pictures.py CLIPS [--clip NAME] [--kinds speech]

The committed ones are of ``--clip festival-hts-cmu_us_slt_arctic_hts/1.wav``. The other clips talk
over it; noises and rooms on file are those of the calibration.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from calibrate import Ground

from mosdata.augment.corruptions import expand_kinds
from mosdata.builders.ladder import Ladder
from mosdata.builders.ladder_picture import write_picture

LEVELS = (0.0, 0.5, 1.0)
FOLDER = Path(__file__).parents[1] / "docs" / "img" / "corruptions"


def main() -> None:
    """Draw, and say where."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--clip", help="of the folder; default: the first")
    parser.add_argument("--kinds", default="all")
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args()
    ground = Ground(options.clips, None, None)
    name = options.clip or next(iter(ground.clips))
    for kind in expand_kinds(options.kinds):
        ladder = Ladder(
            kind=kind, clip=ground.clips[name], clip_name=name, pool=ground.pool,
            sentence=name, speaker=name.partition("/")[0],
        )  # fmt: skip
        path = options.out / f"{kind}.webp"
        write_picture(path, list(ladder.rungs(LEVELS, ())))
        print(path, f"{path.stat().st_size / 1024:.0f} KiB", flush=True)


if __name__ == "__main__":
    main()
