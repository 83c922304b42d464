"""The C++ core of the Unreal plugin, with sanitizers: its checks, one by one."""

import functools

import pytest

from tests.clients import native

CHECKS = (
    "GoldenPosesStandAsDescribedInEverySpace",
    "ConvertingOnceGivesUnrealsGoldenValues",
    "NewerAndLargerMessagesAreAccepted",
    "LandmarksAreDecoded",
    "MalformedMessagesAreRefusedWithoutReadingPastTheEnd",
    "EveryTruncationIsRefused",
    "AcksAreTheGoldenOnes",
    "ABadPoseIsCountedAndNotAcked",
    "GoldenControlMessagesAreRead",
    "WhatIsNoControlMessageIsTold",
    "OnlySmplOfGenmoV1IsBelieved",
    "SubjectsComeAndGoInUnrealsAxes",
    "GapsInSeqAreCountedAndReconnectsAreNone",
    "TheClockTrustsTheQuickestPing",
    "TheAddressAsksForSmpl",
    "ALostConnectionIsOpenedAgainAfterWaitsThatDouble",
    "SilenceEndsAConnectionAndPingsDoNotCountAsSpeech",
    "ARefusalIsForGood",
    "BetweenTwoFramesPosesAreBlended",
    "SlerpKeepsItsSpeedAndTakesTheShortWay",
    "AfterTheNewestThePelvisGoesOnForAtMost100Ms",
    "LateFramesAndImpossibleTimesAreLeftOut",
    "UnevenArrivalIsPlayedEvenly",
    "PersonsAreMatchedById",
    "MannequinWithOddBoneAxesStandsLikeThePerson",
    "MannequinInAPoseAtRestStillPointsItsArmsRight",
    "HipsAreScaledByTheLegsAndStayInPlaceIfWanted",
    "TheMannyMapHasEveryJointThatHasABone",
)


@functools.cache
def results() -> dict[str, str]:
    """What the checks saw; they run once."""
    return native.run_checks("unreal")


@pytest.mark.parametrize("name", CHECKS)
def test_core(name: str) -> None:
    assert results()[name] == ""


def test_no_check_is_left_out() -> None:
    assert set(results()) == set(CHECKS)
