"""Sinks: poses sent on, to what doesn't speak `genmo.v1`: VMC, VRChat, humanoid robots."""

from genmo_stream.sinks.config import SinkConfig
from genmo_stream.sinks.outputs import Outputs

__all__ = ["Outputs", "SinkConfig"]
