using System;

namespace GenmoRT
{
    /// <summary>A rotation, w last. a * b turns by b first, in left- and right-handed frames.</summary>
    public struct Quat
    {
        public float X, Y, Z, W;

        public Quat(float x, float y, float z, float w)
        {
            X = x;
            Y = y;
            Z = z;
            W = w;
        }

        public static Quat Identity { get { return new Quat(0, 0, 0, 1); } }

        /// <summary>The inverse of a unit quaternion.</summary>
        public Quat Inverse { get { return new Quat(-X, -Y, -Z, W); } }

        /// <summary>The same direction with length one; identity if there is no direction.</summary>
        public Quat Normalized
        {
            get
            {
                var length = Math.Sqrt((double)X * X + (double)Y * Y + (double)Z * Z + (double)W * W);
                // A hostile message may hold zeros or numbers whose squares overflow.
                if (!(length > 1e-12) || double.IsInfinity(length)) return Identity;
                return new Quat((float)(X / length), (float)(Y / length), (float)(Z / length), (float)(W / length));
            }
        }

        public static Quat operator *(Quat a, Quat b)
        {
            return new Quat(
                a.W * b.X + a.X * b.W + a.Y * b.Z - a.Z * b.Y,
                a.W * b.Y - a.X * b.Z + a.Y * b.W + a.Z * b.X,
                a.W * b.Z + a.X * b.Y - a.Y * b.X + a.Z * b.W,
                a.W * b.W - a.X * b.X - a.Y * b.Y - a.Z * b.Z);
        }

        /// <summary>Turns a vector.</summary>
        public Vec3 Rotate(Vec3 v)
        {
            var axis = new Vec3(X, Y, Z);
            var t = Vec3.Cross(axis, v) * 2;
            return v + t * W + Vec3.Cross(axis, t);
        }

        /// <summary>The way from a (t = 0) to b (t = 1) along the shorter arc, at even speed.</summary>
        public static Quat Slerp(Quat a, Quat b, float t)
        {
            var cosine = a.X * b.X + a.Y * b.Y + a.Z * b.Z + a.W * b.W;
            var sign = cosine < 0 ? -1f : 1f; // q and -q are the same rotation
            cosine *= sign;
            float ofA = 1 - t, ofB = t * sign;
            if (cosine < 0.9995f) // closer together the sines vanish and a straight line is as good
            {
                var angle = Math.Acos(cosine);
                var sine = Math.Sin(angle);
                ofA = (float)(Math.Sin((1 - t) * angle) / sine);
                ofB = (float)(Math.Sin(t * angle) / sine) * sign;
            }
            return new Quat(
                a.X * ofA + b.X * ofB, a.Y * ofA + b.Y * ofB, a.Z * ofA + b.Z * ofB, a.W * ofA + b.W * ofB).Normalized;
        }

        /// <summary>The smallest rotation that turns one direction into another.</summary>
        public static Quat FromTo(Vec3 from, Vec3 to)
        {
            var lengths = from.Length * to.Length;
            if (!(lengths > 1e-12f)) return Identity;
            var cosine = Vec3.Dot(from, to) / lengths;
            if (cosine < -0.999999f) return HalfTurn(from);
            var axis = Vec3.Cross(from, to) * (1 / lengths);
            return new Quat(axis.X, axis.Y, axis.Z, 1 + cosine).Normalized;
        }

        static Quat HalfTurn(Vec3 from)
        {
            var across = Math.Abs(from.X) < 0.6f * from.Length ? new Vec3(1, 0, 0) : new Vec3(0, 1, 0);
            var axis = Vec3.Cross(from, across);
            return new Quat(axis.X, axis.Y, axis.Z, 0).Normalized;
        }
    }
}
