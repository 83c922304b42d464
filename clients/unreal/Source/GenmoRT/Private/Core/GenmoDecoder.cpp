#include "Core/GenmoDecoder.h"

#include <cmath>
#include <cstring>

namespace genmo
{
namespace
{

constexpr size_t HeaderLength = 48;
constexpr size_t BlockLength = 432;
constexpr size_t LandmarksBlockLength = 832;
constexpr uint16_t Magic = 0x4D47;
constexpr uint8_t Major = 1;
constexpr uint8_t TypePose = 1;
constexpr uint8_t StateCount = 5;
constexpr uint8_t OptionLandmarks = 1;

/** Little-endian numbers, whatever the machine's byte order and alignment. */
struct Reader
{
	const uint8_t* Data;

	uint8_t U8(size_t At) const { return Data[At]; }
	uint16_t U16(size_t At) const { return uint16_t(Data[At] | Data[At + 1] << 8); }
	uint32_t U32(size_t At) const { return U16(At) | uint32_t(U16(At + 2)) << 16; }
	int64_t I64(size_t At) const { return int64_t(U32(At) | uint64_t(U32(At + 4)) << 32); }

	float F32(size_t At) const
	{
		const uint32_t Bits = U32(At);
		float Value;
		std::memcpy(&Value, &Bits, sizeof Value);
		return Value;
	}

	Vec3 Vector(size_t At) const { return {F32(At), F32(At + 4), F32(At + 8)}; }
	Quat Rotation(size_t At) const { return {F32(At), F32(At + 4), F32(At + 8), F32(At + 12)}; }
};

bool IsFinite(const Vec3& V) { return std::isfinite(V.X) && std::isfinite(V.Y) && std::isfinite(V.Z); }

bool IsFinite(const PersonPose& Person)
{
	if (!std::isfinite(Person.Confidence) || !IsFinite(Person.Pelvis) || !IsFinite(Person.Velocity))
	{
		return false;
	}
	for (const Quat& Q : Person.Rotations)
	{
		if (!IsFinite({Q.X, Q.Y, Q.Z}) || !std::isfinite(Q.W))
		{
			return false;
		}
	}
	for (const Vec3& Landmark : Person.Landmarks)
	{
		if (!IsFinite(Landmark))
		{
			return false;
		}
	}
	return true;
}

/** Decodes the block at At, of which Left bytes remain in the message. */
DecodeError DecodePerson(const Reader& Read, size_t At, size_t Left, PoseFrame& Into, size_t& OutLength)
{
	if (Left < BlockLength)
	{
		return DecodeError::Truncated;
	}
	if (Read.U8(At + 5) != 0)
	{
		return DecodeError::RotationEncoding;
	}
	if (Read.U8(At + 6) != JointCount)
	{
		return DecodeError::Skeleton;
	}
	if (Read.U8(At + 4) >= StateCount)
	{
		return DecodeError::State;
	}
	const bool bLandmarks = (Read.U8(At + 7) & OptionLandmarks) != 0;
	const uint32_t Claimed = Read.U32(At + 8); // compared with what is left, never added to anything
	if (Claimed < (bLandmarks ? LandmarksBlockLength : BlockLength) || Claimed % 8 != 0 || Claimed > Left)
	{
		return DecodeError::BlockLength;
	}
	OutLength = Claimed;

	PersonPose& Person = Into.Persons.emplace_back();
	Person.Id = Read.U32(At);
	Person.State = TrackState(Read.U8(At + 4));
	Person.Confidence = Read.F32(At + 12);
	Person.Pelvis = Read.Vector(At + 16);
	Person.Velocity = Read.Vector(At + 28);
	for (size_t I = 0; I < ContactCount; ++I)
	{
		Person.Contacts[I] = Read.U8(At + 40 + I) / 255.f;
	}
	for (size_t J = 0; J < JointCount; ++J)
	{
		Person.Rotations[J] = Read.Rotation(At + 48 + J * 16);
	}
	Person.bHasLandmarks = bLandmarks;
	for (size_t I = 0; bLandmarks && I < LandmarkCount; ++I)
	{
		Person.Landmarks[I] = Read.Vector(At + BlockLength + I * 12);
	}
	return IsFinite(Person) ? DecodeError::None : DecodeError::NotFinite;
}

DecodeError DecodeMessage(const Reader& Read, size_t Size, PoseFrame& Into)
{
	if (Size < HeaderLength)
	{
		return DecodeError::Truncated;
	}
	if (Read.U16(0) != Magic)
	{
		return DecodeError::Magic;
	}
	if (Read.U8(2) != Major)
	{
		return DecodeError::Version;
	}
	if (Read.U8(3) != TypePose)
	{
		return DecodeError::Type;
	}
	const size_t Header = Read.U16(4);
	if (Header < HeaderLength || Header % 8 != 0 || Header > Size)
	{
		return DecodeError::HeaderLength;
	}
	Into.Flags = Read.U16(6);
	Into.Seq = Read.U32(8);
	Into.Frame = Read.U32(12);
	Into.CaptureUs = Read.I64(16);
	Into.PublishUs = Read.I64(24);
	Into.SkeletonRev = Read.U32(32);
	Into.DecodeMs = Read.U16(38) / 10.f;
	Into.KeypointsMs = Read.U16(40) / 10.f;
	Into.ModelMs = Read.U16(42) / 10.f;

	size_t At = Header;
	for (int Left = Read.U16(36); Left > 0; --Left)
	{
		size_t Length = 0;
		const DecodeError Error = DecodePerson(Read, At, Size - At, Into, Length);
		if (Error != DecodeError::None)
		{
			return Error;
		}
		At += Length;
	}
	return At == Size ? DecodeError::None : DecodeError::TrailingBytes;
}

} // namespace

DecodeError DecodePose(const uint8_t* Data, size_t Size, PoseFrame& Into)
{
	Into.Clear();
	const DecodeError Error = DecodeMessage(Reader{Data}, Size, Into);
	if (Error != DecodeError::None)
	{
		Into.Clear();
	}
	return Error;
}

const char* Explain(DecodeError Error)
{
	switch (Error)
	{
	case DecodeError::None: return "a good pose";
	case DecodeError::Truncated: return "the message ends too early";
	case DecodeError::Magic: return "not a genmo message (its magic isn't 0x4D47)";
	case DecodeError::Type: return "not a pose (its type isn't 1)";
	case DecodeError::Version: return "another protocol version; this plugin reads 1, update it";
	case DecodeError::HeaderLength: return "header_len isn't a multiple of 8 from 48 to the message's end";
	case DecodeError::RotationEncoding: return "an unknown rotation encoding; expected 0, quaternions";
	case DecodeError::Skeleton: return "another skeleton; expected 24 joints";
	case DecodeError::State: return "an unknown person state; expected 0 to 4";
	case DecodeError::BlockLength: return "block_len isn't a multiple of 8 from 432 to the message's end";
	case DecodeError::NotFinite: return "a number is NaN or infinite";
	case DecodeError::TrailingBytes: return "bytes follow the last person";
	}
	return "an unknown error";
}

} // namespace genmo
