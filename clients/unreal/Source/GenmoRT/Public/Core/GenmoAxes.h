#pragma once

#include "GenmoPose.h"

namespace genmo
{

/**
 * The one place where axes change: `smpl` (right-handed, y up, metres) to Unreal (left-handed, z up,
 * centimetres). A person who faces the camera faces +X there.
 */
namespace UnrealAxes
{

constexpr float CentimetresPerMetre = 100;

inline Vec3 Convert(const Vec3& V)
{
	return Vec3{V.Z, -V.X, V.Y} * CentimetresPerMetre;
}

inline Quat Convert(const Quat& Q)
{
	return {-Q.Z, Q.X, -Q.Y, Q.W};
}

/** Converts a whole frame in place. Call it once per frame. */
inline void Convert(PoseFrame& Frame)
{
	for (PersonPose& Person : Frame.Persons)
	{
		Person.Pelvis = Convert(Person.Pelvis);
		Person.Velocity = Convert(Person.Velocity);
		for (Quat& Rotation : Person.Rotations)
		{
			Rotation = Convert(Rotation);
		}
	}
}

/** Converts bone offsets in place. */
inline void Convert(std::array<Vec3, JointCount>& Offsets)
{
	for (Vec3& Offset : Offsets)
	{
		Offset = Convert(Offset);
	}
}

} // namespace UnrealAxes
} // namespace genmo
