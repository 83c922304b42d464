using System.Collections.Generic;
using UnityEngine;

namespace GenmoRT.Internal
{
    /// <summary>
    /// Where bones are in the avatar's T-pose, in its root's frame. The importer keeps the T-pose in
    /// the avatar's description; a bone that isn't in it is taken as it stands now.
    /// </summary>
    sealed class TPose
    {
        readonly Transform _root;
        readonly Dictionary<string, SkeletonBone> _bones = new Dictionary<string, SkeletonBone>();

        public TPose(Animator animator)
        {
            _root = animator.transform;
            var skeleton = animator.avatar.humanDescription.skeleton;
            for (var i = 0; skeleton != null && i < skeleton.Length; i++) _bones[skeleton[i].name] = skeleton[i];
        }

        public void Get(Transform bone, out Vector3 position, out Quaternion rotation)
        {
            position = Vector3.zero;
            rotation = Quaternion.identity;
            for (var at = bone; at != null && at != _root; at = at.parent)
            {
                SkeletonBone rest;
                if (!_bones.TryGetValue(at.name, out rest))
                    rest = new SkeletonBone { position = at.localPosition, rotation = at.localRotation, scale = at.localScale };
                position = rest.position + rest.rotation * Vector3.Scale(rest.scale, position);
                rotation = rest.rotation * rotation;
            }
        }
    }
}
