using System;
using System.Collections.Generic;
using GenmoRT.Internal;

namespace GenmoRT.Tests
{
    public static class StreamChecks
    {
        const string Hello = "{\"type\":\"hello\",\"proto\":\"genmo.v1\",\"server\":\"s\",\"stream\":\"cam\"," +
            "\"clock_us\":5000000,\"space\":\"smpl\",\"fps\":30}";

        public static void AcksAreTheGoldenOnes(Golden golden)
        {
            var ack = new byte[PoseStream.AckLength];
            Check.That(Take(new PoseStream(0), golden.Bytes("poses/t_pose.smpl.bin"), 0, ack), "the pose was refused");
            var expected = golden.Bytes("client/ack.bin");
            for (var i = 0; i < expected.Length; i++) Check.Equal(ack[i], expected[i], "byte " + i + " of the ack");
        }

        public static void ABadPoseIsCountedAndNotAcked(Golden golden)
        {
            var stream = new PoseStream(0);
            var ack = new byte[PoseStream.AckLength];
            Check.That(!Take(stream, golden.Bytes("malformed/nan_pelvis.bin"), 0, ack), "NaN was taken");
            Check.Equal(stream.BadMessages, 1, "bad messages");
            Check.That(stream.LastProblem.Contains("NaN"), "problem: " + stream.LastProblem);
            Check.That(!stream.Sample(0, new PoseFrame()), "there is a pose");
        }

        public static void GoldenControlMessagesAreRead(Golden golden)
        {
            var ignored = new List<string> { "type", "limits", "model", "rest" };
            var count = 0;
            foreach (var path in golden.Files("control/*.json"))
            {
                Control message;
                string problem;
                Check.That(Control.TryParse(golden.Text(path), out message, out problem) && message != null, path + ": " + problem);
                foreach (var name in golden.Json(path).Names)
                {
                    if (ignored.Contains(name)) continue;
                    var without = golden.Text(path).Replace("\"" + name + "\":", "\"" + name + "_\":");
                    Check.That(!Control.TryParse(without, out message, out problem), path + " was read without " + name);
                }
                count++;
            }
            Check.That(count >= 12, count + " control messages; expected 12 or more");
        }

        public static void WhatIsNoControlMessageIsToldNotThrown(Golden golden)
        {
            var texts = new List<string>
            {
                "", "nonsense", "[]", "7", "{}", "{\"type\":7}", "{\"type\":\"pong\",\"t0\":1.5,\"t1\":1,\"t2\":1}",
                "{\"type\":\"pong\",\"t0\":1e300,\"t1\":1,\"t2\":1}", "{\"type\":\"pong\",\"t0\":NaN,\"t1\":1,\"t2\":1}",
                "{\"a\":" + new string('[', 100000), "\"\\u12", "{\"type\":\"bye\",\"reason\":\"\\", "{\"type\":\"bye\"",
                "{\"type\":\"bye\",\"reason\":\"a\"} x"
            };
            foreach (var text in texts)
            {
                Control message;
                string problem;
                Check.That(!Control.TryParse(text, out message, out problem) && problem != null, "read: " + text.Substring(0, Math.Min(60, text.Length)));
            }
            Control unknown;
            string none;
            Check.That(Control.TryParse("{\"type\":\"weather\",\"sun\":[true,null,\"\\u00e9\"]}", out unknown, out none) && unknown == null, "an unknown type");
        }

        public static void OnlySmplOfGenmoV1IsBelieved(Golden golden)
        {
            Check.That(new PoseStream(0).TakeText(Hello, 0) == null, "smpl was refused");
            Check.That(new PoseStream(0).TakeText(Hello.Replace("smpl", "unity"), 0).Contains("space=unity"), "unity was not refused");
            Check.That(new PoseStream(0).TakeText(Hello.Replace("genmo.v1", "genmo.v2"), 0).Contains("genmo.v2"), "v2 was not refused");
        }

        public static void SubjectsComeAndGoInUnitysAxes(Golden golden)
        {
            var stream = new PoseStream(0);
            stream.TakeText(golden.Text("control/subject.smpl.json"), 0);
            stream.TakeText(golden.Text("control/skeleton.smpl.json"), 0);
            var unity = golden.Offsets("unity");
            for (var j = 0; j < Joints.Count; j++)
            {
                Check.Near(stream.FindSubject(7).Offsets[j], unity[j], 1e-6f, "subject's offset " + j);
                Check.Near(stream.Skeleton.Offsets[j], unity[j], 1e-6f, "skeleton's offset " + j);
            }
            var version = stream.SubjectsVersion;
            stream.TakeText(golden.Text("control/subject.smpl.json").Replace("enter", "leave"), 0);
            Check.That(stream.FindSubject(7) == null && stream.SubjectsVersion != version, "the person is still there");
        }

