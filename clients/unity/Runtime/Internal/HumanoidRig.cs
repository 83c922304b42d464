using System;
using System.Collections.Generic;
using UnityEngine;

namespace GenmoRT.Internal
{
    /// <summary>A Humanoid avatar's bones and their T-pose, as the retargeter wants them.</summary>
    sealed class HumanoidRig
    {
        /// <summary>The engine's names of HumanoidMap.Rows, one by one: IL2CPP needs no reflection for them.</summary>
        internal static readonly HumanBodyBones[] Bones =
        {
            HumanBodyBones.Hips, HumanBodyBones.LeftUpperLeg, HumanBodyBones.RightUpperLeg, HumanBodyBones.Spine,
            HumanBodyBones.LeftLowerLeg, HumanBodyBones.RightLowerLeg, HumanBodyBones.Chest, HumanBodyBones.LeftFoot,
            HumanBodyBones.RightFoot, HumanBodyBones.UpperChest, HumanBodyBones.LeftToes, HumanBodyBones.RightToes,
            HumanBodyBones.Neck, HumanBodyBones.LeftShoulder, HumanBodyBones.RightShoulder, HumanBodyBones.Head,
            HumanBodyBones.LeftUpperArm, HumanBodyBones.RightUpperArm, HumanBodyBones.LeftLowerArm,
            HumanBodyBones.RightLowerArm, HumanBodyBones.LeftHand, HumanBodyBones.RightHand
        };

        readonly Transform _root;
        readonly Transform[] _bones;
        readonly Quat[] _rotations;

        /// <exception cref="ArgumentException">The avatar is no Humanoid or lacks bones.</exception>
        public HumanoidRig(Animator animator)
        {
            if (animator.avatar == null || !animator.avatar.isHuman)
                throw new ArgumentException(animator.name + " is no Humanoid; set Animation Type to Humanoid in the model's Rig tab");
            _root = animator.transform;
            var rows = new List<HumanoidMap.Row>();
            var bones = new List<Transform>();
            for (var i = 0; i < Bones.Length; i++)
            {
                var bone = animator.GetBoneTransform(Bones[i]);
                if (bone == null) continue;
                rows.Add(HumanoidMap.Rows[i]);
                bones.Add(bone);
            }
            _bones = bones.ToArray();
            _rotations = new Quat[_bones.Length];
            Retargeter = new Retargeter(Rest(rows, new TPose(animator)));
        }

        public Retargeter Retargeter { get; private set; }

        /// <summary>Poses the bones. Parents come before children, so world rotations stay.</summary>
        public void Apply(PersonPose person, bool rootMotion, float heightOffset)
        {
            Vec3 hips;
            Retargeter.Apply(person, rootMotion, _rotations, out hips);
            var turn = _root.rotation;
            _bones[0].position = _root.TransformPoint(new Vector3(hips.X, hips.Y + heightOffset, hips.Z));
            for (var b = 0; b < _bones.Length; b++)
            {
                var q = _rotations[b];
                _bones[b].rotation = turn * new Quaternion(q.X, q.Y, q.Z, q.W);
            }
        }

        RestBone[] Rest(List<HumanoidMap.Row> rows, TPose pose)
        {
            var rest = new RestBone[rows.Count];
            for (var b = 0; b < rest.Length; b++)
            {
                Vector3 position;
                Quaternion rotation;
                pose.Get(_bones[b], out position, out rotation);
                rest[b] = new RestBone
                {
                    Joint = JointOf(rows, b),
                    Position = new Vec3(position.x, position.y, position.z),
                    Rotation = new Quat(rotation.x, rotation.y, rotation.z, rotation.w),
                    LimbEnd = IndexOf(rows, rows[b].LimbEnd)
                };
            }
            return rest;
        }

        /// <summary>Its own joint, or that of a missing bone it stands for: a spine without a chest bends as one.</summary>
        static int JointOf(List<HumanoidMap.Row> rows, int b)
        {
            var bone = rows[b].Bone;
            var joint = rows[b].Joint;
            foreach (var row in HumanoidMap.Rows)
                if (row.Stand == bone && IndexOf(rows, row.Bone) < 0)
                {
                    bone = row.Bone;
                    joint = row.Joint;
                }
            return joint;
        }

        static int IndexOf(List<HumanoidMap.Row> rows, string bone)
        {
            for (var b = 0; bone != null && b < rows.Count; b++)
                if (rows[b].Bone == bone) return b;
            return -1;
        }
    }
}
