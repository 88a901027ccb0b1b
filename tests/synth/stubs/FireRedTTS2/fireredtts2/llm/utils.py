"""Loading the language model."""


def load_llm_model(configs, checkpoint_path=None, device="cuda"):
    """As upstream: with leave to run what the file names."""
    import torch

    return torch.load(checkpoint_path, map_location="cpu", weights_only=False)["model"]
