namespace GenmoRT
{
    /// <summary>SMPL's 24 joints, in the order of every pose.</summary>
    public static class Joints
    {
        public const int Count = 24;

        public const int
            Pelvis = 0, LeftHip = 1, RightHip = 2, Spine1 = 3, LeftKnee = 4, RightKnee = 5,
            Spine2 = 6, LeftAnkle = 7, RightAnkle = 8, Spine3 = 9, LeftFoot = 10, RightFoot = 11,
            Neck = 12, LeftCollar = 13, RightCollar = 14, Head = 15, LeftShoulder = 16,
            RightShoulder = 17, LeftElbow = 18, RightElbow = 19, LeftWrist = 20, RightWrist = 21,
            LeftHand = 22, RightHand = 23;

        static readonly int[] Parents =
            { -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21 };

        /// <summary>The joint it turns with; −1 for the pelvis. Parents come before children.</summary>
        public static int Parent(int joint) { return Parents[joint]; }
    }
}
