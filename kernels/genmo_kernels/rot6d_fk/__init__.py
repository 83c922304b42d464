"""Global rotations and joints of a skeleton from 6D rotations."""
