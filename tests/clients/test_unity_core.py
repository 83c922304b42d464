"""The C# core of the Unity package, under mono: its checks, one by one."""

import functools

import pytest

from tests.clients import native

CHECKS = (
    "GoldenPosesStandAsDescribedInEverySpace",
    "ConvertingOnceGivesUnitysGoldenValues",
    "NewerAndLargerMessagesAreAccepted",
    "LandmarksAreDecoded",
    "MalformedMessagesAreRefusedWithoutReadingPastTheEnd",
    "EveryTruncationIsRefused",
    "ABadRangeIsRefused",
    "AcksAreTheGoldenOnes",
    "ABadPoseIsCountedAndNotAcked",
    "GoldenControlMessagesAreRead",
    "WhatIsNoControlMessageIsToldNotThrown",
    "OnlySmplOfGenmoV1IsBelieved",
    "SubjectsComeAndGoInUnitysAxes",
    "GapsInSeqAreCountedAndReconnectsAreNone",
    "TheLastPoseStaysWhileTheServerIsAway",
    "TheClockTrustsTheQuickestPing",
    "WaitingTimesDoubleUpToEightSeconds",
    "TheAddressAsksForSmplAndWhatIsWanted",
    "BetweenTwoFramesPosesAreBlended",
    "SlerpKeepsItsSpeedAndTakesTheShortWay",
    "AfterTheNewestThePelvisGoesOnForAtMost100Ms",
    "AFrameThatComesLateIsLeftOut",
    "AClockThatWentBackStartsAnew",
    "UnevenArrivalIsPlayedEvenly",
    "PersonsAreMatchedById",
    "AvatarWithOddBoneAxesStandsLikeThePerson",
    "AvatarInAPoseAtRestStillPointsItsArmsRight",
    "HipsAreScaledByTheLegs",
    "WithoutRootMotionTheAvatarStaysInPlace",
    "TheMapHasEveryJointThatHasABone",
    "AClientReconnectsAndReadsFragments",
    "AServerWithAnotherSubprotocolIsRefused",
    "AMessageWithoutEndIsCutOff",
    "AFrameAllocatesNothing",
    "AComponentPosesAnAvatarThatStandsElsewhere",
    "AnAvatarWithoutUpperChestBendsItsChestInstead",
    "WhoIsChosenByIdIsShownWhileThere",
    "ACrowdMakesAnAvatarPerPersonAndReusesIt",
    "ComponentsAllocateNothingPerFrame",
    "TheEnginesBonesAreTheMapsBones",
)


@functools.cache
def results() -> dict[str, str]:
    """What the checks saw; they run once."""
    return native.run_checks("unity")


@pytest.mark.parametrize("name", CHECKS)
def test_core(name: str) -> None:
    assert results()[name] == ""


def test_no_check_is_left_out() -> None:
    assert set(results()) == set(CHECKS)
