"""What must not be imported to speak."""

raise ImportError("wandb is not installed")
