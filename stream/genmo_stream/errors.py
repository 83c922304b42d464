"""What genmo_stream raises for bad input.

StreamError (a GenmoError)
├── ConfigError    a flag, variable or config key is unknown or wrong
├── AddressTaken   the server can't listen where it was told to
├── ServerFull     no room for another stream; says when to try again
├── OfferError     an SDP offer can't be answered (offer.py)
├── SourceEnded    the publisher is gone (ingest.py)
├── PublishError   a server refused or ended what we publish (publish.py)
├── BenchError     a measurement could not be made (bench.py)
├── ThinkerError   the model's process can't start, has died, or failed in a stream
├── TakeError      a take can't be recorded or used
│   ├── UnknownTake  there is no such take
│   ├── TakeBusy     it is being recorded, or solved
│   └── NoRoom       the takes' disk is full, or can't be written
├── SinkError      an output can't be set up as asked
└── WireError      a message isn't genmo.v1 (wire.py)
"""

from genmo_rt.errors import GenmoError


class StreamError(GenmoError):
    """Base of what genmo_stream raises on purpose; its text is meant for users."""


class ConfigError(StreamError):
    """A flag, environment variable or config key is unknown or has a wrong value."""


class AddressTaken(StreamError):
    """The server can't listen on its address; the text says why and what to do."""


class ServerFull(StreamError):
    """No room for another stream.

    Attributes:
        retry_after_s: seconds after which asking again makes sense.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TakeError(StreamError):
    """A take can't be recorded or used; the text says why and what to do."""


class UnknownTake(TakeError):
    """There is no such take."""


class TakeBusy(TakeError):
    """The stream is being recorded, or the take is in use."""


class NoRoom(TakeError):
    """The disk that takes go to is full, or can't be written."""


class ThinkerError(StreamError):
    """The model's process can't start, has died, or failed in a stream's frame."""


class SinkError(StreamError):
    """An output can't be set up as it was asked for."""
