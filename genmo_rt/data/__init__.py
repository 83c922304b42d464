"""Motion capture clips become training batches: retarget, label, augment, observe."""
