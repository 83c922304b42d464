"""Reads a publisher's SDP offer: one camera we can decode, or a reason why not."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from aioice import Candidate
from aiortc.codecs import CODECS, is_rtx
from aiortc.rtcicetransport import candidate_to_aioice
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.sdp import MediaDescription, SessionDescription, candidate_from_sdp

from genmo_stream.errors import StreamError

MAX_SECTIONS = 8  # m= lines; a camera with a microphone has two
MAX_CANDIDATES = 32  # per offer or trickle; browsers send about ten


class OfferError(StreamError):
    """An SDP offer or ICE fragment can't be used; the text says why and what was expected."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An SDP offer that was checked, without candidates that can't be reached."""

    sdp: str
    ufrag: str


@dataclass(frozen=True, slots=True)
class IceFragment:
    """The body of a trickle request (RFC 8840): whose candidates, and which."""

    ufrag: str
    candidates: tuple[Candidate, ...]


def read_offer(text: str) -> Offer:
    """Checks an SDP offer and drops candidates we can't use.

    Candidates with an mDNS name (.local) hide a browser's address; it reaches us all the same,
    and is known from its first check. So nothing waits for names to resolve.

    Raises:
        OfferError: not SDP, not exactly one sending video, or no codec in common.
    """
    if not text.startswith("v=0"):
        raise OfferError(f"the body starts with {text[:16]!r}; expected an SDP offer (v=0)")
    lines = text.splitlines()
    kept = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
    try:
        # aiortc's parser asserts, indexes and converts freely: any exception means bad SDP.
        media = SessionDescription.parse("\r\n".join(kept) + "\r\n").media
        _check_sections(media)
        for section in media:
            _check_section(section)
    except OfferError:
        raise
    except Exception as error:
        raise OfferError("the body is not SDP that can be read; expected an offer") from error
    return Offer(sdp=_with_candidates(lines), ufrag=_ufrag(media[0]))


def read_ice_fragment(text: str) -> IceFragment:
    """Reads an application/trickle-ice-sdpfrag body.

    Raises:
        OfferError: no a=ice-ufrag line, or a candidate that can't be read.
    """
    ufrag, candidates = "", []
    for line in text.splitlines():
        key, _, value = line.strip().partition(":")
        if key == "a=ice-ufrag":
            ufrag = value
        elif key == "a=candidate":
            try:
                candidate = candidate_from_sdp(value)
            except (AssertionError, ValueError) as error:
                raise OfferError(f"{line[:80]!r} is not a candidate (RFC 8839)") from error
            if _reachable(value):
                candidates.append(candidate_to_aioice(candidate))
    if not ufrag:
        raise OfferError("no a=ice-ufrag line; expected an SDP fragment (RFC 8840)")
    return IceFragment(ufrag, tuple(candidates[:MAX_CANDIDATES]))


def _check_sections(media: list[MediaDescription]) -> None:
    kinds = [section.kind for section in media]
    if len(media) > MAX_SECTIONS:
        raise OfferError(f"the offer has {len(media)} sections; expected one video and one audio")
    if unknown := {*kinds} - {"audio", "video", "application"}:
        raise OfferError(f"the offer has {', '.join(unknown)}; expected video and audio")
    videos = kinds.count("video")
    if videos != 1:
        have = ", ".join(kinds) if kinds else "no media"
        raise OfferError(f"the offer has {have}; expected exactly one video section")


def _check_section(section: MediaDescription) -> None:
    if section.dtls is None or not section.dtls.fingerprints:
        raise OfferError(f"{section.kind} has no a=fingerprint and a=setup; expected DTLS-SRTP")
    if not _ufrag(section):
        raise OfferError(f"{section.kind} has no a=ice-ufrag and a=ice-pwd; expected both")
    if section.kind == "application":
        return
    if not section.rtcp_mux:
        raise OfferError(f"{section.kind} has no a=rtcp-mux; expected it (RFC 8834)")
    if section.kind == "video" and section.direction in ("recvonly", "inactive"):
        raise OfferError(f"the video is {section.direction}; expected sendonly: a camera sends")
    if not find_common_codecs(CODECS[section.kind], section.rtp.codecs):
        offered = {codec.name for codec in section.rtp.codecs if not is_rtx(codec)}
        expected = "VP8 or H264 (constrained baseline, packetization-mode 1)"
        if section.kind == "audio":
            expected = "opus, G722, PCMU or PCMA, or no audio"
        have = ", ".join(sorted(offered)) or "no codec"
        raise OfferError(f"the {section.kind} is offered as {have}; expected {expected}")


def _ufrag(section: MediaDescription) -> str:
    """The ICE user name, empty when it or the password is missing."""
    if section.ice is None or not section.ice.password:
        return ""
    return section.ice.usernameFragment or ""


def _with_candidates(lines: Iterable[str]) -> str:
    """The offer with reachable candidates only.

    Never with a=end-of-candidates: a peer's first check may still tell a further one.
    """
    kept, candidates = [], 0
    for line in lines:
        if line.startswith("a=candidate:"):
            candidates += 1
            if candidates > MAX_CANDIDATES or not _reachable(line.removeprefix("a=candidate:")):
                continue
        if line != "a=end-of-candidates":
            kept.append(line)
    return "\r\n".join(kept) + "\r\n"


def _reachable(candidate: str) -> bool:
    """Whether a candidate attribute (RFC 8839) is well-formed UDP with a literal address."""
    try:
        parsed = candidate_from_sdp(candidate)
        ipaddress.ip_address(parsed.ip)
    except (AssertionError, ValueError):
        return False
    return parsed.protocol.lower() == "udp" and 0 < parsed.port < 65536
