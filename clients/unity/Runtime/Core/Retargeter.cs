using System;

namespace GenmoRT
{
    /// <summary>A bone of the avatar at rest (T-pose), in the avatar's frame: its root, y up, facing +z.</summary>
    public struct RestBone
    {
        /// <summary>The joint that turns it.</summary>
        public int Joint;

        public Vec3 Position;
        public Quat Rotation;

        /// <summary>For upper and lower arms and legs: the index of the bone at their end; else −1.</summary>
        public int LimbEnd;
    }

    /// <summary>
    /// One person's pose → an avatar's bones. With D the joint's rotation in the world (the product
    /// down from the pelvis; SMPL's joint frames are parallel to the body at rest), a bone turns to
    /// D · A · rest. A turns the avatar's limb at rest into the direction of the person's limb at
    /// rest, so that limbs point where the person's do although the two rest poses differ a little.
    /// </summary>
    public sealed class Retargeter
    {
        /// <summary>From the foot joint down to the sole, metres.</summary>
        const float SoleBelowFootM = 0.01f;

        readonly RestBone[] _bones;
        readonly Quat[] _aligned; // A · rest, per bone
        readonly Quat[] _world = new Quat[Joints.Count];
        readonly int[] _boneOf = new int[Joints.Count];
        Vec3 _hipsBelow; // from the middle of the hip joints to the hips bone, avatar's rest
        Vec3 _middle; // from the person's pelvis to the middle of its hip joints
        float _lift;

        /// <exception cref="ArgumentException">Hips or legs are missing.</exception>
        public Retargeter(RestBone[] bones)
        {
            _bones = bones;
            _aligned = new Quat[bones.Length];
            for (var j = 0; j < Joints.Count; j++) _boneOf[j] = -1;
            for (var b = 0; b < bones.Length; b++) _boneOf[bones[b].Joint] = b;
            foreach (var joint in new[] { 0, 1, 2, 4, 5, 7, 8 })
                if (_boneOf[joint] < 0) throw new ArgumentException("no bone for joint " + joint + "; expected hips, legs and feet");
            _hipsBelow = Rest(Joints.Pelvis).Position -
                (Rest(Joints.LeftHip).Position + Rest(Joints.RightHip).Position) * 0.5f;
        }

        /// <summary>The avatar's legs over the person's.</summary>
        public float Scale { get; private set; }

        /// <summary>Fits to a person's body. Call it before Apply, and again when the body changes.</summary>
        /// <param name="offsets">24 bone offsets of the person, in Unity's axes.</param>
        public void Fit(Vec3[] offsets)
        {
            for (var b = 0; b < _bones.Length; b++)
            {
                var align = Quat.Identity;
                if (_bones[b].LimbEnd >= 0)
                {
                    var end = _bones[_bones[b].LimbEnd];
                    align = Quat.FromTo(end.Position - _bones[b].Position, offsets[end.Joint]);
                }
                _aligned[b] = align * _bones[b].Rotation;
            }
            var legs = Length(offsets, Joints.LeftKnee, Joints.LeftAnkle) + Length(offsets, Joints.RightKnee, Joints.RightAnkle);
            Scale = legs > 1e-3f ? (Leg(1, 4, 7) + Leg(2, 5, 8)) / legs : 1;
            _middle = (offsets[Joints.LeftHip] + offsets[Joints.RightHip]) * 0.5f;
            var ankle = (Rest(Joints.LeftAnkle).Position.Y + Rest(Joints.RightAnkle).Position.Y) * 0.5f;
            var theirs = SoleBelowFootM - (offsets[Joints.LeftFoot].Y + offsets[Joints.RightFoot].Y) * 0.5f;
            _lift = ankle - Scale * theirs; // the same ground under both pairs of soles
        }

        /// <summary>Computes where the bones are, in the avatar's frame.</summary>
        /// <param name="person">In Unity's axes.</param>
        /// <param name="rootMotion">False keeps the avatar in place; it still goes up and down.</param>
        /// <param name="rotations">Filled: one per bone, as they were given.</param>
        /// <param name="hips">Position of the hips bone.</param>
        public void Apply(PersonPose person, bool rootMotion, Quat[] rotations, out Vec3 hips)
        {
            for (var j = 0; j < Joints.Count; j++)
            {
                var parent = Joints.Parent(j);
                var local = person.Rotations[j].Normalized;
                _world[j] = parent < 0 ? local : _world[parent] * local;
            }
            for (var b = 0; b < _bones.Length; b++)
                rotations[b] = (_world[_bones[b].Joint] * _aligned[b]).Normalized;

            var middle = (person.Pelvis + _world[0].Rotate(_middle)) * Scale;
            if (!rootMotion) middle = new Vec3(0, middle.Y, 0);
            hips = middle + _world[0].Rotate(_hipsBelow) + new Vec3(0, _lift, 0);
        }

        RestBone Rest(int joint) { return _bones[_boneOf[joint]]; }

        float Leg(int hip, int knee, int ankle)
        {
            return (Rest(knee).Position - Rest(hip).Position).Length + (Rest(ankle).Position - Rest(knee).Position).Length;
        }

        static float Length(Vec3[] offsets, int knee, int ankle) { return offsets[knee].Length + offsets[ankle].Length; }
    }
}
