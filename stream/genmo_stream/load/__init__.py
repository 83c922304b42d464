"""Load for a server on this machine: many cameras or keypoint clients at once, and what it did."""
