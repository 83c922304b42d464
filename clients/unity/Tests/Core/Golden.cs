using System;
using System.Collections.Generic;
using System.IO;
using GenmoRT.Internal;

namespace GenmoRT.Tests
{
    /// <summary>A check failed; the text says what was seen.</summary>
    public sealed class CheckFailed : Exception
    {
        public CheckFailed(string message) : base(message) { }
    }

    /// <summary>The golden messages of clients/protocol, and kinematics that share no code with the package.</summary>
    public sealed class Golden
    {
        public static readonly string[] Poses = { "t_pose", "right_hand_up", "step_forward", "turn_left" };
        public static readonly string[] Spaces = { "smpl", "unity", "unreal" };

        readonly string _folder;
        readonly JsonValue _expected;

        public Golden(string folder)
        {
            _folder = folder;
            _expected = Json("expected.json");
        }

        public byte[] Bytes(string path) { return File.ReadAllBytes(Path.Combine(_folder, path)); }

        public string Text(string path) { return File.ReadAllText(Path.Combine(_folder, path)); }

        internal JsonValue Json(string path) { return JsonValue.Parse(Text(path)); }

        public List<string> Files(string pattern)
        {
            var names = new List<string>();
            foreach (var path in Directory.GetFiles(_folder, pattern, SearchOption.AllDirectories))
                names.Add(path.Substring(_folder.Length).TrimStart('/', '\\').Replace('\\', '/'));
            names.Sort(string.CompareOrdinal);
            return names;
        }

        public PoseFrame Pose(string path)
        {
            var bytes = Bytes(path);
            var frame = new PoseFrame();
            var error = PoseDecoder.Decode(bytes, 0, bytes.Length, frame);
            Check.That(error == DecodeError.None, path + ": " + PoseDecoder.Explain(error));
            return frame;
        }

        internal JsonValue Values(string pose, string target) { return _expected["poses"][pose]["values"][target]; }

        public Vec3[] Offsets(string target) { return Vectors(_expected["targets"][target]["offsets"]); }

        internal static Vec3[] Vectors(JsonValue rows)
        {
            var vectors = new Vec3[rows.Items.Count];
            for (var i = 0; i < vectors.Length; i++) vectors[i] = rows.Items[i].Vec3;
            return vectors;
        }

        /// <summary>Joint positions by rotation matrices.</summary>
        public static Vec3[] WorldJoints(PersonPose person, Vec3[] offsets)
        {
            var places = new Vec3[Joints.Count];
            var spins = new float[Joints.Count][];
            for (var j = 0; j < Joints.Count; j++)
            {
                var parent = Joints.Parent(j);
                var own = Matrix(person.Rotations[j]);
                spins[j] = parent < 0 ? own : Multiply(spins[parent], own);
                places[j] = parent < 0 ? person.Pelvis : places[parent] + Multiply(spins[parent], offsets[j]);
            }
            return places;
        }

        /// <summary>Checks what expected.json says in words; returns how many facts there were.</summary>
        public int CheckFacts(string pose, string target, Vec3[] joints)
        {
            var names = new List<string>();
            foreach (var name in _expected["names"].Items) names.Add(name.Text);
            var goal = _expected["targets"][target];
            var facts = _expected["poses"][pose]["facts"].Items;
            foreach (var fact in facts)
            {
                var way = joints[names.IndexOf(fact["to"].Text)] - joints[names.IndexOf(fact["start"].Text)];
                var metres = Vec3.Dot(way, goal["directions"][fact["direction"].Text].Vec3) / goal["metre"].Float;
                var holds = (fact["at_least"].IsNull || metres >= fact["at_least"].Float) &&
                    (fact["at_most"].IsNull || metres <= fact["at_most"].Float);
                Check.That(holds, pose + " in " + target + ": not true that " + fact["say"].Text + " (" + metres + " m)");
            }
            return facts.Count;
        }

        static float[] Matrix(Quat q)
        {
            float x = q.X, y = q.Y, z = q.Z, w = q.W;
            return new[]
            {
                1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
                2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
                2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)
            };
        }

        static float[] Multiply(float[] a, float[] b)
        {
            var c = new float[9];
            for (var row = 0; row < 3; row++)
                for (var column = 0; column < 3; column++)
                    for (var k = 0; k < 3; k++) c[row * 3 + column] += a[row * 3 + k] * b[k * 3 + column];
            return c;
        }

        static Vec3 Multiply(float[] m, Vec3 v)
        {
            return new Vec3(
                m[0] * v.X + m[1] * v.Y + m[2] * v.Z,
                m[3] * v.X + m[4] * v.Y + m[5] * v.Z,
                m[6] * v.X + m[7] * v.Y + m[8] * v.Z);
        }
    }

    public static class Check
    {
        public static void That(bool fact, string otherwise)
        {
            if (!fact) throw new CheckFailed(otherwise);
        }

        public static void Equal(long seen, long expected, string what)
        {
            That(seen == expected, what + " is " + seen + "; expected " + expected);
        }

        public static void Near(double seen, double expected, double tolerance, string what)
        {
            That(Math.Abs(seen - expected) <= tolerance, what + " is " + seen + "; expected " + expected);
        }

        public static void Near(Vec3 seen, Vec3 expected, float tolerance, string what)
        {
            Near(seen.X, expected.X, tolerance, what + ".x");
            Near(seen.Y, expected.Y, tolerance, what + ".y");
            Near(seen.Z, expected.Z, tolerance, what + ".z");
        }

        /// <summary>q and −q are the same rotation.</summary>
        public static void Near(Quat seen, Quat expected, float tolerance, string what)
        {
            var cosine = seen.X * expected.X + seen.Y * expected.Y + seen.Z * expected.Z + seen.W * expected.W;
            That(Math.Abs(cosine) >= 1 - tolerance, what + " is off: |cosine| of half the angle " + Math.Abs(cosine));
        }
    }
}
