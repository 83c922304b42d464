using System;
using System.Diagnostics;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace GenmoRT
{
    public enum ClientState
    {
        /// <summary>Not started, or stopped.</summary>
        Stopped,
        /// <summary>Opening a connection.</summary>
        Connecting,
        /// <summary>Connected; poses come while the stream is live.</summary>
        Open,
        /// <summary>The connection is gone; waiting before the next attempt.</summary>
        Retrying,
        /// <summary>This server can't be used, and asking again won't help.</summary>
        Refused
    }

    /// <summary>
    /// Keeps a stream connected: reads, acknowledges and pings beside the application, and connects
    /// again, at growing intervals, for as long as it runs.
    /// </summary>
    public sealed class GenmoClient : IDisposable
    {
        const string Subprotocol = "genmo.v1.bin";
        const int ConnectTimeoutMs = 10000;
        const int SilenceMs = 8000; // pings are answered, so silence this long means the path is dead
        const int FirstPings = 4;
        const int FirstPingsMs = 200;
        const int PingsMs = 2000;
        const int FirstBufferBytes = 16 * 1024;
        const int LongestMessageBytes = 1024 * 1024;

        readonly ClientOptions _options;
        readonly Uri _address;
        readonly Backoff _backoff = new Backoff(Environment.TickCount);
        readonly CancellationTokenSource _stop = new CancellationTokenSource();
        readonly byte[] _ack = new byte[PoseStream.AckLength];
        byte[] _buffer = new byte[FirstBufferBytes];
        bool _wasStarted;

        /// <exception cref="FormatException">The URL can't be used.</exception>
        public GenmoClient(ClientOptions options)
        {
            _options = options;
            _address = options.Address();
            Stream = new PoseStream(options.MaxDelayMs);
        }

        #region Public members

        /// <summary>What arrived.</summary>
        public PoseStream Stream { get; private set; }

        public ClientState State { get; private set; }

        /// <summary>Why the last connection ended or could not be opened; null while all is well.</summary>
        public string LastError { get; private set; }

        /// <summary>How often a connection came about; above 1 it was lost in between.</summary>
        public int Connections { get; private set; }

        /// <summary>A steady clock, microseconds: what PoseStream calls local.</summary>
        public static long NowUs
        {
            get { return (long)(Stopwatch.GetTimestamp() * (1e6 / Stopwatch.Frequency)); }
        }

        /// <summary>Fills the frame with the poses to show now; false before the first one.</summary>
        public bool Sample(PoseFrame into) { return Stream.Sample(NowUs, into); }

        /// <summary>Starts connecting, in the background. Once per object.</summary>
        public void Start()
        {
            if (_wasStarted) throw new InvalidOperationException("a client is started once; make a new one");
            _wasStarted = true;
            State = ClientState.Connecting;
            Task.Run(() => RunAsync());
        }

        /// <summary>Disconnects for good.</summary>
        public void Dispose() { _stop.Cancel(); }

        /// <summary>
        /// The same without a thread of its own, for platforms that have none: keeps the stream
        /// connected until Dispose, on the caller's synchronization context.
        /// </summary>
        public async Task RunAsync()
        {
            while (!_stop.IsCancellationRequested)
            {
                State = ClientState.Connecting;
                LastError = await ConnectOnceAsync() ?? LastError;
                if (State == ClientState.Refused) return;
                if (_stop.IsCancellationRequested) break;
                State = ClientState.Retrying;
                await DelayAsync(_backoff.NextMs());
            }
            State = ClientState.Stopped;
        }

        #endregion

        #region One connection

        /// <summary>Serves one connection until it ends; returns why it did.</summary>
        async Task<string> ConnectOnceAsync()
        {
            using (var ending = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token))
            using (var socket = _options.OpenSocket())
            using (ending.Token.Register(socket.Abort))
            {
                try
                {
                    ending.CancelAfter(ConnectTimeoutMs);
                    await socket.ConnectAsync(_address, Subprotocol, _options.Token, ending.Token);
                    ending.CancelAfter(Timeout.Infinite);
                    if (socket.Subprotocol != Subprotocol)
                        return Refuse("the server doesn't speak " + Subprotocol + "; is this a pose stream?");
                    Stream.Begin();
                    return await ServeAsync(new Connection(socket, NowUs), ending);
                }
                catch (Exception error)
                {
                    // Platforms throw all kinds here (sockets, TLS, HTTP, disposed); each ends the connection alike.
                    if (_stop.IsCancellationRequested) return null;
                    return Explain(error);
                }
            }
        }

        async Task<string> ServeAsync(Connection connection, CancellationTokenSource ending)
        {
            var pings = PingAsync(connection, ending.Token);
            try
            {
                return await ReadAsync(connection, ending.Token);
            }
            finally
            {
                ending.Cancel();
                await pings;
            }
        }

        async Task<string> ReadAsync(Connection connection, CancellationToken cancel)
        {
            while (true)
            {
                var length = 0;
                Received received;
                do
                {
                    if (length == _buffer.Length && !TryGrow()) return "a message over 1 MiB";
                    var free = new ArraySegment<byte>(_buffer, length, _buffer.Length - length);
                    received = await connection.Socket.ReceiveAsync(free, cancel);
                    if (received.Kind == MessageKind.Close) return "the server closed: " + received.CloseReason;
                    length += received.Count;
                }
                while (!received.End);

                connection.HeardUs = NowUs;
                if (received.Kind == MessageKind.Binary)
                {
                    if (Stream.TakeBinary(_buffer, 0, length, connection.HeardUs, _ack))
                        await connection.SendAsync(new ArraySegment<byte>(_ack), MessageKind.Binary, cancel);
                    continue;
                }
                var refusal = Stream.TakeText(Encoding.UTF8.GetString(_buffer, 0, length), connection.HeardUs);
                if (refusal != null) return Refuse(refusal);
                if (State == ClientState.Connecting && Stream.Hello != null) Opened();
            }
        }

        async Task PingAsync(Connection connection, CancellationToken cancel)
        {
            try
            {
                for (var sent = 0; ; sent++)
                {
                    if (NowUs - connection.HeardUs > SilenceMs * 1000L) connection.Socket.Abort();
                    var ping = Encoding.UTF8.GetBytes("{\"type\":\"ping\",\"t0\":" + NowUs + "}");
                    await connection.SendAsync(new ArraySegment<byte>(ping), MessageKind.Text, cancel);
                    await Task.Delay(sent < FirstPings ? FirstPingsMs : PingsMs, cancel);
                }
            }
            catch (Exception)
            {
                // The connection is over: the reader meets the same, and says why.
            }
        }

        void Opened()
        {
            Connections++;
            LastError = null;
            State = ClientState.Open;
            _backoff.Reset();
        }

        string Refuse(string reason)
        {
            LastError = reason; // before the state: whoever sees the state asks why
            State = ClientState.Refused;
            return reason;
        }

        bool TryGrow()
        {
            if (_buffer.Length >= LongestMessageBytes) return false;
            Array.Resize(ref _buffer, _buffer.Length * 2);
            return true;
        }

        async Task DelayAsync(int ms)
        {
            try
            {
                await Task.Delay(ms, _stop.Token);
            }
            catch (OperationCanceledException)
            {
                // stopped while it waited
            }
        }

        static string Explain(Exception error)
        {
            var innermost = error.GetBaseException();
            return innermost == error ? error.Message : error.Message + " (" + innermost.Message + ")";
        }

        /// <summary>A socket whose senders take turns, and when it was last heard.</summary>
        sealed class Connection
        {
            public readonly IWebSocket Socket;
            readonly SemaphoreSlim _turn = new SemaphoreSlim(1);
            long _heardUs;

            public Connection(IWebSocket socket, long nowUs)
            {
                Socket = socket;
                _heardUs = nowUs;
            }

            public long HeardUs
            {
                get { return Interlocked.Read(ref _heardUs); }
                set { Interlocked.Exchange(ref _heardUs, value); }
            }

            public async Task SendAsync(ArraySegment<byte> message, MessageKind kind, CancellationToken cancel)
            {
                await _turn.WaitAsync(cancel);
                try
                {
                    await Socket.SendAsync(message, kind, cancel);
                }
                finally
                {
                    _turn.Release();
                }
            }
        }

        #endregion
    }
}
