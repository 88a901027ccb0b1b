"""A model folder for FireRedTTS with random weights: two layers of everything that has layers.

All of the engine's real code runs on it; what it says is noise. The speaker network and the tables
of text tokens keep their size, which is in upstream's code: 116 MB. The end of speech is made
likely, so that sampling stops as it does with trained weights. Run with the Python of FireRedTTS's
environment and a checkout::

    ENV/bin/python mosdata/testing/engines/tiny_fireredtts.py CHECKOUT FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OPTIONS = {"config_file": "config.json"}
"""What the adapter has to be told about such a folder."""

END_BIAS = 1.8
"""Added to the logit of the end of speech; that of the other 16,384 codes stays random."""


def write_tiny_fireredtts(python: str, checkout: Path, folder: Path) -> Path:
    """Write the folder with an engine's Python; the same bytes every time.

    Args:
        python: interpreter of FireRedTTS's environment.
        checkout: upstream's code.
        folder: made where it does not exist.
    """
    from mosdata.testing.engines.inside import run_inside

    run_inside(python, Path(__file__), str(checkout), str(folder))
    return folder


def _write(checkout: Path, folder: Path) -> None:
    import torch

    from mosdata.synth.adapters import checkout as code
    from mosdata.synth.adapters.torchaudio_door import open_torchaudio

    open_torchaudio()
    code.importable(str(checkout))
    folder.mkdir(parents=True, exist_ok=True)
    config = _small(json.loads((checkout / "configs" / "config_24k.json").read_text()))
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    torch.manual_seed(0)
    gpt, token2wav, speaker = _networks(config, checkout)
    with torch.no_grad():
        gpt.mel_head.bias[config["gpt"]["gpt_stop_audio_token"]] += END_BIAS
    torch.save({"model": gpt.state_dict()}, folder / "fireredtts_gpt.pt")
    torch.save(token2wav.state_dict(), folder / "fireredtts_token2wav.pt")
    torch.save(speaker.state_dict(), folder / "fireredtts_speaker.bin")


def _small(config: dict[str, Any]) -> dict[str, Any]:
    """Upstream's configuration, with narrow and few layers."""
    config["gpt"] |= {"gpt_layers": 2, "gpt_n_model_channels": 64, "gpt_n_heads": 2}
    flow = config["flow"]
    flow["encoder"] |= {"attention_heads": 2, "linear_units": 64, "num_blocks": 3}
    flow["decoder"]["estimator"] |= {
        "channels": [32, 32],
        "attention_head_dim": 16,
        "num_heads": 2,
        "n_blocks": 1,
        "num_mid_blocks": 1,
    }
    flow["mel_encoder"] |= {"hidden_channels": 32, "n_layers": 1, "n_blocks": 1}
    config["bigvgan"] |= {"upsample_initial_channel": 64}
    return config


def _networks(config: dict[str, Any], checkout: Path) -> tuple[Any, Any, Any]:
    from fireredtts.modules import Token2Wav  # type: ignore[import-not-found]
    from fireredtts.modules.codec.speaker import ECAPA_TDNN  # type: ignore[import-not-found]
    from fireredtts.modules.gpt.gpt import GPT  # type: ignore[import-not-found]

    from mosdata.synth.adapters import checkout as code

    sizes = config["gpt"]
    gpt = GPT(
        start_text_token=sizes["gpt_start_text_token"],
        stop_text_token=sizes["gpt_stop_text_token"],
        layers=sizes["gpt_layers"],
        model_dim=sizes["gpt_n_model_channels"],
        heads=sizes["gpt_n_heads"],
        max_text_tokens=sizes["gpt_max_text_tokens"],
        max_mel_tokens=sizes["gpt_max_audio_tokens"],
        max_prompt_tokens=sizes["gpt_max_prompt_tokens"],
        code_stride_len=sizes["gpt_code_stride_len"],
        number_text_tokens=sizes["gpt_number_text_tokens"],
        num_audio_tokens=sizes["gpt_num_audio_tokens"],
        start_audio_token=sizes["gpt_start_audio_token"],
        stop_audio_token=sizes["gpt_stop_audio_token"],
    )
    with code.inside(str(checkout)):
        token2wav = Token2Wav.init_from_config(config)
    speaker = ECAPA_TDNN(
        80,
        512,
        channels=[512, 512, 512, 512, 1536],
        kernel_sizes=[5, 3, 3, 3, 1],
        dilations=[1, 2, 3, 4, 1],
        attention_channels=128,
        res2net_scale=4,
        se_channels=128,
        global_context=True,
        batch_norm=True,
    )
    return gpt, token2wav, speaker


if __name__ == "__main__":
    _write(Path(sys.argv[1]), Path(sys.argv[2]))
