namespace GenmoRT
{
    /// <summary>
    /// The server's clock as seen from here. Keeps the last eight pings and trusts the quickest
    /// (as NTP's clock filter, RFC 5905). All times are microseconds.
    /// </summary>
    public sealed class ClockSync
    {
        const int Kept = 8;

        readonly long[] _rttUs = new long[Kept];
        readonly long[] _offsetUs = new long[Kept];
        int _count;
        long _roughOffsetUs;

        /// <summary>Whether anything is known yet.</summary>
        public bool IsKnown { get; private set; }

        /// <summary>Server's clock minus ours.</summary>
        public long OffsetUs { get { return _count > 0 ? _offsetUs[Best] : _roughOffsetUs; } }

        /// <summary>The quickest recent round trip; −1 before the first pong.</summary>
        public long RttUs { get { return _count > 0 ? _rttUs[Best] : -1; } }

        public long ToServer(long localUs) { return localUs + OffsetUs; }

        /// <summary>Forgets everything, as for a new connection.</summary>
        public void Reset()
        {
            _count = 0;
            IsKnown = false;
        }

        /// <summary>A first guess, wrong by the way of one message: hello's clock at its arrival.</summary>
        public void AddHello(long clockUs, long arrivedUs)
        {
            _roughOffsetUs = clockUs - arrivedUs;
            IsKnown = true;
        }

        /// <summary>A pong that arrived at t3 on the clock that stamped t0.</summary>
        public void AddPong(long t0, long t1, long t2, long t3)
        {
            var slot = _count % Kept;
            _rttUs[slot] = (t3 - t0) - (t2 - t1);
            _offsetUs[slot] = ((t1 - t0) + (t2 - t3)) / 2;
            _count = _count + 1 < 2 * Kept ? _count + 1 : Kept; // keeps counting without overflow
            IsKnown = true;
        }

        int Best
        {
            get
            {
                var best = 0;
                for (var i = 1; i < _count && i < Kept; i++)
                    if (_rttUs[i] < _rttUs[best]) best = i;
                return best;
            }
        }
    }
}
