"""What is read from SDP offers and ICE fragments, starting from a real browser's."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmo_stream.offer import MAX_CANDIDATES, OfferError, read_ice_fragment, read_offer
from tests.camera_server import CHROMIUM_OFFER

HEAD, AUDIO, VIDEO = re.split(r"(?=^m=)", CHROMIUM_OFFER, flags=re.MULTILINE)
CANDIDATE = "a=candidate:1 1 udp 2122194687 192.0.2.7 50617 typ host"


def candidates(sdp: str) -> list[str]:
    return [line for line in sdp.split("\r\n") if line.startswith("a=candidate:")]


def test_a_browsers_offer_is_taken_with_its_udp_candidates() -> None:
    offer = read_offer(CHROMIUM_OFFER)
    assert offer.ufrag == "ASOf"
    kept = candidates(offer.sdp)
    assert len(kept) == 8
    assert all(" udp " in line for line in kept)
    without = [line for line in CHROMIUM_OFFER.split("\r\n") if "candidate" not in line]
    assert [line for line in offer.sdp.split("\r\n") if "candidate" not in line] == without


def test_candidates_with_mdns_names_are_left_out_and_gathering_stays_open() -> None:
    hidden = CANDIDATE.replace("192.0.2.7", "0b1c2d3e-aaaa-bbbb-cccc-0123456789ab.local")
    sdp = HEAD + VIDEO + f"{hidden}\r\n{CANDIDATE}\r\na=end-of-candidates\r\n"
    read = read_offer(sdp).sdp
    assert ".local" not in read
    assert "end-of-candidates" not in read
    assert CANDIDATE in read


def test_an_offer_with_very_many_candidates_keeps_some() -> None:
    many = "".join(f"{CANDIDATE.replace('50617', str(1000 + n))}\r\n" for n in range(900))
    assert len(candidates(read_offer(HEAD + VIDEO + many).sdp)) <= MAX_CANDIDATES


@pytest.mark.parametrize(
    ("sdp", "said"),
    [
        ("hello", "starts with 'hello'; expected an SDP offer"),
        ("v=0\r\n", "has no media; expected exactly one video"),
        (HEAD + AUDIO, "has audio; expected exactly one video"),
        (HEAD + VIDEO + VIDEO, "has video, video; expected exactly one video"),
        (HEAD + VIDEO + AUDIO * 8, "9 sections"),
        (HEAD + VIDEO + AUDIO.replace("m=audio", "m=text"), "has text; expected"),
        (HEAD + VIDEO.replace("a=sendonly", "a=recvonly"), "is recvonly; expected sendonly"),
        (HEAD + VIDEO.replace("a=fingerprint", "a=x"), "no a=fingerprint"),
        (HEAD + VIDEO.replace("a=ice-pwd", "a=x"), "no a=ice-ufrag and a=ice-pwd"),
        (HEAD + VIDEO.replace("a=rtcp-mux\r\n", ""), "no a=rtcp-mux"),
        (
            HEAD + re.sub("VP8|H264", "AV1", VIDEO),
            "offered as AV1, VP9, red, ulpfec; expected VP8 or H264",
        ),
        (
            HEAD + AUDIO.replace("opus", "L16").replace("G722", "L16").replace("PCM", "L") + VIDEO,
            "expected opus",
        ),
        (CHROMIUM_OFFER.replace("rtpmap:96 VP8/90000", "rtpmap:x VP8"), "not SDP that can be read"),
        (CHROMIUM_OFFER[:2000].replace("m=audio 50617", "m=audio x"), "not SDP that can be read"),
    ],
)
def test_an_offer_that_cannot_be_used_says_why(sdp: str, said: str) -> None:
    with pytest.raises(OfferError, match=re.escape(said)):
        read_offer(sdp)


@given(st.integers(0, len(CHROMIUM_OFFER)), st.integers(0, 300), st.text(max_size=20))
def test_a_damaged_offer_is_read_or_refused_and_never_fails(at: int, cut: int, junk: str) -> None:
    with contextlib.suppress(OfferError):
        assert read_offer(CHROMIUM_OFFER[:at] + junk + CHROMIUM_OFFER[at + cut :]).ufrag


def test_a_fragment_gives_its_users_candidates() -> None:
    fragment = read_ice_fragment(
        "a=ice-ufrag:ASOf\r\na=ice-pwd:W9f7xwPLTvdFFlxHpYiQjd+n\r\nm=video 9 RTP/AVP 0\r\n"
        f"a=mid:1\r\n{CANDIDATE}\r\n{CANDIDATE.replace('192.0.2.7', 'abc.local')}\r\n"
        "a=end-of-candidates\r\n"
    )
    assert fragment.ufrag == "ASOf"
    assert [(c.host, c.port) for c in fragment.candidates] == [("192.0.2.7", 50617)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no a=ice-ufrag line"),
        ("a=ice-ufrag:ASOf\r\na=candidate:1 1 udp", "is not a candidate"),
        ("a=ice-ufrag:ASOf\r\n" + CANDIDATE.replace("50617", "x"), "is not a candidate"),
    ],
)
def test_a_fragment_that_cannot_be_used_says_why(text: str, said: str) -> None:
    with pytest.raises(OfferError, match=said):
        read_ice_fragment(text)
