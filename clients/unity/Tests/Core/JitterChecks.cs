using System;

namespace GenmoRT.Tests
{
    public static class JitterChecks
    {
        const long Ms = 1000;

        public static void BetweenTwoFramesPosesAreBlended(Golden golden)
        {
            var buffer = new JitterBuffer { MaxDelayUs = 100 * Ms };
            buffer.Push(Frame(0, 0, 0), 100 * Ms);
            buffer.Push(Frame(40 * Ms, 0.4f, 90), 140 * Ms);
            var frame = new PoseFrame();
            Check.That(buffer.Sample(120 * Ms, frame), "no pose"); // plays 100 ms behind
            Check.Near(frame[0].Pelvis.X, 0.2, 1e-5, "pelvis halfway");
            Check.Near(frame[0].Rotations[0], Turn(45), 1e-6f, "rotation halfway");
            Check.Near(frame[0].Contacts[0], 0.5, 1e-6, "contact halfway");
            Check.Equal(frame.CaptureUs, 20 * Ms, "capture time");
        }

        public static void SlerpKeepsItsSpeedAndTakesTheShortWay(Golden golden)
        {
            for (var i = 0; i <= 10; i++)
                Check.Near(Quat.Slerp(Turn(0), Turn(170), i / 10f), Turn(17 * i), 1e-6f, "at " + i);
            var negative = new Quat(-Turn(30).X, -Turn(30).Y, -Turn(30).Z, -Turn(30).W);
            Check.Near(Quat.Slerp(Turn(10), negative, 0.5f), Turn(20), 1e-6f, "towards −q");
            Check.Near(Quat.Slerp(Turn(10), Turn(10.001f), 0.5f), Turn(10), 1e-6f, "nearly equal");
        }

        public static void AfterTheNewestThePelvisGoesOnForAtMost100Ms(Golden golden)
        {
            var buffer = new JitterBuffer { MaxDelayUs = 0 };
            buffer.Push(Frame(0, 0, 10), 0);
            var frame = new PoseFrame();
            buffer.Sample(60 * Ms, frame);
            Check.Near(frame[0].Pelvis.X, 0.6, 1e-5, "pelvis after 60 ms at 10 m/s");
            Check.Near(frame[0].Rotations[0], Turn(10), 1e-6f, "rotation");
            buffer.Sample(5000 * Ms, frame);
            Check.Near(frame[0].Pelvis.X, 1.0, 1e-5, "pelvis after 5 s");
        }

        public static void AFrameThatComesLateIsLeftOut(Golden golden)
        {
            var buffer = new JitterBuffer();
            buffer.Push(Frame(100 * Ms, 1, 0), 100 * Ms);
            buffer.Push(Frame(70 * Ms, 2, 0), 110 * Ms);
            buffer.Push(Frame(100 * Ms, 3, 0), 110 * Ms);
            Check.Equal(buffer.LateFrames, 2, "late frames");
            var frame = new PoseFrame();
            buffer.Sample(100 * Ms, frame);
            Check.Near(frame[0].Pelvis.X, 1, 1e-6, "pelvis");
        }

        public static void AClockThatWentBackStartsAnew(Golden golden)
        {
            var buffer = new JitterBuffer { MaxDelayUs = 0 };
            buffer.Push(Frame(100000 * Ms, 1, 0), 100000 * Ms);
            buffer.Push(Frame(10 * Ms, 2, 0), 10 * Ms);
            var frame = new PoseFrame();
            buffer.Sample(10 * Ms, frame);
            Check.Near(frame[0].Pelvis.X, 2, 1e-6, "pelvis");
        }

        public static void UnevenArrivalIsPlayedEvenly(Golden golden)
        {
            // 30 frames a second that walk at 1 m/s arrive 20 to 60 ms late; the screen has 60 a second.
            var random = new Random(7);
            var buffer = new JitterBuffer();
            var frame = new PoseFrame();
            long arrival = 0, frameNo = 0;
            float last = 0;
            var arrives = 20 * Ms;
            for (long now = 0; now < 20000 * Ms; now += 16667)
            {
                while (arrives <= now)
                {
                    var capture = frameNo * 33333;
                    buffer.Push(Frame(capture, capture / 1e6f, 0, velocity: 1), arrives);
                    frameNo++;
                    arrival = frameNo * 33333 + 20 * Ms + random.Next(40) * Ms;
                    arrives = Math.Max(arrives, arrival);
                }
                if (!buffer.Sample(now, frame)) continue;
                var x = frame[0].Pelvis.X;
                if (now > 5000 * Ms) Check.Near(x - last, 0.016667, 0.004, "step at " + now);
                last = x;
            }
            Check.That(buffer.DelayUs > 50 * Ms && buffer.DelayUs <= 100 * Ms, "delay " + buffer.DelayUs);
            Check.That(buffer.MedianAgeUs > 25 * Ms && buffer.MedianAgeUs < 55 * Ms, "median age " + buffer.MedianAgeUs);
        }

        public static void PersonsAreMatchedById(Golden golden)
        {
            var buffer = new JitterBuffer { MaxDelayUs = 50 * Ms };
            var a = Frame(0, 0, 0);
            Add(a, 9, 10);
            buffer.Push(a, 50 * Ms);
            var b = new PoseFrame { CaptureUs = 40 * Ms };
            Add(b, 9, 12);
            Add(b, 11, 5);
            buffer.Push(b, 90 * Ms);
            var frame = new PoseFrame();
            buffer.Sample(70 * Ms, frame);
            Check.Equal(frame.PersonCount, 2, "persons");
            Check.Near(frame.Find(1).Pelvis.X, 0, 1e-6, "who is gone stays until the next frame");
            Check.Near(frame.Find(9).Pelvis.X, 11, 1e-5, "who is in both is blended");
            Check.That(frame.Find(11) == null, "who comes is there before its time");
        }

        static PoseFrame Frame(long captureUs, float x, float degrees, float velocity = 10)
        {
            var frame = new PoseFrame { CaptureUs = captureUs };
            var person = Add(frame, 1, x);
            person.Velocity = new Vec3(velocity, 0, 0);
            person.Rotations[0] = Turn(degrees);
            person.Contacts[0] = degrees > 0 ? 1 : 0;
            return frame;
        }

        static PersonPose Add(PoseFrame frame, uint id, float x)
        {
            var person = frame.Append();
            person.Id = id;
            person.Pelvis = new Vec3(x, 1, 0);
            for (var j = 0; j < Joints.Count; j++) person.Rotations[j] = Quat.Identity;
            return person;
        }

        static Quat Turn(float degrees)
        {
            var half = degrees * Math.PI / 360;
            return new Quat(0, (float)Math.Sin(half), 0, (float)Math.Cos(half));
        }
    }
}
