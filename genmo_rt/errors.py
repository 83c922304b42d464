"""What genmo_rt raises for bad input.

GenmoError
├── InputError        a value, shape or unit is wrong (also a ValueError)
├── FileFormatError   a file can't be read: names the file, the reason, what was expected
├── EngineFull        no slot for another stream is left
└── DeviceError       the asked-for device isn't there
"""


class GenmoError(Exception):
    """Base of every error genmo_rt raises on purpose; its text is meant for users."""


class InputError(GenmoError, ValueError):
    """A value that came in at an edge is wrong; the text says what was expected."""


class FileFormatError(GenmoError):
    """A file can't be read; the text names the file, the reason and what was expected."""


class EngineFull(GenmoError):
    """Every slot of the engine is taken; the text says how many there are."""


class DeviceError(GenmoError):
    """The device that was asked for isn't there."""
