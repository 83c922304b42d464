"""Attention kernels for causal sliding-window streaming: tensors in, tensors out."""
