using System.Collections.Generic;

namespace GenmoRT
{
    /// <summary>
    /// What a stream has told: poses, who is there, figures. Does no I/O: a connection feeds it from
    /// its thread and the application asks from another. Everything is in Unity's axes.
    /// </summary>
    public sealed class PoseStream
    {
        public const string Protocol = "genmo.v1";
        public const int AckLength = 5;
        const byte AckByte = 0x10;

        readonly object _gate = new object();
        readonly JitterBuffer _buffer = new JitterBuffer();
        readonly ClockSync _clock = new ClockSync();
        readonly PoseFrame _arriving = new PoseFrame();
        Dictionary<uint, Subject> _subjects = new Dictionary<uint, Subject>();
        bool _isFirstPose = true;
        uint _lastSeq;

        public PoseStream(int maxDelayMs) { _buffer.MaxDelayUs = maxDelayMs * 1000L; }

        #region For the application

        /// <summary>Fills the frame with the poses to show now; false before the first one.</summary>
        public bool Sample(long localUs, PoseFrame into)
        {
            lock (_gate) return _buffer.Sample(_clock.ToServer(localUs), into);
        }

        /// <summary>What came last with each message type; null before the first.</summary>
        public Hello Hello { get; private set; }
        public StreamStatus Status { get; private set; }
        public Skeleton Skeleton { get; private set; }
        public Stats Stats { get; private set; }

        /// <summary>What the server or the decoder complained about last, or null.</summary>
        public string LastProblem { get; private set; }

        /// <summary>Changes whenever somebody enters, leaves or is measured anew.</summary>
        public int SubjectsVersion { get; private set; }

        /// <summary>A person's body, or null if that person isn't there.</summary>
        public Subject FindSubject(uint person)
        {
            Subject found;
            return _subjects.TryGetValue(person, out found) ? found : null; // replaced, never changed
        }

        /// <summary>Poses that arrived and were good.</summary>
        public long Poses { get; private set; }

        /// <summary>Poses that the stream had and this client didn't get: gaps in seq, and how many in all.</summary>
        public long Gaps { get; private set; }
        public long MissedPoses { get; private set; }

        /// <summary>Messages that could not be read.</summary>
        public long BadMessages { get; private set; }

        /// <summary>The newest good pose's number.</summary>
        public uint LastSeq { get { lock (_gate) return _lastSeq; } }

        /// <summary>Median time from capture to arrival here; clock error up to half of RttMs.</summary>
        public float LatencyMs { get { lock (_gate) return _buffer.MedianAgeUs / 1000f; } }

        /// <summary>How far behind the server's clock poses are shown, for smoothness.</summary>
        public float DelayMs { get { lock (_gate) return _buffer.DelayUs / 1000f; } }

        /// <summary>Round trip to the server; negative before the first pong.</summary>
        public float RttMs { get { lock (_gate) return _clock.RttUs / 1000f; } }

        #endregion

        #region For the connection

        /// <summary>A new connection begins; the last pose stays until the first new one.</summary>
        public void Begin()
        {
            lock (_gate)
            {
                _clock.Reset();
                _isFirstPose = true;
            }
            Hello = null;
            SetSubjects(new Dictionary<uint, Subject>());
        }

        /// <summary>
        /// Takes a binary message that arrived now. True if it was a good pose; then `ack` (at least
        /// AckLength bytes) holds what to answer at once.
        /// </summary>
        public bool TakeBinary(byte[] buffer, int start, int length, long localUs, byte[] ack)
        {
            var error = PoseDecoder.Decode(buffer, start, length, _arriving);
            if (error != DecodeError.None)
            {
                BadMessages++;
                LastProblem = PoseDecoder.Explain(error);
                return false;
            }
            UnityAxes.Convert(_arriving);
            lock (_gate)
            {
                CountGap(_arriving.Seq);
                if (_isFirstPose) _buffer.Clear(); // the ids and ages before belong to another connection
                _isFirstPose = false;
                _buffer.Push(_arriving, _clock.ToServer(localUs));
            }
            Poses++;
            WriteAck(_arriving.Seq, ack);
            return true;
        }

        /// <summary>Takes a text message. Null, or why this server can't be used.</summary>
        public string TakeText(string text, long localUs)
        {
            Control message;
            string problem;
            if (!Control.TryParse(text, out message, out problem))
            {
                BadMessages++;
                LastProblem = "a control message can't be read: " + problem;
                return null;
            }
            return Take(message, localUs);
        }

        #endregion

        string Take(Control message, long localUs)
        {
            var hello = message as Hello;
            if (hello != null)
            {
                Hello = hello;
                lock (_gate) _clock.AddHello(hello.ClockUs, localUs);
                return Refusal(hello);
            }
            var pong = message as Pong;
            if (pong != null) lock (_gate) _clock.AddPong(pong.T0, pong.T1, pong.T2, localUs);
            if (message is StreamStatus) Status = (StreamStatus)message;
            if (message is Stats) Stats = (Stats)message;
            if (message is ServerError) LastProblem = ((ServerError)message).Message;
            if (message is Bye) LastProblem = "the server says bye: " + ((Bye)message).Reason;
            var skeleton = message as Skeleton;
            if (skeleton != null)
            {
                UnityAxes.Convert(skeleton.Offsets);
                Skeleton = skeleton;
            }
            var subject = message as Subject;
            if (subject != null) Take(subject);
            return null;
        }

        static string Refusal(Hello hello)
        {
            if (hello.Proto != Protocol)
                return "the server speaks " + hello.Proto + "; this package speaks " + Protocol;
            if (hello.Space != "smpl")
                return "the server sends space=" + hello.Space + "; smpl was asked for";
            return null;
        }

        void Take(Subject subject)
        {
            UnityAxes.Convert(subject.Offsets);
            var subjects = new Dictionary<uint, Subject>(_subjects);
            if (subject.State == "leave") subjects.Remove(subject.Person);
            else subjects[subject.Person] = subject;
            SetSubjects(subjects);
        }

        void SetSubjects(Dictionary<uint, Subject> subjects)
        {
            _subjects = subjects;
            SubjectsVersion++;
        }

        void CountGap(uint seq)
        {
            var missing = unchecked((int)(seq - _lastSeq)) - 1;
            if (!_isFirstPose && missing > 0)
            {
                Gaps++;
                MissedPoses += missing;
            }
            _lastSeq = seq;
        }

        static void WriteAck(uint seq, byte[] ack)
        {
            ack[0] = AckByte;
            ack[1] = (byte)seq;
            ack[2] = (byte)(seq >> 8);
            ack[3] = (byte)(seq >> 16);
            ack[4] = (byte)(seq >> 24);
        }
    }
}
