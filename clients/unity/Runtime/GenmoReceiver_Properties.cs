using UnityEngine;

namespace GenmoRT
{
    public sealed partial class GenmoReceiver
    {
        [SerializeField] string _url = "ws://127.0.0.1:8080/v1/streams/cam/poses";
        [SerializeField] string _token = "";
        [SerializeField] float _rate = 0;
        [SerializeField] int _persons = 0;
        [SerializeField] int _maxDelayMs = 150;

        /// <summary>Where the stream is. Changes take effect with Reconnect.</summary>
        public string Url { get { return _url; } set { _url = value; } }

        /// <summary>A bearer token with the view scope; empty if the server wants none.</summary>
        public string Token { get { return _token; } set { _token = value; } }

        /// <summary>Poses per second wanted, at most; 0 leaves it to the server.</summary>
        public float Rate { get { return _rate; } set { _rate = value; } }

        /// <summary>At most so many persons, the oldest; 0 is all.</summary>
        public int Persons { get { return _persons; } set { _persons = value; } }

        /// <summary>0 shows the newest pose, extrapolated to now; more is smoother and later.</summary>
        public int MaxDelayMs { get { return _maxDelayMs; } set { _maxDelayMs = value; } }
    }
}