        public static void GapsInSeqAreCountedAndReconnectsAreNone(Golden golden)
        {
            var bytes = golden.Bytes("poses/t_pose.smpl.bin");
            var stream = new PoseStream(0);
            stream.Begin();
            foreach (var seq in new byte[] { 5, 6, 9, 10 }) Take(stream, WithSeq(bytes, seq), 0, new byte[5]);
            Check.Equal(stream.Gaps, 1, "gaps");
            Check.Equal(stream.MissedPoses, 2, "missed poses");
            stream.Begin();
            Take(stream, WithSeq(bytes, 1), 0, new byte[5]);
            Take(stream, WithSeq(bytes, 2), 0, new byte[5]);
            Check.Equal(stream.Gaps, 1, "gaps after the server was restarted");
        }

        public static void TheLastPoseStaysWhileTheServerIsAway(Golden golden)
        {
            var stream = new PoseStream(0);
            stream.Begin();
            Take(stream, golden.Bytes("poses/t_pose.smpl.bin"), 0, new byte[5]);
            stream.Begin();
            var frame = new PoseFrame();
            Check.That(stream.Sample(10, frame) && frame.PersonCount == 1, "the pose is gone");
        }

        public static void TheClockTrustsTheQuickestPing(Golden golden)
        {
            var clock = new ClockSync();
            Check.That(!clock.IsKnown && clock.RttUs < 0, "known before anything was heard");
            clock.AddHello(1000500, 400);
            Check.Equal(clock.ToServer(400), 1000500, "the server's time after hello");
            // The server is 1,000,000 µs ahead; 300 µs each way, 50 µs inside.
            clock.AddPong(0, 1000300, 1000350, 650);
            // A slow answer, delayed on the way back only, would be 20 ms off.
            clock.AddPong(1000, 1001300, 1001350, 41650);
            Check.Equal(clock.OffsetUs, 1000000, "offset");
            Check.Equal(clock.RttUs, 600, "round trip");
            for (var i = 0; i < 100; i++) clock.AddPong(0, 2000500, 2000500, 1000);
            Check.Equal(clock.OffsetUs, 2000000, "offset after the clock was set");
        }

        public static void WaitingTimesDoubleUpToEightSeconds(Golden golden)
        {
            var backoff = new Backoff(1);
            for (int i = 0, full = 250; i < 12; i++, full = Math.Min(8000, full * 2))
            {
                var ms = backoff.NextMs();
                Check.That(ms >= full / 2 && ms <= full, "attempt " + i + " waits " + ms + " ms of " + full);
            }
            backoff.Reset();
            Check.That(backoff.NextMs() <= 250, "no reset");
        }

        public static void TheAddressAsksForSmplAndWhatIsWanted(Golden golden)
        {
            var options = new ClientOptions { Url = "https://host:8443/v1/streams/cam/poses?space=unity&rate=7&ticket=t", Persons = 2 };
            Check.That(options.Address().ToString() == "wss://host:8443/v1/streams/cam/poses?rate=7&ticket=t&space=smpl&persons=2",
                options.Address().ToString());
            options.Rate = 59.94f;
            Check.That(options.Address().Query == "?ticket=t&space=smpl&rate=59.94&persons=2", options.Address().Query);
            foreach (var bad in new[] { null, "", "cam", "ftp://host/", "/v1/streams" })
            {
                try
                {
                    new ClientOptions { Url = bad }.Address();
                }
                catch (FormatException error)
                {
                    Check.That(error.Message.Contains("expected ws://"), error.Message);
                    continue;
                }
                throw new CheckFailed("the URL '" + bad + "' was accepted");
            }
        }

        public static byte[] WithSeq(byte[] message, byte seq)
        {
            var copy = (byte[])message.Clone();
            copy[8] = seq;
            copy[9] = copy[10] = copy[11] = 0;
            copy[16] += seq; // its time moves on, too
            return copy;
        }

        static bool Take(PoseStream stream, byte[] message, long nowUs, byte[] ack)
        {
            return stream.TakeBinary(message, 0, message.Length, nowUs, ack);
        }
    }
}
