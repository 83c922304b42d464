using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace GenmoRT.Tests
{
    /// <summary>
    /// The core's tests outside of Unity, under mono:
    ///   checks PROTOCOL            one line per check: "ok NAME" or "FAIL NAME: what was seen"
    ///   fuzz PROTOCOL SECONDS SEED mutated golden messages
    ///   verdicts FILE              what the decoder makes of each message (u32 length, bytes)
    /// </summary>
    static class Program
    {
        static readonly List<KeyValuePair<string, Action<Golden>>> Checks = new List<KeyValuePair<string, Action<Golden>>>();

        static int Main(string[] args)
        {
            switch (args[0])
            {
                case "checks": return RunChecks(new Golden(args[1]));
                case "fuzz": return new Fuzz(new Golden(args[1]), int.Parse(args[3])).Run(double.Parse(args[2]));
                default: return Verdicts(File.ReadAllBytes(args[1]));
            }
        }

        static int RunChecks(Golden golden)
        {
            Add(DecoderChecks.GoldenPosesStandAsDescribedInEverySpace);
            Add(DecoderChecks.ConvertingOnceGivesUnitysGoldenValues);
            Add(DecoderChecks.NewerAndLargerMessagesAreAccepted);
            Add(DecoderChecks.LandmarksAreDecoded);
            Add(DecoderChecks.MalformedMessagesAreRefusedWithoutReadingPastTheEnd);
            Add(DecoderChecks.EveryTruncationIsRefused);
            Add(DecoderChecks.ABadRangeIsRefused);
            Add(StreamChecks.AcksAreTheGoldenOnes);
            Add(StreamChecks.ABadPoseIsCountedAndNotAcked);
            Add(StreamChecks.GoldenControlMessagesAreRead);
            Add(StreamChecks.WhatIsNoControlMessageIsToldNotThrown);
            Add(StreamChecks.OnlySmplOfGenmoV1IsBelieved);
            Add(StreamChecks.SubjectsComeAndGoInUnitysAxes);
            Add(StreamChecks.GapsInSeqAreCountedAndReconnectsAreNone);
            Add(StreamChecks.TheLastPoseStaysWhileTheServerIsAway);
            Add(StreamChecks.TheClockTrustsTheQuickestPing);
            Add(StreamChecks.WaitingTimesDoubleUpToEightSeconds);
            Add(StreamChecks.TheAddressAsksForSmplAndWhatIsWanted);
            Add(JitterChecks.BetweenTwoFramesPosesAreBlended);
            Add(JitterChecks.SlerpKeepsItsSpeedAndTakesTheShortWay);
            Add(JitterChecks.AfterTheNewestThePelvisGoesOnForAtMost100Ms);
            Add(JitterChecks.AFrameThatComesLateIsLeftOut);
            Add(JitterChecks.AClockThatWentBackStartsAnew);
            Add(JitterChecks.UnevenArrivalIsPlayedEvenly);
            Add(JitterChecks.PersonsAreMatchedById);
            Add(RetargetChecks.AvatarWithOddBoneAxesStandsLikeThePerson);
            Add(RetargetChecks.AvatarInAPoseAtRestStillPointsItsArmsRight);
            Add(RetargetChecks.HipsAreScaledByTheLegs);
            Add(RetargetChecks.WithoutRootMotionTheAvatarStaysInPlace);
            Add(RetargetChecks.TheMapHasEveryJointThatHasABone);
            Add(ClientChecks.AClientReconnectsAndReadsFragments);
            Add(ClientChecks.AServerWithAnotherSubprotocolIsRefused);
            Add(ClientChecks.AMessageWithoutEndIsCutOff);
            Add(AllocationChecks.AFrameAllocatesNothing);
            Add(ComponentChecks.AComponentPosesAnAvatarThatStandsElsewhere);
            Add(ComponentChecks.AnAvatarWithoutUpperChestBendsItsChestInstead);
            Add(ComponentChecks.WhoIsChosenByIdIsShownWhileThere);
            Add(ComponentChecks.ACrowdMakesAnAvatarPerPersonAndReusesIt);
            Add(ComponentChecks.ComponentsAllocateNothingPerFrame);
            Add(ComponentChecks.TheEnginesBonesAreTheMapsBones);
            var failed = 0;
            foreach (var check in Checks)
                try
                {
                    check.Value(golden);
                    Console.WriteLine("ok " + check.Key);
                }
                catch (Exception error)
                {
                    failed++;
                    Console.WriteLine("FAIL " + check.Key + ": " + error.Message.Replace('\n', ' '));
                    if (!(error is CheckFailed)) Console.Error.WriteLine(error);
                }
            return failed == 0 ? 0 : 1;
        }

        static void Add(Action<Golden> check)
        {
            Checks.Add(new KeyValuePair<string, Action<Golden>>(check.Method.Name, check));
        }

        static int Verdicts(byte[] corpus)
        {
            var frame = new PoseFrame();
            var lines = new StringBuilder();
            for (int at = 0, length; at < corpus.Length; at += length)
            {
                length = BitConverter.ToInt32(corpus, at);
                at += 4;
                var error = PoseDecoder.Decode(corpus, at, length, frame);
                lines.Append(error == DecodeError.None ? "ok " + frame.PersonCount : "refused").Append('\n');
            }
            Console.Write(lines);
            return 0;
        }
    }
}
