"""Means over what counts: shared by the losses."""

from torch import Tensor


def length(vector: Tensor) -> Tensor:
    """(..., 3) to (...), with a gradient of zero at zero."""
    # Under the root: the gradient of a norm at zero is nan.
    return (vector.square().sum(-1) + 1e-12).sqrt()


def masked_mean(value: Tensor, mask: Tensor) -> Tensor:
    """Mean over the last dimension where the mask is one."""
    return (value * mask).sum(-1) / mask.expand_as(value).sum(-1).clamp_min(1)


def clip_mean(value: Tensor, weight: Tensor) -> Tensor:
    """(B, L) and its weights to a scalar: each clip's weighted mean, and the mean of those.

    Clips count alike, so that the mean over a batch is the mean of its halves' means.
    """
    return masked_mean(value, weight).mean()
