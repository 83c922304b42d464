"""The 2D stage: a video frame in, one person's landmarks out."""
