"""What genmo_client raises.

GenmoClientError
├── DecodeError    a message isn't `genmo.v1`
└── Refused        the server won't serve this client, and asking again won't help
"""


class GenmoClientError(Exception):
    """Base of every error of this package; its text is meant for users."""


class DecodeError(GenmoClientError, ValueError):
    """A message breaks `genmo.v1`; the text says what was got and what was expected."""


class Refused(GenmoClientError):
    """The server, or what it offers, can't be used as asked; the text says why."""
