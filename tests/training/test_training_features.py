"""Features: exact maths against an independent implementation, caching, and no neighbours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mosdata.audio import Clip, resample
from mosdata.errors import InvalidValue, NothingFound, RecordRejected, UnknownName
from mosdata.testing import clip, speechlike, utterance, write_dataset
from mosdata.training.backbone import SSLEncoder
from mosdata.training.features import (
    clip_vector,
    dataset_features,
    encoder_key,
    make_encoder,
    pool,
)
from mosdata.training.spectra import MFCC, LogMel, mel_triangles


def _saw(num_samples: int = 4000) -> Clip:
    """Rich in harmonics, and any language can compute it: no generator, no file."""
    number = np.arange(num_samples)
    samples = ((number * number // 50 + 37 * number) % 101) / 101 - 0.5
    return Clip(samples.astype(np.float32), 16_000)


def _power_mel(sound: Clip, **settings: object) -> np.ndarray:
    librosa = pytest.importorskip("librosa")
    power = librosa.feature.melspectrogram(
        y=sound.samples, sr=16_000, htk=True, norm=None, pad_mode="reflect", power=2.0, **settings
    )
    return np.asarray(power)


GOLDEN_MFCC = [58.25237, -100.63101, -37.43643, 12.86659, 2.36936, -30.63475]
"""Frame 10, first coefficients; librosa gives the same to 2e-5."""

GOLDEN_LOGMEL = [2.95828, 2.05781, -0.72533, 4.04592, -0.07264, -2.49711]
"""Frame 12, first bands; librosa gives the same to 2e-5."""


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mfcc_equals_librosa_with_the_same_settings(seed: int) -> None:
    """HTK mel without norm, dB with an 80 dB floor, orthonormal DCT: computed by other code."""
    import librosa

    sound = speechlike(1.0, seed=seed)
    bands = _power_mel(sound, n_fft=400, hop_length=200, n_mels=128)
    bands_db = librosa.power_to_db(bands, ref=1.0, amin=1e-10, top_db=80)
    expected = librosa.feature.mfcc(S=bands_db, n_mfcc=40, dct_type=2, norm="ortho").T
    actual = MFCC().encode(sound).numpy()

    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-3)


def test_logmel_equals_librosa_with_the_same_settings() -> None:
    """25 ms windows every 10 ms, 80 HTK bands, dB with a floor at -100."""
    sound = speechlike(1.0, seed=3)
    bands = _power_mel(sound, n_fft=512, win_length=400, hop_length=160, n_mels=80)
    expected = 10 * np.log10(np.maximum(bands, 1e-10)).T
    actual = LogMel().encode(sound).numpy()

    assert actual.shape == (101, 80)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=5e-3)


def test_mfcc_of_the_saw_is_the_golden_vector() -> None:
    """Numbers that must not move between versions: every cache and judge rests on them."""
    frames_TD = MFCC().encode(_saw())

    assert frames_TD.shape == (21, 40)
    np.testing.assert_allclose(frames_TD[10, :6], GOLDEN_MFCC, rtol=0, atol=1e-4)


def test_logmel_of_the_saw_is_the_golden_vector() -> None:
    """As for MFCC."""
    frames_TD = LogMel().encode(_saw())

    assert frames_TD.shape == (26, 80)
    np.testing.assert_allclose(frames_TD[12, :6], GOLDEN_LOGMEL, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("num_samples", "expected"), [(76_599, 383), (76_600, 384), (76_799, 384), (76_800, 385)]
)
def test_mfcc_frames_are_counted(num_samples: int, expected: int) -> None:
    """One frame per 200 samples and one more, as torchaudio counts them."""
    assert len(MFCC().encode(Clip(np.zeros(num_samples, np.float32), 16_000))) == expected


def test_every_logmel_band_hears_something() -> None:
    """No triangle falls between two frequency bins."""
    assert int((mel_triangles(80, 257, 16_000).sum(dim=0) == 0).sum()) == 0


def test_logmel_sees_the_level() -> None:
    """20 dB less everywhere is 20 less in every band."""
    sound = clip(0.5)
    quiet = Clip(sound.samples * np.float32(0.1), 16_000)

    torch.testing.assert_close(
        LogMel().encode(sound) - 20, LogMel().encode(quiet), rtol=0, atol=1e-3
    )


@settings(max_examples=30, deadline=None)
@given(num_samples=st.integers(1, 900), name=st.sampled_from(["logmel", "mfcc"]))
def test_clips_of_any_length_have_finite_features(num_samples: int, name: str) -> None:
    """From one sample on, silence included."""
    encoder = make_encoder(name)
    for samples in (np.zeros(num_samples), np.linspace(-1, 1, num_samples)):
        vector = clip_vector(encoder, Clip(samples.astype(np.float32), 16_000))

        assert vector.shape == (2 * encoder.width,)
        assert np.isfinite(vector).all()


def test_clips_come_at_the_rate_of_the_encoder() -> None:
    """The door resamples; the encoder itself refuses what it would misread."""
    sound = speechlike(0.5, sample_rate_hz=24_000)
    expected = clip_vector(make_encoder("mfcc"), resample(sound, 16_000))

    assert clip_vector(make_encoder("mfcc"), sound).tobytes() == expected.tobytes()
    with pytest.raises(InvalidValue, match="16000 Hz"):
        MFCC().encode(sound)


def test_pooling_one_frame_has_no_deviation() -> None:
    """Mean and population deviation over time."""
    assert pool(torch.tensor([[1.0, 2.0]])).tolist() == [1, 2, 0, 0]
    assert pool(torch.tensor([[1.0, 2.0], [3.0, 2.0]])).tolist() == [2, 2, 1, 0]


def test_features_do_not_depend_on_threads() -> None:
    """The number of cores of a machine decides no digit, and is left as it was."""
    sound, encoder = speechlike(2.0), make_encoder("logmel")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with_two = clip_vector(encoder, sound)
        left_at = torch.get_num_threads()
        torch.set_num_threads(1)
        with_one = clip_vector(encoder, sound)
    finally:
        torch.set_num_threads(before)

    assert with_two.tobytes() == with_one.tobytes()
    assert left_at == 2


def test_an_unknown_encoder_is_named() -> None:
    """The nearest name is offered."""
    with pytest.raises(UnknownName, match="Did you mean 'logmel'"):
        make_encoder("log-mel")


@dataclass
class Counting:
    """An encoder that counts, and refuses clips of one length."""

    name: str = "counting"
    revision: str = "1"
    sample_rate_hz: int = 16_000
    frame_rate_hz: float = 1.0
    width: int = 2
    refuses: int = -1
    dies_after: int = 10**9
    seen: list[int] = field(default_factory=list)

    def encode(self, clip: Clip) -> Tensor:
        """One frame that tells the clip's length."""
        if len(self.seen) >= self.dies_after:
            raise KeyboardInterrupt
        self.seen.append(clip.num_samples)
        if clip.num_samples == self.refuses:
            raise RecordRejected("too_odd", "This length is refused.")
        return torch.tensor([[float(clip.num_samples), 1.0]])


