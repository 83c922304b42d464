using System;

namespace GenmoRT.Tests
{
    static class AllocationChecks
    {
        const int Frames = 20000;

        /// <summary>Decode, convert, ack, buffer, sample, retarget: the whole path of a frame.</summary>
        public static void AFrameAllocatesNothing(Golden golden)
        {
            var message = golden.Bytes("accepted/three_persons.bin");
            var path = new FramePath(golden);
            for (var i = 0; i < 200; i++) path.Run(message, i);
            var collections = GC.CollectionCount(0);
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 200; i < 200 + Frames; i++) path.Run(message, i);
            var taken = GC.GetAllocatedBytesForCurrentThread() - before;
            Check.Equal(taken, 0, "bytes for " + Frames + " frames");
            Check.Equal(GC.CollectionCount(0), collections, "garbage collections");

            before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < Frames; i++) path.Garbage = new byte[8];
            taken = GC.GetAllocatedBytesForCurrentThread() - before;
            Check.That(taken > 8 * Frames, "this counter doesn't count: " + taken + " bytes of " + Frames + " arrays");
        }

        sealed class FramePath
        {
            public byte[] Garbage;
            readonly PoseStream _stream = new PoseStream(150);
            readonly PoseFrame _frame = new PoseFrame();
            readonly byte[] _ack = new byte[PoseStream.AckLength];
            readonly Quat[] _rotations = new Quat[HumanoidMap.Rows.Length];
            readonly Retargeter _retargeter;

            public FramePath(Golden golden)
            {
                _stream.Begin();
                _retargeter = RetargetChecks.MakeRetargeter(golden.Offsets("unity"));
                _retargeter.Fit(golden.Offsets("unity"));
            }

            public void Run(byte[] message, int number)
            {
                var us = number * 33333L;
                for (var i = 0; i < 4; i++) message[8 + i] = (byte)(number >> (8 * i));
                for (var i = 0; i < 8; i++) message[16 + i] = (byte)(us >> (8 * i));
                Check.That(_stream.TakeBinary(message, 0, message.Length, us + 20000, _ack), "refused");
                Check.That(_stream.Sample(us + 25000, _frame), "no pose");
                Vec3 hips;
                for (var i = 0; i < _frame.PersonCount; i++) _retargeter.Apply(_frame[i], true, _rotations, out hips);
            }
        }
    }
}
