using System.Collections.Generic;
using GenmoRT.Internal;

namespace GenmoRT
{
    /// <summary>A control message of `genmo.v1`: one of the classes below.</summary>
    public abstract class Control
    {
        /// <summary>
        /// Reads one message. False if it can't be read, with the reason; true and null for a type
        /// that this package doesn't know, to be skipped.
        /// </summary>
        public static bool TryParse(string text, out Control message, out string problem)
        {
            message = null;
            problem = null;
            try
            {
                message = FromFields(JsonValue.Parse(text));
                return true;
            }
            catch (JsonError error)
            {
                problem = error.Message;
                return false;
            }
        }

        static Control FromFields(JsonValue fields)
        {
            switch (fields["type"].Text)
            {
                case "hello": return new Hello(fields);
                case "stream": return new StreamStatus(fields);
                case "skeleton": return new Skeleton(fields);
                case "subject": return new Subject(fields);
                case "stats": return new Stats(fields);
                case "error": return new ServerError(fields);
                case "pong": return new Pong(fields);
                case "bye": return new Bye(fields);
                default: return null;
            }
        }
    }

    /// <summary>The first message.</summary>
    public sealed class Hello : Control
    {
        public readonly string Proto, Server, Stream, Space;
        public readonly long ClockUs;
        public readonly float Fps;

        internal Hello(JsonValue fields)
        {
            Proto = fields["proto"].Text;
            Server = fields["server"].Text;
            Stream = fields["stream"].Text;
            Space = fields["space"].Text;
            ClockUs = fields["clock_us"].Integer;
            Fps = fields["fps"].Float;
        }
    }

    /// <summary>State is waiting, live, stalled or ended; CaptureClock is sender or arrival.</summary>
    public sealed class StreamStatus : Control
    {
        public readonly string State, CaptureClock;
        public readonly float FpsIn;

        internal StreamStatus(JsonValue fields)
        {
            State = fields["state"].Text;
            CaptureClock = fields["capture_clock"].Text;
            FpsIn = fields["fps_in"].Float;
        }
    }

    /// <summary>Names and rest offsets of the joints, metres from their parents, T-pose.</summary>
    public sealed class Skeleton : Control
    {
        public readonly long Rev;
        public readonly string[] Names = new string[Joints.Count];
        public readonly Vec3[] Offsets = new Vec3[Joints.Count];

        internal Skeleton(JsonValue fields)
        {
            Rev = fields["rev"].Integer;
            var joints = fields["joints"].Items;
            if (joints.Count != Joints.Count) throw new JsonError(joints.Count + " joints; expected " + Joints.Count);
            for (var j = 0; j < Joints.Count; j++)
            {
                Names[j] = joints[j]["name"].Text;
                Offsets[j] = joints[j]["offset"].Vec3;
                if (joints[j]["parent"].Integer != Joints.Parent(j)) throw new JsonError("joint " + j + " hangs elsewhere");
            }
        }
    }

    /// <summary>A person's body. State is enter, update or leave.</summary>
    public sealed class Subject : Control
    {
        public readonly uint Person;
        public readonly string State, Body;
        public readonly float HeightM;
        public readonly Vec3[] Offsets = new Vec3[Joints.Count];

        internal Subject(JsonValue fields)
        {
            Person = fields["person"].UInt;
            State = fields["state"].Text;
            Body = fields["body"].Text;
            fields["betas"].Floats(10);
            fields["shape"].Floats(10);
            HeightM = fields["height_m"].Float;
            List<JsonValue> offsets = fields["offsets"].Items;
            if (offsets.Count != Joints.Count) throw new JsonError(offsets.Count + " offsets; expected " + Joints.Count);
            for (var j = 0; j < Joints.Count; j++) Offsets[j] = offsets[j].Vec3;
        }
    }

    /// <summary>The server's figures of the last second; latency is from capture to publish.</summary>
    public sealed class Stats : Control
    {
        public readonly float FpsIn, FpsOut, P50Ms, P95Ms;
        public readonly long Dropped;

        internal Stats(JsonValue fields)
        {
            FpsIn = fields["fps_in"].Float;
            FpsOut = fields["fps_out"].Float;
            Dropped = fields["dropped"].Integer;
            P50Ms = fields["latency_ms"]["p50"].Float;
            P95Ms = fields["latency_ms"]["p95"].Float;
        }
    }

    /// <summary>Something this client or the publisher did can't be used; the connection lives.</summary>
    public sealed class ServerError : Control
    {
        public readonly string Code, Message;

        internal ServerError(JsonValue fields)
        {
            Code = fields["code"].Text;
            Message = fields["message"].Text;
        }
    }

    /// <summary>Answers a ping: t0 ours, t1 received and t2 sent on the server's clock, µs.</summary>
    public sealed class Pong : Control
    {
        public readonly long T0, T1, T2;

        internal Pong(JsonValue fields)
        {
            T0 = fields["t0"].Integer;
            T1 = fields["t1"].Integer;
            T2 = fields["t2"].Integer;
        }
    }

    /// <summary>The server is about to close.</summary>
    public sealed class Bye : Control
    {
        public readonly string Reason;

        internal Bye(JsonValue fields) { Reason = fields["reason"].Text; }
    }
}