def _lengths(folder: Path, splits: Sequence[Sequence[int]]) -> Path:
    names = ("train", "validation", "test")
    rows = {
        names[s]: [utterance(100 * s + i, clip(n / 16_000, seed=n)) for i, n in enumerate(lengths)]
        for s, lengths in enumerate(splits)
    }
    return write_dataset(folder, rows).folder


def _open(folder: Path):
    from mosdata.manifests.store import open_dataset

    return open_dataset(folder)


def test_features_never_depend_on_neighbours(tmp_path: Path) -> None:
    """A clip has the same bytes alone, and among others of other lengths in any order."""
    sounds = [speechlike(0.2 + 0.1 * n, seed=n) for n in range(4)]
    rows = [utterance(n, sound) for n, sound in enumerate(sounds)]
    encoder = make_encoder("logmel")
    forward = dataset_features(write_dataset(tmp_path / "a", {"train": rows}), encoder)
    backward = dataset_features(write_dataset(tmp_path / "b", {"test": rows[::-1]}), encoder)
    for row in rows:
        alone = clip_vector(encoder, row.clip()).tobytes()

        assert forward.vectors[row.id].tobytes() == alone
        assert backward.vectors[row.id].tobytes() == alone


def test_features_are_computed_once(tmp_path: Path) -> None:
    """The second call reads the cache beside the dataset and reports the same numbers."""
    dataset = _open(_lengths(tmp_path / "ds", [[400, 500], [600]]))
    news: list[tuple[int, int]] = []
    first = dataset_features(dataset, Counting(), advance=lambda *at: news.append(at))
    again = Counting()
    second = dataset_features(dataset, again)

    assert again.seen == []
    assert news[-1] == (3, 3)
    assert first.vectors.keys() == second.vectors.keys()
    assert all((first.vectors[key] == second.vectors[key]).all() for key in first.vectors)
    assert list((tmp_path / "ds.run" / "features").iterdir())


def test_a_killed_run_goes_on_with_the_next_file(tmp_path: Path) -> None:
    """What was finished before is not encoded again."""
    dataset = _open(_lengths(tmp_path / "ds", [[400, 500], [600, 700]]))
    with pytest.raises(KeyboardInterrupt):
        dataset_features(dataset, Counting(dies_after=3))
    again = Counting()
    dataset_features(dataset, again)

    assert again.seen == [600, 700]


