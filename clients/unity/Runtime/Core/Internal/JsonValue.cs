using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace GenmoRT.Internal
{
    /// <summary>The text isn't JSON, or a field is missing or of another type.</summary>
    sealed class JsonError : Exception
    {
        public JsonError(string message) : base(message) { }
    }

    /// <summary>
    /// A small strict JSON reader for control messages: no reflection, so that IL2CPP strips nothing
    /// it needs. Numbers are doubles: exact for µs until the year 2255.
    /// </summary>
    sealed class JsonValue
    {
        const int MaxDepth = 16;

        readonly object _value; // null, bool, double, string, List<JsonValue> or Dictionary<string, JsonValue>

        JsonValue(object value) { _value = value; }

        public static JsonValue Parse(string text)
        {
            var at = 0;
            var value = ParseValue(text, ref at, 0);
            SkipSpace(text, ref at);
            if (at != text.Length) throw new JsonError("text after the JSON value");
            return value;
        }

        #region Access

        public JsonValue this[string name]
        {
            get
            {
                JsonValue found;
                if (!Members.TryGetValue(name, out found)) throw new JsonError("no field '" + name + "'");
                return found;
            }
        }

        public IEnumerable<string> Names { get { return Members.Keys; } }

        Dictionary<string, JsonValue> Members
        {
            get
            {
                var members = _value as Dictionary<string, JsonValue>;
                if (members == null) throw new JsonError("no object where one was expected");
                return members;
            }
        }

        public List<JsonValue> Items
        {
            get
            {
                var items = _value as List<JsonValue>;
                if (items == null) throw new JsonError("no array where one was expected");
                return items;
            }
        }

        /// <summary>How many members or items there are.</summary>
        public int Count { get { return _value is List<JsonValue> ? Items.Count : Members.Count; } }

        public bool IsNull { get { return _value == null; } }

        public string Text
        {
            get
            {
                var text = _value as string;
                if (text == null) throw new JsonError("no text where some was expected");
                return text;
            }
        }

        public double Number
        {
            get
            {
                if (!(_value is double)) throw new JsonError("no number where one was expected");
                return (double)_value;
            }
        }

        public long Integer
        {
            get
            {
                var number = Number;
                if (Math.Floor(number) != number || Math.Abs(number) > 9007199254740992.0)
                    throw new JsonError("no whole number where one was expected");
                return (long)number;
            }
        }

        public uint UInt
        {
            get
            {
                var integer = Integer;
                if (integer < 0 || integer > uint.MaxValue) throw new JsonError(integer + "; expected 0 to 4294967295");
                return (uint)integer;
            }
        }

        public float Float
        {
            get
            {
                var number = (float)Number;
                if (float.IsInfinity(number)) throw new JsonError("a number too large");
                return number;
            }
        }

        public float[] Floats(int count)
        {
            var items = Items;
            if (items.Count != count) throw new JsonError(items.Count + " numbers; expected " + count);
            var floats = new float[count];
            for (var i = 0; i < count; i++) floats[i] = items[i].Float;
            return floats;
        }

        public Vec3 Vec3
        {
            get
            {
                var xyz = Floats(3);
                return new Vec3(xyz[0], xyz[1], xyz[2]);
            }
        }

        #endregion

        #region Parsing

        static JsonValue ParseValue(string text, ref int at, int depth)
        {
            if (depth > MaxDepth) throw new JsonError("nested too deeply");
            SkipSpace(text, ref at);
            switch (Peek(text, at))
            {
                case '{': return ParseObject(text, ref at, depth);
                case '[': return ParseArray(text, ref at, depth);
                case '"': return new JsonValue(ParseString(text, ref at));
                case 't': return ParseWord(text, ref at, "true", true);
                case 'f': return ParseWord(text, ref at, "false", false);
                case 'n': return ParseWord(text, ref at, "null", null);
                default: return ParseNumber(text, ref at);
            }
        }

        static JsonValue ParseObject(string text, ref int at, int depth)
        {
            var members = new Dictionary<string, JsonValue>();
            at++;
            if (TrySkip(text, ref at, '}')) return new JsonValue(members);
            do
            {
                SkipSpace(text, ref at);
                var name = ParseString(text, ref at);
                Skip(text, ref at, ':');
                members[name] = ParseValue(text, ref at, depth + 1);
            }
            while (TrySkip(text, ref at, ','));
            Skip(text, ref at, '}');
            return new JsonValue(members);
        }

        static JsonValue ParseArray(string text, ref int at, int depth)
        {
            var items = new List<JsonValue>();
            at++;
            if (TrySkip(text, ref at, ']')) return new JsonValue(items);
            do items.Add(ParseValue(text, ref at, depth + 1));
            while (TrySkip(text, ref at, ','));
            Skip(text, ref at, ']');
            return new JsonValue(items);
        }

        static string ParseString(string text, ref int at)
        {
            if (Peek(text, at) != '"') throw new JsonError("no '\"' at " + at);
            var result = new StringBuilder();
            for (at++; ; at++)
            {
                var c = Peek(text, at);
                if (c < ' ') throw new JsonError("a text doesn't end");
                if (c == '"') break;
                result.Append(c == '\\' ? ParseEscape(text, ref at) : c);
            }
            at++;
            return result.ToString();
        }

        static char ParseEscape(string text, ref int at)
        {
            var c = Peek(text, ++at);
            switch (c)
            {
                case '"': case '\\': case '/': return c;
                case 'b': return '\b';
                case 'f': return '\f';
                case 'n': return '\n';
                case 'r': return '\r';
                case 't': return '\t';
            }
            ushort code;
            if (c != 'u' || at + 4 >= text.Length ||
                !ushort.TryParse(text.Substring(at + 1, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out code))
                throw new JsonError("an unknown escape at " + at);
            at += 4;
            return (char)code;
        }

        static JsonValue ParseNumber(string text, ref int at)
        {
            var start = at;
            while ("+-.eE0123456789".IndexOf(Peek(text, at)) >= 0) at++;
            double number;
            const NumberStyles styles =
                NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
            if (!double.TryParse(text.Substring(start, at - start), styles, CultureInfo.InvariantCulture, out number) ||
                double.IsInfinity(number) || double.IsNaN(number))
                throw new JsonError("no JSON value at " + start);
            return new JsonValue(number);
        }

        static JsonValue ParseWord(string text, ref int at, string word, object value)
        {
            if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0) throw new JsonError("no JSON value at " + at);
            at += word.Length;
            return new JsonValue(value);
        }

        static bool TrySkip(string text, ref int at, char wanted)
        {
            SkipSpace(text, ref at);
            if (Peek(text, at) != wanted) return false;
            at++;
            return true;
        }

        static void Skip(string text, ref int at, char wanted)
        {
            if (!TrySkip(text, ref at, wanted)) throw new JsonError("no '" + wanted + "' at " + at);
        }

        static void SkipSpace(string text, ref int at)
        {
            while (at < text.Length && " \t\r\n".IndexOf(text[at]) >= 0) at++;
        }

        static char Peek(string text, int at) { return at < text.Length ? text[at] : '\0'; }

        #endregion
    }
}
