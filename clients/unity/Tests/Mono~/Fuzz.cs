using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Text;

namespace GenmoRT.Tests
{
    /// <summary>Mutated golden messages: nothing may be thrown, and what is accepted must be sane.</summary>
    sealed class Fuzz
    {
        static readonly uint[] Interesting =
            { 0, 1, 7, 8, 0x7F, 0x80, 0xFF, 431, 432, 440, 832, 0x7FFF, 0xFFFF, 0x7F800000, 0x7FC00000, 0xFF800000, 0x7FFFFFFF, 0xFFFFFFF8, 0xFFFFFFFF };

        readonly Random _random;
        readonly List<byte[]> _poses = new List<byte[]>();
        readonly List<string> _texts = new List<string>();
        readonly PoseFrame _frame = new PoseFrame();

        public Fuzz(Golden golden, int seed)
        {
            _random = new Random(seed);
            foreach (var path in golden.Files("*.bin")) _poses.Add(golden.Bytes(path));
            foreach (var path in golden.Files("control/*.json")) _texts.Add(golden.Text(path));
        }

        public int Run(double seconds)
        {
            var clock = Stopwatch.StartNew();
            long messages = 0, accepted = 0;
            while (clock.Elapsed.TotalSeconds < seconds)
                for (var i = 0; i < 200; i++, messages++)
                {
                    if (i % 10 == 0) ParseText();
                    else if (DecodePose()) accepted++;
                }
            Console.WriteLine("fuzzed " + messages + " messages, " + accepted + " poses accepted");
            return accepted > 0 && accepted < messages ? 0 : 1;
        }

        bool DecodePose()
        {
            var message = Mutate((byte[])Pick(_poses).Clone());
            // Amid NaNs: whoever reads past an end is found out by what it accepts.
            int before = _random.Next(64), after = _random.Next(1000);
            var buffer = new byte[before + message.Length + after];
            for (var i = 0; i < buffer.Length; i++) buffer[i] = 0xFF;
            Array.Copy(message, 0, buffer, before, message.Length);
            if (PoseDecoder.Decode(buffer, before, message.Length, _frame) != DecodeError.None)
            {
                Check.Equal(_frame.PersonCount, 0, "persons of a refused message");
                return false;
            }
            Check.That(48 + 432L * _frame.PersonCount <= message.Length, _frame.PersonCount + " persons in " + message.Length + " bytes");
            for (var i = 0; i < _frame.PersonCount; i++)
            {
                var person = _frame[i];
                Check.That(person.State <= TrackState.Generated, "state " + person.State);
                foreach (var q in person.Rotations)
                {
                    Check.That(!float.IsNaN(0 * q.X + 0 * q.Y + 0 * q.Z + 0 * q.W + 0 * person.Pelvis.X), "not finite");
                    var unit = q.Normalized;
                    Check.Near(unit.X * unit.X + unit.Y * unit.Y + unit.Z * unit.Z + unit.W * unit.W, 1, 1e-4, "length");
                }
            }
            return true;
        }

        void ParseText()
        {
            var bytes = Mutate(Encoding.UTF8.GetBytes(Pick(_texts)));
            Control message;
            string problem;
            if (!Control.TryParse(Encoding.UTF8.GetString(bytes), out message, out problem))
                Check.That(!string.IsNullOrEmpty(problem), "refused without a reason");
        }

        byte[] Mutate(byte[] bytes)
        {
            for (var n = _random.Next(1, 5); n > 0; n--)
                switch (_random.Next(6))
                {
                    case 0: // a bit
                        if (bytes.Length > 0) bytes[_random.Next(bytes.Length)] ^= (byte)(1 << _random.Next(8));
                        break;
                    case 1: // an interesting number, most often in the header or a block's head
                        var value = Interesting[_random.Next(Interesting.Length)];
                        var at = _random.Next(Math.Max(1, _random.Next(2) == 0 ? Math.Min(104, bytes.Length) : bytes.Length));
                        for (var i = 0; i < 4 && at + i < bytes.Length; i++) bytes[at + i] = (byte)(value >> (8 * i));
                        break;
                    case 2: // cut
                        Array.Resize(ref bytes, _random.Next(bytes.Length + 1));
                        break;
                    case 3: // longer
                        Array.Resize(ref bytes, bytes.Length + 8 * _random.Next(60));
                        break;
                    case 4: // a part of another message
                        var other = Pick(_poses);
                        var from = _random.Next(other.Length + 1);
                        var length = Math.Min(other.Length - from, bytes.Length);
                        Array.Copy(other, from, bytes, _random.Next(bytes.Length - length + 1), length);
                        break;
                    default: // another count of persons
                        if (bytes.Length > 37) bytes[36 + _random.Next(2)] = (byte)_random.Next(256);
                        break;
                }
            return bytes;
        }

        T Pick<T>(List<T> from) { return from[_random.Next(from.Count)]; }
    }
}
