using System;

namespace GenmoRT
{
    /// <summary>
    /// Evens out arrival: frames go in as they come, and poses come out for any moment. Between two
    /// frames positions are blended and rotations slerped; after the newest the pelvis goes on with
    /// its velocity for at most 100 ms. Allocates nothing once it has seen as many persons as there
    /// are. All times are microseconds on the server's clock.
    /// </summary>
    /// <remarks>
    /// It plays `delay` behind: the age that 95 of 100 recent frames had on arrival, plus one frame,
    /// but never more than MaxDelayUs. The delay changes by a tenth of real time at most, so that
    /// motion is never seen to jump.
    /// </remarks>
    public sealed class JitterBuffer
    {
        public const long MaxExtrapolationUs = 100000;

        const int Kept = 32;
        const int Ages = 64;
        const int AgesPercentile = 95;
        const long LargestIntervalUs = 100000;
        const long LastTimeUs = 1L << 53; // the year 2255: sums of such times can't overflow
        const long RestartUs = 1000000; // a clock that went back this far is another clock
        const long SnapUs = 250000;
        const int SlewDivisor = 10;

        readonly PoseFrame[] _ring = new PoseFrame[Kept];
        readonly long[] _ages = new long[Ages];
        readonly long[] _sorted = new long[Ages];
        int _count, _newest;
        int _ageCount;
        long _targetUs, _delayUs, _lastSampleUs;
        bool _playing;

        public JitterBuffer()
        {
            for (var i = 0; i < Kept; i++) _ring[i] = new PoseFrame();
        }

        /// <summary>0 always shows the newest pose, extrapolated to now; more is smoother and later.</summary>
        public long MaxDelayUs = 150000;

        /// <summary>How far behind the server's clock it plays now.</summary>
        public long DelayUs { get { return _delayUs; } }

        /// <summary>Median age of recent frames on arrival: from capture until it was here.</summary>
        public long MedianAgeUs { get { return _ageCount == 0 ? 0 : _sorted[Math.Min(_ageCount, Ages) / 2]; } }

        /// <summary>Frames of no use: they came after a newer one, or their time can't be.</summary>
        public int LateFrames { get; private set; }

        public bool IsEmpty { get { return _count == 0; } }

        /// <summary>Forgets all frames and what it learnt of their ages.</summary>
        public void Clear()
        {
            _count = 0;
            _ageCount = 0;
            _playing = false;
        }

        /// <summary>Takes a copy of a frame that arrived now.</summary>
        public void Push(PoseFrame frame, long nowUs)
        {
            if (frame.CaptureUs < 0 || frame.CaptureUs > LastTimeUs)
            {
                LateFrames++;
                return;
            }
            if (_count > 0 && frame.CaptureUs <= Newest.CaptureUs)
            {
                if (Newest.CaptureUs - frame.CaptureUs < RestartUs)
                {
                    LateFrames++;
                    return;
                }
                Clear();
            }
            _newest = (_newest + 1) % Kept;
            _ring[_newest].CopyFrom(frame);
            if (_count < Kept) _count++;
            LearnAge(nowUs - frame.CaptureUs);
            _targetUs = AgeAt(AgesPercentile) + IntervalUs();
        }

        /// <summary>Fills the frame with the pose to show now; false if none has come yet.</summary>
        public bool Sample(long nowUs, PoseFrame into)
        {
            if (_count == 0)
            {
                into.Clear();
                return false;
            }
            SlewDelay(nowUs);
            SampleAt(nowUs - _delayUs, into);
            return true;
        }

        #region Playout time

        void LearnAge(long ageUs)
        {
            _ages[_ageCount % Ages] = ageUs;
            _ageCount = _ageCount + 1 < 2 * Ages ? _ageCount + 1 : Ages;
            var count = Math.Min(_ageCount, Ages);
            for (var i = 0; i < count; i++) // insertion sort: 64 numbers, no comparer, no garbage
            {
                var age = _ages[i];
                var at = i;
                for (; at > 0 && _sorted[at - 1] > age; at--) _sorted[at] = _sorted[at - 1];
                _sorted[at] = age;
            }
        }

        long AgeAt(int percentile)
        {
            return _sorted[(Math.Min(_ageCount, Ages) - 1) * percentile / 100];
        }

        long IntervalUs()
        {
            if (_count < 2) return 0;
            var span = Newest.CaptureUs - Nth(_count - 1).CaptureUs;
            return Math.Min(LargestIntervalUs, span / (_count - 1));
        }

        void SlewDelay(long nowUs)
        {
            var target = Math.Max(0, Math.Min(MaxDelayUs, _targetUs));
            var off = target - _delayUs;
            var step = Math.Max(0, nowUs - _lastSampleUs) / SlewDivisor;
            if (!_playing || Math.Abs(off) > SnapUs) _delayUs = target;
            else _delayUs += Math.Max(-step, Math.Min(step, off));
            _playing = true;
            _lastSampleUs = nowUs;
        }

        #endregion

        #region Poses between frames

        PoseFrame Newest { get { return Nth(0); } }

        /// <summary>The n-th frame before the newest.</summary>
        PoseFrame Nth(int before) { return _ring[(_newest + Kept - before) % Kept]; }

        void SampleAt(long timeUs, PoseFrame into)
        {
            var before = 0;
            while (before < _count - 1 && Nth(before).CaptureUs > timeUs) before++;
            var earlier = Nth(before);
            if (timeUs <= earlier.CaptureUs) into.CopyFrom(earlier); // older than all that is kept
            else if (before == 0) Extrapolate(earlier, timeUs, into);
            else Interpolate(earlier, Nth(before - 1), timeUs, into);
        }

        static void Extrapolate(PoseFrame newest, long timeUs, PoseFrame into)
        {
            into.CopyFrom(newest);
            var aheadUs = Math.Min(MaxExtrapolationUs, timeUs - newest.CaptureUs);
            into.CaptureUs += aheadUs;
            for (var i = 0; i < into.PersonCount; i++)
                into[i].Pelvis += into[i].Velocity * (aheadUs / 1e6f);
        }

        static void Interpolate(PoseFrame a, PoseFrame b, long timeUs, PoseFrame into)
        {
            var t = (float)((double)(timeUs - a.CaptureUs) / (b.CaptureUs - a.CaptureUs));
            into.CopyHeader(a);
            into.CaptureUs = timeUs;
            into.RemoveAllPersons();
            for (var i = 0; i < a.PersonCount; i++)
            {
                var person = into.Append();
                person.CopyFrom(a[i]);
                var next = b.Find(person.Id);
                if (next != null) Blend(person, next, t);
            }
        }

        static void Blend(PersonPose person, PersonPose next, float t)
        {
            person.Confidence += (next.Confidence - person.Confidence) * t;
            person.Pelvis = Vec3.Lerp(person.Pelvis, next.Pelvis, t);
            person.Velocity = Vec3.Lerp(person.Velocity, next.Velocity, t);
            for (var i = 0; i < PersonPose.ContactCount; i++)
                person.Contacts[i] += (next.Contacts[i] - person.Contacts[i]) * t;
            for (var j = 0; j < Joints.Count; j++)
                person.Rotations[j] = Quat.Slerp(person.Rotations[j], next.Rotations[j], t);
            person.HasLandmarks &= next.HasLandmarks;
            for (var i = 0; person.HasLandmarks && i < PersonPose.LandmarkCount; i++)
                person.Landmarks[i] = Vec3.Lerp(person.Landmarks[i], next.Landmarks[i], t);
        }

        #endregion
    }
}
