namespace GenmoRT
{
    /// <summary>Which SMPL joint turns which bone of Unity's Humanoid (and VRM's). A table, no logic.</summary>
    public static class HumanoidMap
    {
        /// <summary>One row: a bone by the name in UnityEngine.HumanBodyBones, and its joint.</summary>
        public struct Row
        {
            public readonly string Bone;
            public readonly int Joint;

            /// <summary>The bone at whose end a limb bends, or null: see Retargeter.</summary>
            public readonly string LimbEnd;

            /// <summary>The bone that takes this joint over if this one is missing, or null.</summary>
            public readonly string Stand;

            public Row(string bone, int joint, string limbEnd = null, string stand = null)
            {
                Bone = bone;
                Joint = joint;
                LimbEnd = limbEnd;
                Stand = stand;
            }
        }

        /// <summary>Parents come before their children.</summary>
        public static readonly Row[] Rows =
        {
            new Row("Hips", Joints.Pelvis),
            new Row("LeftUpperLeg", Joints.LeftHip, "LeftLowerLeg"),
            new Row("RightUpperLeg", Joints.RightHip, "RightLowerLeg"),
            new Row("Spine", Joints.Spine1),
            new Row("LeftLowerLeg", Joints.LeftKnee, "LeftFoot"),
            new Row("RightLowerLeg", Joints.RightKnee, "RightFoot"),
            new Row("Chest", Joints.Spine2, stand: "Spine"),
            new Row("LeftFoot", Joints.LeftAnkle),
            new Row("RightFoot", Joints.RightAnkle),
            new Row("UpperChest", Joints.Spine3, stand: "Chest"),
            new Row("LeftToes", Joints.LeftFoot),
            new Row("RightToes", Joints.RightFoot),
            new Row("Neck", Joints.Neck),
            new Row("LeftShoulder", Joints.LeftCollar),
            new Row("RightShoulder", Joints.RightCollar),
            new Row("Head", Joints.Head),
            new Row("LeftUpperArm", Joints.LeftShoulder, "LeftLowerArm"),
            new Row("RightUpperArm", Joints.RightShoulder, "RightLowerArm"),
            new Row("LeftLowerArm", Joints.LeftElbow, "LeftHand"),
            new Row("RightLowerArm", Joints.RightElbow, "RightHand"),
            new Row("LeftHand", Joints.LeftWrist),
            new Row("RightHand", Joints.RightWrist)
        };
    }
}
