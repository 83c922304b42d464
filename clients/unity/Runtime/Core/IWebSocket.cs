using System;
using System.Threading;
using System.Threading.Tasks;

namespace GenmoRT
{
    public enum MessageKind { Text, Binary, Close }

    /// <summary>A piece of a message; End says whether it is the last one.</summary>
    public struct Received
    {
        public int Count;
        public MessageKind Kind;
        public bool End;
        public string CloseReason;
    }

    /// <summary>
    /// One websocket connection, used once. The package has one for .NET sockets; a platform without
    /// them (WebGL) brings its own through ClientOptions.OpenSocket.
    /// </summary>
    public interface IWebSocket : IDisposable
    {
        /// <summary>The subprotocol the server chose, or null.</summary>
        string Subprotocol { get; }

        /// <summary>Connects; the token, if any, goes into the Authorization header.</summary>
        Task ConnectAsync(Uri url, string subprotocol, string token, CancellationToken cancel);

        Task<Received> ReceiveAsync(ArraySegment<byte> into, CancellationToken cancel);

        /// <summary>Sends one message. Never called while another one is being sent.</summary>
        Task SendAsync(ArraySegment<byte> message, MessageKind kind, CancellationToken cancel);

        /// <summary>Ends the connection at once; what waits in it throws.</summary>
        void Abort();
    }
}
