using System;

namespace GenmoRT
{
    /// <summary>Waiting times between attempts: doubling from 0.25 s to 8 s, half of it random.</summary>
    public sealed class Backoff
    {
        public const int FirstMs = 250;
        public const int LastMs = 8000;

        readonly Random _random;
        int _nextMs = FirstMs;

        public Backoff(int seed) { _random = new Random(seed); }

        public int NextMs()
        {
            var ms = _nextMs;
            _nextMs = Math.Min(LastMs, _nextMs * 2);
            return (int)(ms * (0.5 + 0.5 * _random.NextDouble()));
        }

        public void Reset() { _nextMs = FirstMs; }
    }
}
