namespace GenmoRT
{
    /// <summary>
    /// The one place where axes change: `smpl` (right-handed, y up, metres) → Unity (left-handed,
    /// y up, metres). x is mirrored; for a rotation that means (x, −y, −z, w).
    /// </summary>
    public static class UnityAxes
    {
        public static Vec3 Convert(Vec3 v) { return new Vec3(-v.X, v.Y, v.Z); }

        public static Quat Convert(Quat q) { return new Quat(q.X, -q.Y, -q.Z, q.W); }

        /// <summary>Converts a whole frame in place. Call it once per frame.</summary>
        public static void Convert(PoseFrame frame)
        {
            for (var i = 0; i < frame.PersonCount; i++)
            {
                var person = frame[i];
                person.Pelvis = Convert(person.Pelvis);
                person.Velocity = Convert(person.Velocity);
                for (var j = 0; j < Joints.Count; j++) person.Rotations[j] = Convert(person.Rotations[j]);
            }
        }

        /// <summary>Converts bone offsets in place.</summary>
        public static void Convert(Vec3[] offsets)
        {
            for (var j = 0; j < offsets.Length; j++) offsets[j] = Convert(offsets[j]);
        }
    }
}
