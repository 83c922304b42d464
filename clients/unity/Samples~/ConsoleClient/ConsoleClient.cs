using System;
using System.Globalization;
using System.Threading;

namespace GenmoRT.Samples
{
    /// <summary>
    /// Prints what a stream sends, without Unity: the package's core on .NET's own websocket.
    ///   mono console.exe URL [SECONDS] [TOKEN]
    /// Events as they happen, and a line of figures (JSON) every second and at the end.
    /// </summary>
    static class ConsoleClient
    {
        const int LookMs = 5;

        static int Main(string[] args)
        {
            CultureInfo.DefaultThreadCurrentCulture = Thread.CurrentThread.CurrentCulture = CultureInfo.InvariantCulture;
            if (args.Length < 1 || args.Length > 3)
            {
                Console.Error.WriteLine("expected: console URL [SECONDS] [TOKEN]");
                return 2;
            }
            try
            {
                var options = new ClientOptions { Url = args[0], Token = args.Length > 2 ? args[2] : null };
                using (var client = new GenmoClient(options))
                    return Watch(client, args.Length > 1 ? double.Parse(args[1]) : 1e9);
            }
            catch (FormatException error)
            {
                Console.Error.WriteLine(error.Message);
                return 2;
            }
        }

        static int Watch(GenmoClient client, double seconds)
        {
            var watched = new Watched(client);
            var until = GenmoClient.NowUs + (long)(seconds * 1e6);
            client.Start();
            while (GenmoClient.NowUs < until && client.State != ClientState.Refused)
            {
                watched.Look();
                Thread.Sleep(LookMs);
            }
            watched.Look();
            watched.Tell();
            return client.State == ClientState.Refused ? 1 : 0;
        }

        /// <summary>Tells changes of a client by looking at it often.</summary>
        sealed class Watched
        {
            readonly GenmoClient _client;
            readonly PoseFrame _frame = new PoseFrame();
            ClientState _state = ClientState.Stopped;
            bool _isFirstPose = true;
            int _connections;
            long _poses, _gaps, _missed, _firstUs, _lastUs, _longestUs, _printedUs;

            public Watched(GenmoClient client) { _client = client; }

            public void Look()
            {
                var now = GenmoClient.NowUs;
                var stream = _client.Stream;
                if (_client.State != _state) TellState(now);
                if (stream.Poses != _poses)
                {
                    if (_firstUs == 0) _firstUs = now;
                    if (!_isFirstPose) _longestUs = Math.Max(_longestUs, now - _lastUs);
                    _isFirstPose = false;
                    _lastUs = now;
                    _poses = stream.Poses;
                }
                if (stream.Gaps != _gaps)
                {
                    Console.WriteLine("gap: " + (stream.MissedPoses - _missed) + " poses before seq " + stream.LastSeq);
                    _gaps = stream.Gaps;
                    _missed = stream.MissedPoses;
                }
                if (now - _printedUs < 1000000) return;
                _printedUs = now;
                Tell();
            }

            public void Tell()
            {
                var stream = _client.Stream;
                _client.Sample(_frame);
                Console.Write("{{\"client\": \"c#\", \"poses\": {0}, \"gaps\": {1}, \"missed\": {2}, \"bad\": {3}, " +
                    "\"connections\": {4}, \"last_seq\": {5}, \"persons\": {6}, \"seconds\": {7:F1}, " +
                    "\"longest_ms\": {8:F0}, \"latency_ms\": {9:F1}, \"rtt_ms\": {10:F2}", stream.Poses, stream.Gaps,
                    stream.MissedPoses, stream.BadMessages, _client.Connections, stream.LastSeq, _frame.PersonCount,
                    (_lastUs - _firstUs) / 1e6, _longestUs / 1e3, stream.LatencyMs, stream.RttMs);
                Console.WriteLine("}"); // "{10:F2}}}" would be read as the format "F2}"
            }

            void TellState(long now)
            {
                _state = _client.State;
                if (_client.Connections != _connections)
                {
                    _connections = _client.Connections;
                    Console.WriteLine("open " + _connections + ": " + _client.Stream.Hello.Server);
                    _isFirstPose = true; // a pause between two connections is no pause of the stream
                }
                if (_state == ClientState.Retrying) Console.WriteLine("lost: " + _client.LastError);
                if (_state == ClientState.Refused) Console.WriteLine("refused: " + _client.LastError);
            }
        }
    }
}
