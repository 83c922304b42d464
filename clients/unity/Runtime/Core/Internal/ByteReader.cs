using System.Runtime.InteropServices;

namespace GenmoRT.Internal
{
    /// <summary>Little-endian numbers of a byte array, whatever the machine's byte order.</summary>
    struct ByteReader
    {
        readonly byte[] _bytes;
        readonly int _start;

        public ByteReader(byte[] bytes, int start)
        {
            _bytes = bytes;
            _start = start;
        }

        public byte U8(int at) { return _bytes[_start + at]; }

        public ushort U16(int at) { return (ushort)(U8(at) | U8(at + 1) << 8); }

        public uint U32(int at) { return U16(at) | (uint)U16(at + 2) << 16; }

        public long I64(int at) { return (long)((ulong)U32(at) | (ulong)U32(at + 4) << 32); }

        public float F32(int at) { return new Bits { AsUInt = U32(at) }.AsFloat; }

        public Vec3 Vec3(int at) { return new Vec3(F32(at), F32(at + 4), F32(at + 8)); }

        public Quat Quat(int at) { return new Quat(F32(at), F32(at + 4), F32(at + 8), F32(at + 12)); }

        // BitConverter.ToSingle knows the machine's byte order alone, and its successor came later.
        [StructLayout(LayoutKind.Explicit)]
        struct Bits
        {
            [FieldOffset(0)] public uint AsUInt;
            [FieldOffset(0)] public float AsFloat;
        }
    }
}
