"""Many streams on one device: places for their state, batches, folded weights, CUDA graphs."""
