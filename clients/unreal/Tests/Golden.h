#pragma once

#include "Core/GenmoControl.h"
#include "Core/GenmoDecoder.h"
#include "GenmoJson.h"

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

/** A check failed; the text says what was seen. */
struct CheckFailed : std::runtime_error
{
	using std::runtime_error::runtime_error;
};

inline void That(bool Fact, const std::string& Otherwise)
{
	if (!Fact)
	{
		throw CheckFailed(Otherwise);
	}
}

inline void Equal(int64_t Seen, int64_t Expected, const std::string& What)
{
	That(Seen == Expected, What + " is " + std::to_string(Seen) + "; expected " + std::to_string(Expected));
}

inline void Near(double Seen, double Expected, double Tolerance, const std::string& What)
{
	That(std::fabs(Seen - Expected) <= Tolerance,
		What + " is " + std::to_string(Seen) + "; expected " + std::to_string(Expected));
}

inline void Near(const genmo::Vec3& Seen, const genmo::Vec3& Expected, double Tolerance, const std::string& What)
{
	Near(Seen.X, Expected.X, Tolerance, What + ".x");
	Near(Seen.Y, Expected.Y, Tolerance, What + ".y");
	Near(Seen.Z, Expected.Z, Tolerance, What + ".z");
}

/** q and -q are the same rotation. */
inline void Near(const genmo::Quat& A, const genmo::Quat& B, double Tolerance, const std::string& What)
{
	const double Cosine = double(A.X) * B.X + double(A.Y) * B.Y + double(A.Z) * B.Z + double(A.W) * B.W;
	That(std::fabs(Cosine) >= 1 - Tolerance, What + " is off: |cosine| of half the angle " + std::to_string(Cosine));
}

/** The golden messages of clients/protocol, and kinematics that share no code with the plugin. */
class Golden
{
public:
	using Bytes = std::vector<uint8_t>;

	explicit Golden(const std::string& InFolder);

	Bytes Read(const std::string& Path) const;
	std::string Text(const std::string& Path) const;
	genmo::JsonValue Json(const std::string& Path) const;
	/** Paths in a folder that end so, sorted. */
	std::vector<std::string> Files(const std::string& Folder, const std::string& Ending) const;

	/** Decodes a pose that must be good, from a block of exactly its size. */
	genmo::PoseFrame Pose(const std::string& Path) const;
	genmo::Offsets Offsets(const std::string& Target) const;
	/** expected.json's pose in a target's axes. */
	const genmo::JsonValue& Values(const std::string& Pose, const std::string& Target) const;
	/** Checks what expected.json says in words; returns how many facts there were. */
	int CheckFacts(const std::string& Pose, const std::string& Target, const std::vector<genmo::Vec3>& Joints) const;

	static const std::vector<std::string> Poses, Spaces;
	static const genmo::JsonValue& Get(const genmo::JsonValue& Object, const std::string& Name);
	static genmo::Vec3 Vector(const genmo::JsonValue& Value);
	/** Joint positions by rotation matrices. */
	static std::vector<genmo::Vec3> WorldJoints(const genmo::PersonPose& Person, const genmo::Offsets& Rest);

private:
	std::string Folder;
	genmo::JsonValue Expected;
};
