import torchaudio


def load_wav(wav, target_sr, min_sr=16000):
    speech, sample_rate = torchaudio.load(wav, backend="soundfile")
    speech = speech.mean(dim=0, keepdim=True)
    assert sample_rate == target_sr or sample_rate >= min_sr
    return speech
