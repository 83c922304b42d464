using System;
using UnityEngine;

namespace GenmoRT
{
    /// <summary>Receives a stream. Avatars and crowds read from it.</summary>
    [AddComponentMenu("Genmo RT/Genmo Receiver")]
    [DefaultExecutionOrder(-100)] // before those who read Frame in the same Update
    public sealed partial class GenmoReceiver : MonoBehaviour
    {
        #region Public members

        /// <summary>The poses to show in this frame, in Unity's axes and metres. Reused: don't keep it.</summary>
        public PoseFrame Frame { get { return _frame; } }

        /// <summary>Whether Frame holds a pose.</summary>
        public bool HasPose { get; private set; }

        /// <summary>Everything else the stream told, or null while disabled.</summary>
        public PoseStream Stream { get { return _client == null ? null : _client.Stream; } }

        public ClientState State { get { return _client == null ? ClientState.Stopped : _client.State; } }

        /// <summary>Why there is no connection, or null.</summary>
        public string LastError { get { return _client == null ? _unusable : _client.LastError; } }

        /// <summary>How often a connection came about.</summary>
        public int Connections { get { return _client == null ? 0 : _client.Connections; } }

        /// <summary>
        /// Another websocket, for platforms without .NET's; set it before this component is enabled.
        /// </summary>
        public Func<IWebSocket> OpenSocket;

        /// <summary>Connects anew with the settings as they are now.</summary>
        public void Reconnect()
        {
            Disconnect();
            if (isActiveAndEnabled) Connect();
        }

        #endregion

        #region MonoBehaviour

        void OnEnable() { Connect(); }

        void OnDisable() { Disconnect(); }

        void Update() { HasPose = _client != null && _client.Sample(_frame); }

        #endregion

        readonly PoseFrame _frame = new PoseFrame();
        GenmoClient _client;
        string _unusable;

        void Connect()
        {
            var options = new ClientOptions
            {
                Url = _url, Token = _token, Rate = _rate, Persons = _persons, MaxDelayMs = _maxDelayMs
            };
            if (OpenSocket != null) options.OpenSocket = OpenSocket;
            try
            {
                _client = new GenmoClient(options);
                _unusable = null;
            }
            catch (FormatException error)
            {
                _unusable = error.Message;
                Debug.LogError(error.Message, this);
                return;
            }
#if UNITY_WEBGL && !UNITY_EDITOR
            _ = _client.RunAsync(); // there are no threads
#else
            _client.Start();
#endif
        }

        void Disconnect()
        {
            if (_client != null) _client.Dispose();
            _client = null;
            HasPose = false;
        }
    }
}
