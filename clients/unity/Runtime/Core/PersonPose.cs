using System;

namespace GenmoRT
{
    /// <summary>How well a person is seen.</summary>
    public enum TrackState { Lost, Warmup, Tracked, Occluded, Generated }

    /// <summary>The order of contacts: L ankle, L foot, R ankle, R foot, L wrist, R wrist.</summary>
    public enum Contact { LeftAnkle, LeftFoot, RightAnkle, RightFoot, LeftWrist, RightWrist }

    /// <summary>One person of one frame. The object is reused: copy what you want to keep.</summary>
    public sealed class PersonPose
    {
        public const int ContactCount = 6;
        public const int LandmarkCount = 33;

        /// <summary>Stays the same while the person is there; the smallest is the oldest.</summary>
        public uint Id;

        public TrackState State;

        /// <summary>0..1.</summary>
        public float Confidence;

        /// <summary>Metres.</summary>
        public Vec3 Pelvis;

        /// <summary>Of the pelvis, metres per second.</summary>
        public Vec3 Velocity;

        /// <summary>Probabilities 0..1, in the order of <see cref="Contact"/>.</summary>
        public readonly float[] Contacts = new float[ContactCount];

        /// <summary>Joint 0 in the world, 1..23 relative to their parents.</summary>
        public readonly Quat[] Rotations = new Quat[Joints.Count];

        public bool HasLandmarks;

        /// <summary>x and y in 0..1 of the picture and visibility, if HasLandmarks.</summary>
        public readonly Vec3[] Landmarks = new Vec3[LandmarkCount];

        public void CopyFrom(PersonPose other)
        {
            Id = other.Id;
            State = other.State;
            Confidence = other.Confidence;
            Pelvis = other.Pelvis;
            Velocity = other.Velocity;
            HasLandmarks = other.HasLandmarks;
            Array.Copy(other.Contacts, Contacts, ContactCount);
            Array.Copy(other.Rotations, Rotations, Joints.Count);
            if (HasLandmarks) Array.Copy(other.Landmarks, Landmarks, LandmarkCount);
        }
    }
}
