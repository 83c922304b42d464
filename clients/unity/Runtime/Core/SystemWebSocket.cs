using System;
using System.Net.WebSockets;
using System.Threading;
using System.Threading.Tasks;

namespace GenmoRT
{
    /// <summary>The websocket of .NET: every platform but WebGL.</summary>
    public sealed class SystemWebSocket : IWebSocket
    {
        readonly ClientWebSocket _socket = new ClientWebSocket();

        public string Subprotocol { get { return _socket.SubProtocol; } }

        public Task ConnectAsync(Uri url, string subprotocol, string token, CancellationToken cancel)
        {
            _socket.Options.AddSubProtocol(subprotocol);
            _socket.Options.KeepAliveInterval = TimeSpan.Zero; // our pings do that and measure too
            if (!string.IsNullOrEmpty(token)) _socket.Options.SetRequestHeader("Authorization", "Bearer " + token);
            return _socket.ConnectAsync(url, cancel);
        }

        public async Task<Received> ReceiveAsync(ArraySegment<byte> into, CancellationToken cancel)
        {
            var result = await _socket.ReceiveAsync(into, cancel).ConfigureAwait(false);
            return new Received
            {
                Count = result.Count,
                End = result.EndOfMessage,
                Kind = result.MessageType == WebSocketMessageType.Close ? MessageKind.Close
                    : result.MessageType == WebSocketMessageType.Text ? MessageKind.Text : MessageKind.Binary,
                CloseReason = result.CloseStatus.HasValue
                    ? (int)result.CloseStatus.Value + " " + result.CloseStatusDescription : null
            };
        }

        public Task SendAsync(ArraySegment<byte> message, MessageKind kind, CancellationToken cancel)
        {
            var type = kind == MessageKind.Text ? WebSocketMessageType.Text : WebSocketMessageType.Binary;
            return _socket.SendAsync(message, type, true, cancel);
        }

        public void Abort() { _socket.Abort(); }

        public void Dispose() { _socket.Dispose(); }
    }
}
