"""Small datasets that many tests read: made once a session, and never written to."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Nothing in the tests may ask the network; ``datasets`` reads this when it is imported.
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# A busy machine is no defect: time limits are for whole tests (pytest-timeout).
settings.register_profile("mosdata", deadline=None)
settings.load_profile("mosdata")

SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
    "The juice of lemons makes fine punch.",
)

USERS_METRIC = '''
import numpy as np

def loudness(clip):
    """Level of a clip, dB."""
    return 10 * np.log10(np.square(clip.samples).mean() + 1e-12)

def distance(clip, reference):
    """Mean square distance from the source."""
    n = min(clip.num_samples, reference.num_samples)
    return float(np.square(clip.samples[:n] - reference.samples[:n]).mean())
'''


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """A server that speaks S3, on loopback; its address."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(object_store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, which this process and its children reach as ``s3://...``."""
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": object_store,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(scope="session")
def sentences() -> tuple[str, ...]:
    """Harvard sentences (list 1): phonetically balanced and free to use."""
    return SENTENCES


@pytest.fixture(scope="session")
def speech_stage() -> Callable[..., Any]:
    """Make a build stage of ``tone``, which needs no package; override what a test is about."""
    from mosdata.builders.speech import SpeechConfig, SpeechStage
    from mosdata.builders.transcripts import Transcript, Transcripts
    from mosdata.manifests.splits import SplitRule

    def make(texts: Sequence[str] = SENTENCES, **config: Any) -> SpeechStage:
        lines = tuple(Transcript(text=text, line=i) for i, text in enumerate(texts, start=1))
        settings = {"systems": ("tone",), "split": SplitRule(shares=(2, 1, 1)), **config}
        return SpeechStage(Transcripts(texts=lines), SpeechConfig(**settings))

    return make


@pytest.fixture(scope="session")
def users_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module of a user's metrics, as it would lie on somebody's PYTHONPATH."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "users_metrics.py").write_text(USERS_METRIC)
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, speech_stage: Callable[..., Any]) -> Path:
    """A dataset of twelve clips: six sentences by two voices, in all three splits. Read only."""
    from mosdata.builders.executors import Execution
    from mosdata.builders.run import run_stage

    out = tmp_path_factory.mktemp("built") / "speech"
    run_stage(
        speech_stage(voices=2), out, execution=Execution(executor="serial"), records_per_shard=3
    )
    return out


@pytest.fixture(scope="session")
def corrupted(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Path:
    """The built dataset with two rungs of two kinds a clip, sources kept. Read only."""
    from mosdata.builders.corrupt import CorruptConfig, CorruptStage
    from mosdata.builders.executors import Execution
    from mosdata.builders.run import run_stage
    from mosdata.manifests.store import open_dataset

    out = tmp_path_factory.mktemp("corrupted") / "harmed"
    kinds = ("white_noise", "low_pass", "time_mask", "overlap")
    stage = CorruptStage(
        open_dataset(built), CorruptConfig(levels=(0.3, 0.9), kinds=kinds, per_clip=2)
    )
    run_stage(
        stage,
        out,
        execution=Execution(executor="serial"),
        records_per_shard=20,
        parent=open_dataset(built),
    )
    return out
