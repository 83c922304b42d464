using System;
using System.Collections.Generic;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace GenmoRT.Tests
{
    /// <summary>GenmoClient over a websocket made of lists.</summary>
    static class ClientChecks
    {
        const int PatienceMs = 20000;

        public static void AClientReconnectsAndReadsFragments(Golden golden)
        {
            var attempts = 0;
            var second = new Script("genmo.v1.bin");
            second.Say(Encoding.UTF8.GetBytes(golden.Text("control/hello.json")), MessageKind.Text, 50);
            second.Say(golden.Bytes("poses/t_pose.smpl.bin"), MessageKind.Binary, 7);
            Func<IWebSocket> open = () => ++attempts == 1 ? new Script(null) { Fails = true } : second;
            using (var client = new GenmoClient(new ClientOptions { Url = "ws://h/", Token = "secret", OpenSocket = open }))
            {
                client.Start();
                WaitFor(() => client.Stream.Poses == 1 && second.Acks() == 1);
                Check.That(client.State == ClientState.Open, "state " + client.State);
                Check.Equal(client.Connections, 1, "connections");
                Check.That(second.Token == "secret", "token " + second.Token);
                Check.That(second.Url.Query == "?space=smpl", "query " + second.Url.Query);
                client.Dispose();
                WaitFor(() => client.State == ClientState.Stopped);
                Check.That(second.WasDisposed, "the socket was left open");
            }
        }

        public static void AServerWithAnotherSubprotocolIsRefused(Golden golden)
        {
            using (var client = new GenmoClient(new ClientOptions { Url = "ws://h/", OpenSocket = () => new Script("chat") }))
            {
                client.Start();
                WaitFor(() => client.State == ClientState.Refused && client.LastError != null);
                Check.That(client.LastError.Contains("genmo.v1.bin"), client.LastError);
            }
        }

        public static void AMessageWithoutEndIsCutOff(Golden golden)
        {
            var script = new Script("genmo.v1.bin") { IsEndless = true };
            using (var client = new GenmoClient(new ClientOptions { Url = "ws://h/", OpenSocket = () => script }))
            {
                client.Start();
                WaitFor(() => client.LastError != null);
                Check.That(client.LastError.Contains("1 MiB"), client.LastError);
            }
        }

        static void WaitFor(Func<bool> condition)
        {
            var until = Environment.TickCount + PatienceMs;
            while (!condition())
            {
                Check.That(Environment.TickCount < until, "waited in vain");
                Thread.Sleep(2);
            }
        }

        internal sealed class Script : IWebSocket
        {
            public bool Fails, IsEndless;
            public volatile bool WasDisposed;
            public string Token;
            public Uri Url;
            readonly Queue<KeyValuePair<byte[], Received>> _pieces = new Queue<KeyValuePair<byte[], Received>>();
            readonly TaskCompletionSource<Received> _end = new TaskCompletionSource<Received>();
            int _acks;

            public Script(string subprotocol) { Subprotocol = subprotocol; }

            public string Subprotocol { get; private set; }

            public int Acks() { return Volatile.Read(ref _acks); }

            public void Say(byte[] message, MessageKind kind, int pieceLength)
            {
                for (var at = 0; at < message.Length; at += pieceLength)
                {
                    var piece = new byte[Math.Min(pieceLength, message.Length - at)];
                    Array.Copy(message, at, piece, 0, piece.Length);
                    var received = new Received { Count = piece.Length, Kind = kind, End = at + pieceLength >= message.Length };
                    _pieces.Enqueue(new KeyValuePair<byte[], Received>(piece, received));
                }
            }

            public Task ConnectAsync(Uri url, string subprotocol, string token, CancellationToken cancel)
            {
                Url = url;
                Token = token;
                if (Fails) throw new InvalidOperationException("nobody there");
                return Task.FromResult(0);
            }

            public Task<Received> ReceiveAsync(ArraySegment<byte> into, CancellationToken cancel)
            {
                if (IsEndless) return Task.FromResult(new Received { Count = into.Count, Kind = MessageKind.Binary });
                if (_pieces.Count == 0) return _end.Task;
                var next = _pieces.Dequeue();
                Array.Copy(next.Key, 0, into.Array, into.Offset, next.Key.Length);
                return Task.FromResult(next.Value);
            }

            public Task SendAsync(ArraySegment<byte> message, MessageKind kind, CancellationToken cancel)
            {
                if (kind == MessageKind.Binary) Interlocked.Increment(ref _acks);
                return Task.FromResult(0);
            }

            public void Abort() { _end.TrySetException(new OperationCanceledException()); }

            public void Dispose() { WasDisposed = true; }
        }
    }
}
