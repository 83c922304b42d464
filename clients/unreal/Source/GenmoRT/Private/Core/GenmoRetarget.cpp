#include "Core/GenmoRetarget.h"

#include <utility>

namespace genmo
{
namespace
{

/** From the foot joint down to the sole. */
constexpr float SoleBelowFootCm = 1;

constexpr int NeededJoints[] = {Joints::Pelvis, Joints::LeftHip, Joints::RightHip, Joints::LeftKnee, Joints::RightKnee,
	Joints::LeftAnkle, Joints::RightAnkle};

} // namespace

Retargeter::Retargeter(std::vector<RestBone> InBones, const Quat& InFacing)
	: Bones(std::move(InBones)), Facing(InFacing), Aligned(Bones.size())
{
	BoneOf.fill(-1);
	for (size_t B = 0; B < Bones.size(); ++B)
	{
		int& Slot = BoneOf[size_t(Bones[B].Joint)];
		Slot = Slot < 0 ? int(B) : Slot; // the first of several that share a joint
	}
	for (const int Needed : NeededJoints)
	{
		bComplete = bComplete && BoneOf[size_t(Needed)] >= 0;
	}
	if (bComplete)
	{
		const Vec3 Between = (Rest(Joints::LeftHip).Position + Rest(Joints::RightHip).Position) * 0.5f;
		HipsFromMiddle = Rest(Joints::Pelvis).Position - Between;
	}
}

void Retargeter::Fit(const Offsets& Person)
{
	if (!bComplete)
	{
		return;
	}
	for (size_t B = 0; B < Bones.size(); ++B)
	{
		Quat Align;
		if (Bones[B].LimbEnd >= 0)
		{
			const RestBone& End = Bones[size_t(Bones[B].LimbEnd)];
			Align = Quat::FromTo(End.Position - Bones[B].Position, Facing.Rotate(Person[size_t(End.Joint)]));
		}
		Aligned[B] = Align * Bones[B].Rotation;
	}
	const float Legs = Person[Joints::LeftKnee].Length() + Person[Joints::LeftAnkle].Length() +
		Person[Joints::RightKnee].Length() + Person[Joints::RightAnkle].Length();
	const float Ours = Leg(Joints::LeftHip, Joints::LeftKnee, Joints::LeftAnkle) +
		Leg(Joints::RightHip, Joints::RightKnee, Joints::RightAnkle);
	LegScale = Legs > 0.1f ? Ours / Legs : 1;
	Middle = Facing.Rotate((Person[Joints::LeftHip] + Person[Joints::RightHip]) * 0.5f);
	const float Ankle = (Rest(Joints::LeftAnkle).Position.Z + Rest(Joints::RightAnkle).Position.Z) * 0.5f;
	const float Theirs = SoleBelowFootCm - (Person[Joints::LeftFoot].Z + Person[Joints::RightFoot].Z) * 0.5f;
	Lift = Ankle - LegScale * Theirs; // the same ground under both pairs of soles
}

void Retargeter::Apply(const std::array<Quat, JointCount>& Local, const Vec3& PelvisPosition, bool bRootMotion,
	std::vector<Quat>& OutRotations, Vec3& OutHips)
{
	OutRotations.resize(Bones.size());
	if (!bComplete)
	{
		return;
	}
	std::array<Quat, JointCount> Own, World;
	for (size_t J = 0; J < JointCount; ++J)
	{
		Own[J] = (Facing * Local[J].Normalized() * Facing.Inverse()).Normalized();
		World[J] = J == 0 ? Own[J] : World[size_t(JointParents[J])] * Own[J];
	}
	for (size_t B = 0; B < Bones.size(); ++B)
	{
		const size_t J = size_t(Bones[B].Joint);
		Quat Turn = World[J];
		if (Bones[B].Share < 1)
		{
			const Quat Part = Quat::Slerp(Quat(), Own[J], Bones[B].Share);
			Turn = J == 0 ? Part : World[size_t(JointParents[J])] * Part;
		}
		OutRotations[B] = (Turn * Aligned[B]).Normalized();
	}
	Vec3 Hips = (Facing.Rotate(PelvisPosition) + World[0].Rotate(Middle)) * LegScale;
	if (!bRootMotion)
	{
		Hips = {0, 0, Hips.Z};
	}
	OutHips = Hips + World[0].Rotate(HipsFromMiddle) + Vec3{0, 0, Lift};
}

float Retargeter::Leg(int Hip, int Knee, int Ankle) const
{
	return (Rest(Knee).Position - Rest(Hip).Position).Length() + (Rest(Ankle).Position - Rest(Knee).Position).Length();
}

} // namespace genmo
