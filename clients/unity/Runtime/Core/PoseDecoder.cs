using GenmoRT.Internal;

namespace GenmoRT
{
    /// <summary>Why a binary message is no pose.</summary>
    public enum DecodeError
    {
        None, Truncated, Magic, Type, Version, HeaderLength, RotationEncoding, JointCount, State,
        BlockLength, NotFinite, TrailingBytes
    }

    /// <summary>
    /// Binary pose messages of `genmo.v1` → frames. Every length is checked before it is used, no
    /// count is trusted, and nothing is thrown or allocated (but for persons never seen before).
    /// </summary>
    public static class PoseDecoder
    {
        public const int HeaderLength = 48;
        public const int BlockLength = 432;
        public const int LandmarksBlockLength = 832;

        const ushort Magic = 0x4D47;
        const byte Major = 1;
        const byte TypePose = 1;
        const int StateCount = 5;
        const byte OptionLandmarks = 1;

        /// <summary>
        /// Decodes buffer[start .. start + length) into the frame. When it returns an error the
        /// frame is empty. Values are in the space that the stream was asked for.
        /// </summary>
        public static DecodeError Decode(byte[] buffer, int start, int length, PoseFrame into)
        {
            into.Clear();
            if (start < 0 || length < 0 || length > buffer.Length - start) return DecodeError.Truncated;
            var error = DecodeMessage(new ByteReader(buffer, start), length, into);
            if (error != DecodeError.None) into.Clear();
            return error;
        }

        /// <summary>What was expected instead, for people.</summary>
        public static string Explain(DecodeError error)
        {
            switch (error)
            {
                case DecodeError.None: return "a good pose";
                case DecodeError.Truncated: return "the message ends too early";
                case DecodeError.Magic: return "not a genmo message (its magic isn't 0x4D47)";
                case DecodeError.Type: return "not a pose (its type isn't 1)";
                case DecodeError.Version: return "another protocol version; this package reads 1, update it";
                case DecodeError.HeaderLength: return "header_len isn't a multiple of 8 from 48 to the message's end";
                case DecodeError.RotationEncoding: return "an unknown rotation encoding; expected 0, quaternions";
                case DecodeError.JointCount: return "another skeleton; expected 24 joints";
                case DecodeError.State: return "an unknown person state; expected 0 to 4";
                case DecodeError.BlockLength: return "block_len isn't a multiple of 8 from 432 to the message's end";
                case DecodeError.NotFinite: return "a number is NaN or infinite";
                default: return "bytes follow the last person";
            }
        }

        static DecodeError DecodeMessage(ByteReader reader, int length, PoseFrame into)
        {
            if (length < HeaderLength) return DecodeError.Truncated;
            if (reader.U16(0) != Magic) return DecodeError.Magic;
            if (reader.U8(2) != Major) return DecodeError.Version;
            if (reader.U8(3) != TypePose) return DecodeError.Type;
            int headerLength = reader.U16(4);
            if (headerLength < HeaderLength || headerLength % 8 != 0 || headerLength > length)
                return DecodeError.HeaderLength;

            into.Flags = (PoseFlags)reader.U16(6);
            into.Seq = reader.U32(8);
            into.Frame = reader.U32(12);
            into.CaptureUs = reader.I64(16);
            into.PublishUs = reader.I64(24);
            into.SkeletonRev = reader.U32(32);
            into.DecodeMs = reader.U16(38) / 10f;
            into.KeypointsMs = reader.U16(40) / 10f;
            into.ModelMs = reader.U16(42) / 10f;

            var at = headerLength;
            for (int left = reader.U16(36); left > 0; left--)
            {
                int blockLength;
                var error = DecodePerson(reader, at, length - at, into, out blockLength);
                if (error != DecodeError.None) return error;
                at += blockLength;
            }
            return at == length ? DecodeError.None : DecodeError.TrailingBytes;
        }

        static DecodeError DecodePerson(ByteReader reader, int at, int left, PoseFrame into, out int blockLength)
        {
            blockLength = 0;
            if (left < BlockLength) return DecodeError.Truncated;
            if (reader.U8(at + 5) != 0) return DecodeError.RotationEncoding;
            if (reader.U8(at + 6) != Joints.Count) return DecodeError.JointCount;
            if (reader.U8(at + 4) >= StateCount) return DecodeError.State;
            var hasLandmarks = (reader.U8(at + 7) & OptionLandmarks) != 0;
            var claimed = reader.U32(at + 8); // unsigned: compared before it becomes an int
            var least = hasLandmarks ? LandmarksBlockLength : BlockLength;
            if (claimed < least || claimed % 8 != 0 || claimed > left) return DecodeError.BlockLength;
            blockLength = (int)claimed;

            var person = into.Append();
            person.Id = reader.U32(at);
            person.State = (TrackState)reader.U8(at + 4);
            person.Confidence = reader.F32(at + 12);
            person.Pelvis = reader.Vec3(at + 16);
            person.Velocity = reader.Vec3(at + 28);
            for (var i = 0; i < PersonPose.ContactCount; i++)
                person.Contacts[i] = reader.U8(at + 40 + i) / 255f;
            for (var j = 0; j < Joints.Count; j++)
                person.Rotations[j] = reader.Quat(at + 48 + j * 16);
            person.HasLandmarks = hasLandmarks;
            for (var i = 0; hasLandmarks && i < PersonPose.LandmarkCount; i++)
                person.Landmarks[i] = reader.Vec3(at + BlockLength + i * 12);
            return IsFinite(person) ? DecodeError.None : DecodeError.NotFinite;
        }

        static bool IsFinite(PersonPose person)
        {
            if (!IsFinite(person.Confidence) || !IsFinite(person.Pelvis) || !IsFinite(person.Velocity)) return false;
            for (var j = 0; j < Joints.Count; j++)
            {
                var q = person.Rotations[j];
                if (!IsFinite(q.X) || !IsFinite(q.Y) || !IsFinite(q.Z) || !IsFinite(q.W)) return false;
            }
            for (var i = 0; person.HasLandmarks && i < PersonPose.LandmarkCount; i++)
                if (!IsFinite(person.Landmarks[i])) return false;
            return true;
        }

        static bool IsFinite(Vec3 v) { return IsFinite(v.X) && IsFinite(v.Y) && IsFinite(v.Z); }

        static bool IsFinite(float x) { return !float.IsNaN(x) && !float.IsInfinity(x); }
    }
}
