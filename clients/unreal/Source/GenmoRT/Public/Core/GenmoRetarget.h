#pragma once

#include "GenmoControl.h"

namespace genmo
{

/** A bone of the target at rest, in the target's frame: its root, z up, centimetres. */
struct RestBone
{
	/** The joint that turns it. */
	int Joint = 0;
	/** How much of that joint's own turn it takes, 0..1; the rest comes in a later bone. */
	float Share = 1;
	Vec3 Position;
	Quat Rotation;
	/** For upper and lower arms and legs: the index of the bone at their end; else -1. */
	int LimbEnd = -1;
};

/**
 * One person's pose to a skeleton's bones. With D the joint's rotation in the world (the product down
 * from the pelvis; SMPL's joint frames are parallel to the body at rest), a bone turns to
 * D * A * rest. A turns the target's limb at rest into the direction of the person's limb at rest:
 * the target may rest in an A-pose, SMPL rests in a T-pose.
 */
class Retargeter
{
public:
	/**
	 * Facing is the turn from Unreal's space (a person who faces the camera faces +X) to the target's
	 * frame: 90 degrees about z for a mesh that faces +Y, as Manny does.
	 */
	Retargeter(std::vector<RestBone> InBones, const Quat& InFacing);

	/** Whether it has hips, legs and feet: without them nothing can be fitted. */
	bool IsComplete() const { return bComplete; }

	/** Fits to a person's body: 24 bone offsets in Unreal's axes. Call it before Apply. */
	void Fit(const Offsets& Person);

	/**
	 * Computes where the bones are, in the target's frame: one rotation per bone, as they were given,
	 * and the position of the hips bone. Without root motion the target only goes up and down.
	 */
	void Apply(const std::array<Quat, JointCount>& Local, const Vec3& Pelvis, bool bRootMotion,
		std::vector<Quat>& OutRotations, Vec3& OutHips);

	/** The target's legs over the person's. */
	float Scale() const { return LegScale; }

private:
	const RestBone& Rest(int Joint) const { return Bones[size_t(BoneOf[size_t(Joint)])]; }
	float Leg(int Hip, int Knee, int Ankle) const;

	std::vector<RestBone> Bones;
	Quat Facing;
	std::vector<Quat> Aligned; // A * rest, per bone
	std::array<int, JointCount> BoneOf{};
	Vec3 HipsFromMiddle; // from the middle of the hip joints to the hips bone, target's rest
	Vec3 Middle;         // from the person's pelvis to the middle of its hip joints
	float LegScale = 1;
	float Lift = 0;
	bool bComplete = true;
};

} // namespace genmo
