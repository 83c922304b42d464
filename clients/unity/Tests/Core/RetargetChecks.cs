using System;
using System.Collections.Generic;

namespace GenmoRT.Tests
{
    public static class RetargetChecks
    {
        public static void AvatarWithOddBoneAxesStandsLikeThePerson(Golden golden)
        {
            var offsets = golden.Offsets("unity");
            var random = new Random(3);
            var avatar = new Avatar(offsets, joint => Odd(random));
            foreach (var pose in Golden.Poses)
            {
                var person = Person(golden, pose);
                var joints = avatar.Pose(person, offsets, rootMotion: true);
                var expected = Golden.WorldJoints(person, offsets);
                for (var j = 0; j <= Joints.RightWrist; j++) Check.Near(joints[j], expected[j], 1e-4f, pose + ": joint " + j);
            }
        }

        public static void AvatarInAPoseAtRestStillPointsItsArmsRight(Golden golden)
        {
            var offsets = golden.Offsets("unity");
            // At rest its arms hang 45° down and its legs are straddled by 8°.
            var rest = (Vec3[])offsets.Clone();
            foreach (var joint in new[] { Joints.LeftElbow, Joints.LeftWrist }) rest[joint] = About(offsets[joint], 45);
            foreach (var joint in new[] { Joints.RightElbow, Joints.RightWrist }) rest[joint] = About(offsets[joint], -45);
            foreach (var joint in new[] { Joints.LeftKnee, Joints.LeftAnkle }) rest[joint] = About(offsets[joint], -8);
            var avatar = new Avatar(rest, joint => Quat.Identity);
            foreach (var pose in Golden.Poses)
            {
                var person = Person(golden, pose);
                var joints = avatar.Pose(person, offsets, rootMotion: true);
                var expected = Golden.WorldJoints(person, offsets);
                foreach (var joint in new[] { 4, 5, 7, 8, 18, 19, 20, 21 })
                {
                    var parent = Joints.Parent(joint);
                    Check.Near(joints[joint] - joints[parent], expected[joint] - expected[parent], 1e-4f, pose + ": limb to " + joint);
                }
            }
        }

        public static void HipsAreScaledByTheLegs(Golden golden)
        {
            var offsets = golden.Offsets("unity");
            var giant = new Vec3[Joints.Count];
            for (var j = 0; j < Joints.Count; j++) giant[j] = offsets[j] * 2;
            var avatar = new Avatar(giant, joint => Quat.Identity);
            var person = Person(golden, "step_forward");
            var joints = avatar.Pose(person, offsets, rootMotion: true);
            Check.Near(avatar.Retargeter.Scale, 2, 1e-5, "scale");
            var middle = (joints[Joints.LeftHip] + joints[Joints.RightHip]) * 0.5f;
            var theirs = Golden.WorldJoints(person, offsets);
            var expected = theirs[Joints.LeftHip] + theirs[Joints.RightHip];
            Check.Near(middle.X, expected.X, 1e-4, "x");
            Check.Near(middle.Z, expected.Z, 1e-4, "z");
            // Soles, not ankles, stand on the same ground: twice as high but for the sole's centimetre.
            Check.Near(middle.Y, expected.Y, 0.011, "y");
        }

        public static void WithoutRootMotionTheAvatarStaysInPlace(Golden golden)
        {
            var offsets = golden.Offsets("unity");
            var avatar = new Avatar(offsets, joint => Quat.Identity);
            var joints = avatar.Pose(Person(golden, "step_forward"), offsets, rootMotion: false);
            var middle = (joints[Joints.LeftHip] + joints[Joints.RightHip]) * 0.5f;
            Check.Near(middle.X, 0, 1e-5, "x");
            Check.Near(middle.Z, 0, 1e-5, "z");
            Check.That(middle.Y > 0.7f, "y is " + middle.Y);
        }