def test_a_damaged_cache_is_computed_again(tmp_path: Path) -> None:
    """Half a file is no file."""
    dataset = _open(_lengths(tmp_path / "ds", [[400, 500]]))
    cache = tmp_path / "cache"
    dataset_features(dataset, Counting(), cache_folder=cache)
    (path,) = cache.rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:100])
    again = Counting()
    table = dataset_features(dataset, again, cache_folder=cache)

    assert again.seen == [400, 500]
    assert len(table.vectors) == 2


def test_another_encoder_revision_is_another_cache(tmp_path: Path) -> None:
    """New weights never meet old numbers."""
    dataset = _open(_lengths(tmp_path / "ds", [[400]]))
    dataset_features(dataset, Counting())
    again = Counting(revision="2")
    dataset_features(dataset, again)

    assert again.seen == [400]


def test_a_refused_clip_is_left_out_with_its_reason(tmp_path: Path) -> None:
    """One odd clip stops nobody, and the cache remembers the reason."""
    dataset = _open(_lengths(tmp_path / "ds", [[400, 500]]))
    for _ in range(2):
        table = dataset_features(dataset, Counting(refuses=500))

        assert list(table.rejected.values()) == ["too_odd"]
        assert len(table.vectors) == 1


def test_a_folder_that_cannot_be_written_costs_only_the_cache(tmp_path: Path) -> None:
    """Datasets may lie on read-only disks."""
    dataset = _open(_lengths(tmp_path / "ds", [[400]]))
    (tmp_path / "file").write_text("not a folder")
    table = dataset_features(dataset, Counting(), cache_folder=tmp_path / "file")

    assert len(table.vectors) == 1
    assert "not cached" in table.notes[0]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wav2vec 2.0 with random weights, a few thousand of them."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    folder = tmp_path_factory.mktemp("backbone") / "tiny"
    config = Wav2Vec2Config(
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8),
        conv_kernel=(10, 3),
        conv_stride=(5, 2),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Wav2Vec2Model(config).save_pretrained(folder)
    return folder


def test_a_backbone_gives_the_hidden_states_of_its_layer(backbone: Path) -> None:
    """Same numbers as the model itself, on the normalised signal."""
    from transformers import AutoModel

    sound = speechlike(0.1)
    model = AutoModel.from_pretrained(backbone, local_files_only=True).eval()
    samples = torch.from_numpy((sound.samples - sound.samples.mean()) / sound.samples.std())
    with torch.inference_mode():
        states = model(samples[None], output_hidden_states=True).hidden_states
    for layer in (0, 1, 2, -1):
        frames_TD = SSLEncoder(backbone, layer=layer).encode(sound)

        torch.testing.assert_close(frames_TD, states[layer][0], rtol=1e-4, atol=1e-4)


def test_a_backbone_says_what_it_is(backbone: Path) -> None:
    """Width, frame rate and layer; the last layer by number and by -1 are one encoder."""
    encoder = make_encoder(f"hf:{backbone}")

    assert (encoder.width, encoder.frame_rate_hz) == (8, 1600)
    assert encoder_key(encoder) == encoder_key(make_encoder(f"hf:{backbone}#2"))
    assert encoder_key(encoder) != encoder_key(make_encoder(f"hf:{backbone}#1"))


def test_a_backbone_takes_very_short_clips(backbone: Path) -> None:
    """Below one frame of the convolutions there is silence at the end."""
    vector = clip_vector(make_encoder(f"hf:{backbone}"), Clip(np.ones(3, np.float32), 16_000))

    assert vector.shape == (16,)
    assert np.isfinite(vector).all()


def test_a_backbone_of_other_weights_is_another_encoder(backbone: Path, tmp_path: Path) -> None:
    """The revision covers the weights and what is done to the signal."""
    import shutil

    from safetensors.torch import load_file, save_file

    other = tmp_path / "tiny"
    shutil.copytree(backbone, other)
    same = SSLEncoder(other).revision
    weights = load_file(other / "model.safetensors")
    save_file({name: value + 1 for name, value in weights.items()}, other / "model.safetensors")
    changed = SSLEncoder(other).revision
    (other / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))

    assert same == SSLEncoder(backbone).revision
    assert len({same, changed, SSLEncoder(other).revision}) == 3


def test_backbone_mistakes_are_answered(backbone: Path, tmp_path: Path) -> None:
    """No model, no such layer, no number; and nothing is downloaded."""
    with pytest.raises(NothingFound, match="downloads nothing"):
        make_encoder("hf:facebook/wav2vec2-base")
    with pytest.raises(InvalidValue, match="-3 to 2"):
        make_encoder(f"hf:{backbone}#3")
    with pytest.raises(InvalidValue, match="hf:FOLDER#7"):
        make_encoder(f"hf:{backbone}#last")
