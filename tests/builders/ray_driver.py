"""A build in a process of its own: ``python ray_driver.py OUT ADDRESS``; '' is without Ray."""

import sys
from pathlib import Path

from mosdata.builders.executors import Execution
from mosdata.builders.run import run_stage
from mosdata.builders.speech import SpeechConfig, SpeechStage
from mosdata.builders.transcripts import Transcript, Transcripts
from mosdata.errors import MosdataError
from mosdata.manifests.splits import SplitRule

NUM_TEXTS = 24
NUM_VOICES = 2


def main(out, address):
    """Build, and say what was made."""
    texts = tuple(
        Transcript(text=f"This is sentence {i} of all.", line=i + 1) for i in range(NUM_TEXTS)
    )
    config = SpeechConfig(
        systems=("town_engine:Slow",), voices=NUM_VOICES, split=SplitRule(shares=(2, 1, 1))
    )
    how = Execution(executor="ray", address=address) if address else Execution(executor="serial")
    stage = SpeechStage(Transcripts(texts=texts), config)
    try:
        outcome = run_stage(stage, Path(out), execution=how, records_per_shard=3)
    except MosdataError as error:
        sys.exit(f"error: {error}")
    told = (outcome.dataset.dataset_id, outcome.num_rows, outcome.num_rejected)
    sys.stdout.write("{} {} {}\n".format(*told))


if __name__ == "__main__":
    main(*sys.argv[1:])