        public static void TheMapHasEveryJointThatHasABone(Golden golden)
        {
            var seen = new HashSet<string>();
            var joints = new HashSet<int>();
            var places = Golden.Vectors(golden.Values("t_pose", "smpl")["joints"]);
            foreach (var row in HumanoidMap.Rows)
            {
                seen.Add(row.Bone);
                joints.Add(row.Joint);
                Check.That(row.Joint == 0 || joints.Contains(Joints.Parent(row.Joint)), row.Bone + " comes before its parent");
                Check.That(row.Stand == null || seen.Contains(row.Stand), row.Bone + "'s stand-in comes later");
                var isLeft = row.Bone.StartsWith("Left", StringComparison.Ordinal);
                if (row.Joint > 0 && (isLeft || row.Bone.StartsWith("Right", StringComparison.Ordinal)))
                    Check.That(isLeft == places[row.Joint].X > 0, row.Bone + " is on the other side");
            }
            Check.Equal(joints.Count, 22, "joints (the hands' own bones stay)");
            Check.Equal(seen.Count, 22, "bones");
        }

        public static Retargeter MakeRetargeter(Vec3[] offsets)
        {
            return new Avatar(offsets, joint => Quat.Identity).Retargeter;
        }

        static PersonPose Person(Golden golden, string pose)
        {
            var frame = golden.Pose("poses/" + pose + ".smpl.bin");
            UnityAxes.Convert(frame);
            return frame[0];
        }

        static Quat Odd(Random random)
        {
            return new Quat((float)random.NextDouble() - 0.5f, (float)random.NextDouble() - 0.5f,
                (float)random.NextDouble() - 0.5f, (float)random.NextDouble() - 0.5f).Normalized;
        }

        /// <summary>Turned about z, degrees.</summary>
        static Vec3 About(Vec3 v, double degrees)
        {
            double c = Math.Cos(degrees * Math.PI / 180), s = Math.Sin(degrees * Math.PI / 180);
            return new Vec3((float)(c * v.X - s * v.Y), (float)(s * v.X + c * v.Y), v.Z);
        }

        /// <summary>An avatar with one bone per mapped joint, whose bones have axes of their own.</summary>
        sealed class Avatar
        {
            public readonly Retargeter Retargeter;
            readonly RestBone[] _bones;
            readonly Vec3[] _local = new Vec3[Joints.Count]; // from the parent bone, in its axes

            public Avatar(Vec3[] offsets, Func<int, Quat> axes)
            {
                var rest = new Vec3[Joints.Count];
                var spins = new Quat[Joints.Count];
                _bones = new RestBone[HumanoidMap.Rows.Length];
                // Its soles are one centimetre below the foot joint, on the ground.
                rest[0] = new Vec3(0, 0.01f - offsets[1].Y - offsets[4].Y - offsets[7].Y - offsets[10].Y, 0);
                for (var b = 0; b < _bones.Length; b++)
                {
                    var joint = HumanoidMap.Rows[b].Joint;
                    var parent = Joints.Parent(joint);
                    spins[joint] = axes(joint);
                    if (parent >= 0)
                    {
                        rest[joint] = rest[parent] + offsets[joint];
                        _local[joint] = spins[parent].Inverse.Rotate(offsets[joint]);
                    }
                    var end = Array.FindIndex(HumanoidMap.Rows, row => row.Bone == HumanoidMap.Rows[b].LimbEnd);
                    _bones[b] = new RestBone { Joint = joint, Position = rest[joint], Rotation = spins[joint], LimbEnd = end };
                }
                Retargeter = new Retargeter(_bones);
            }

            public Vec3[] Pose(PersonPose person, Vec3[] offsets, bool rootMotion)
            {
                var rotations = new Quat[_bones.Length];
                var places = new Vec3[Joints.Count];
                var spins = new Quat[Joints.Count];
                Vec3 hips;
                Retargeter.Fit(offsets);
                Retargeter.Apply(person, rootMotion, rotations, out hips);
                for (var b = 0; b < _bones.Length; b++)
                {
                    var joint = _bones[b].Joint;
                    var parent = Joints.Parent(joint);
                    spins[joint] = rotations[b];
                    places[joint] = parent < 0 ? hips : places[parent] + spins[parent].Rotate(_local[joint]);
                }
                return places;
            }
        }
    }
}
