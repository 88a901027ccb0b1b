import torch


class BaseEncoder(torch.nn.Module):
    """Each output is the sum of all inputs so far."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward_chunk(
        self,
        xs,
        offset,
        required_cache_size,
        att_cache=torch.zeros(0, 0, 0, 0),
        cnn_cache=torch.zeros(0, 0, 0, 0),
        att_mask=torch.ones((0, 0, 0), dtype=torch.bool),
    ):
        outputs = xs.cumsum(dim=1) * self.scale
        if att_cache.numel():
            outputs = outputs + att_cache[0]
        return outputs, outputs[None, :, -1:], cnn_cache
