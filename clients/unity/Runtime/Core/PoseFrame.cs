using System;
using System.Collections.Generic;

namespace GenmoRT
{
    [Flags]
    public enum PoseFlags { None = 0, Warmup = 1, Generated = 2, Resampled = 4 }

    /// <summary>
    /// Everybody in one frame. A frame keeps its persons' objects when it is filled again, so that
    /// nothing is allocated once as many persons have been seen as there are.
    /// </summary>
    public sealed class PoseFrame
    {
        #region Fields of the message

        public uint Seq;
        public uint Frame;
        public PoseFlags Flags;

        /// <summary>Unix microseconds on the server's clock.</summary>
        public long CaptureUs;

        public long PublishUs;
        public uint SkeletonRev;
        public float DecodeMs, KeypointsMs, ModelMs;

        #endregion

        #region Persons

        readonly List<PersonPose> _persons = new List<PersonPose>();

        /// <summary>How many persons there are, oldest first.</summary>
        public int PersonCount { get; private set; }

        public PersonPose this[int index]
        {
            get
            {
                if (index < 0 || index >= PersonCount)
                    throw new ArgumentOutOfRangeException(nameof(index), index, "expected 0 to PersonCount - 1");
                return _persons[index];
            }
        }

        /// <summary>The person with this id, or null.</summary>
        public PersonPose Find(uint id)
        {
            for (var i = 0; i < PersonCount; i++)
                if (_persons[i].Id == id) return _persons[i];
            return null;
        }

        /// <summary>Adds one person; what it holds is left over and must be overwritten.</summary>
        public PersonPose Append()
        {
            if (PersonCount == _persons.Count) _persons.Add(new PersonPose());
            return _persons[PersonCount++];
        }

        #endregion

        #region Whole frames

        public void Clear()
        {
            PersonCount = 0;
            CopyHeader(Empty);
        }

        public void CopyFrom(PoseFrame other)
        {
            CopyHeader(other);
            PersonCount = 0;
            for (var i = 0; i < other.PersonCount; i++) Append().CopyFrom(other._persons[i]);
        }

        internal void CopyHeader(PoseFrame other)
        {
            Seq = other.Seq;
            Frame = other.Frame;
            Flags = other.Flags;
            CaptureUs = other.CaptureUs;
            PublishUs = other.PublishUs;
            SkeletonRev = other.SkeletonRev;
            DecodeMs = other.DecodeMs;
            KeypointsMs = other.KeypointsMs;
            ModelMs = other.ModelMs;
        }

        internal void RemoveAllPersons() { PersonCount = 0; }

        static readonly PoseFrame Empty = new PoseFrame();

        #endregion
    }
}
