using System;
using System.Globalization;

namespace GenmoRT
{
    /// <summary>Where to connect to, and what to ask for.</summary>
    public sealed class ClientOptions
    {
        /// <summary>ws://HOST:PORT/v1/streams/STREAM/poses; http and https do as well.</summary>
        public string Url;

        /// <summary>A bearer token with the view scope, where the server wants one.</summary>
        public string Token;

        /// <summary>Poses per second wanted, at most; 0 leaves it to the server (30).</summary>
        public float Rate;

        /// <summary>At most so many persons, the oldest; 0 is all.</summary>
        public int Persons;

        /// <summary>Also send the 2D landmarks.</summary>
        public bool Landmarks;

        /// <summary>See <see cref="JitterBuffer.MaxDelayUs"/>.</summary>
        public int MaxDelayMs = 150;

        /// <summary>Makes a connection; another one here is how another platform plugs in.</summary>
        public Func<IWebSocket> OpenSocket = () => new SystemWebSocket();

        /// <summary>The address to open: as a websocket, with space=smpl and what is asked for.</summary>
        /// <exception cref="FormatException">Url can't be used; the text says what was expected.</exception>
        public Uri Address()
        {
            Uri url;
            if (!Uri.TryCreate(Url, UriKind.Absolute, out url)) throw Unusable();
            string scheme;
            switch (url.Scheme)
            {
                case "ws": case "http": scheme = "ws"; break;
                case "wss": case "https": scheme = "wss"; break;
                default: throw Unusable();
            }
            var query = WithoutOurs(url.Query) + "space=smpl";
            if (Rate > 0) query += "&rate=" + Rate.ToString("R", CultureInfo.InvariantCulture);
            if (Persons > 0) query += "&persons=" + Persons.ToString(CultureInfo.InvariantCulture);
            if (Landmarks) query += "&landmarks=1";
            return new UriBuilder(scheme, url.Host, url.Port, url.AbsolutePath, "?" + query).Uri;
        }

        /// <summary>What the URL's own query holds beside the keys that are set here.</summary>
        string WithoutOurs(string query)
        {
            var kept = "";
            foreach (var pair in query.TrimStart('?').Split('&'))
            {
                var name = pair.Split('=')[0];
                var ours = name == "space" || name == "rate" && Rate > 0 || name == "persons" && Persons > 0 ||
                    name == "landmarks" && Landmarks;
                if (name != "" && !ours) kept += pair + "&";
            }
            return kept;
        }

        FormatException Unusable()
        {
            return new FormatException(
                "the URL '" + Url + "' can't be used; expected ws://HOST:PORT/v1/streams/STREAM/poses (or wss)");
        }
    }
}
