"""How good a checkpoint is: estimation on held-out clips, generation on held-out prompts."""
