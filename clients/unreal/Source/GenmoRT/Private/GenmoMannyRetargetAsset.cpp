#include "GenmoMannyRetargetAsset.h"

#include "BoneContainer.h"
#include "BonePose.h"
#include "Core/GenmoMannyMap.h"
#include "Core/GenmoRetarget.h"
#include "GenmoConnection.h"
#include "Roles/LiveLinkAnimationTypes.h"

namespace
{

genmo::Vec3 FromVector(const FVector& V)
{
	return {float(V.X), float(V.Y), float(V.Z)};
}

genmo::Quat FromQuat(const FQuat& Q)
{
	return {float(Q.X), float(Q.Y), float(Q.Z), float(Q.W)};
}

genmo::Quat AboutZ(float Degrees)
{
	const float Half = FMath::DegreesToRadians(Degrees) / 2;
	return {0, 0, FMath::Sin(Half), FMath::Cos(Half)};
}

/** Reference pose in component space, one per compact bone. */
TArray<FTransform> ReferencePose(const FCompactPose& Pose)
{
	TArray<FTransform> Reference;
	Reference.SetNum(Pose.GetNumBones());
	for (const FCompactPoseBoneIndex Bone : Pose.ForEachBoneIndex())
	{
		const FCompactPoseBoneIndex Parent = Pose.GetParentBoneIndex(Bone);
		const FTransform& Local = Pose.GetRefPose(Bone);
		Reference[Bone.GetInt()] = Parent.IsValid() ? Local * Reference[Parent.GetInt()] : Local;
	}
	return Reference;
}

FCompactPoseBoneIndex FindBone(const FBoneContainer& Bones, const char* Name)
{
	const int32 Index = Bones.GetPoseBoneIndexForBoneName(FName(Name));
	return Index == INDEX_NONE ? FCompactPoseBoneIndex(INDEX_NONE) : Bones.MakeCompactPoseIndex(FMeshPoseBoneIndex(Index));
}

} // namespace

/** The mannequin's bones as the retargeter wants them, for one set of bones of a mesh. */
struct FGenmoMannyRig
{
	FGenmoMannyRig(const FCompactPose& Pose, float InFacing)
		: Serial(Pose.GetBoneContainer().GetSerialNumber())
		, Facing(InFacing)
		, Retargeter(RestBones(Pose), AboutZ(InFacing))
	{
	}

	/** Fits to the person's bone lengths, when they are others than before. */
	void Fit(const TArray<FTransform>& Transforms)
	{
		genmo::Offsets Offsets{};
		bool bSame = bFitted;
		for (int32 Joint = 1; Joint < genmo::JointCount; ++Joint)
		{
			Offsets[Joint] = FromVector(Transforms[Joint].GetTranslation());
			bSame = bSame && (Offsets[Joint] - Fitted[Joint]).Length() < 0.01f;
		}
		if (!bSame)
		{
			Retargeter.Fit(Offsets);
			Fitted = Offsets;
			bFitted = true;
		}
	}

	uint16 Serial;
	float Facing;
	/** Per compact bone: its index among Retargeter's, or -1. */
	TArray<int32> RowOfBone;
	genmo::Retargeter Retargeter;
	std::vector<genmo::Quat> Rotations;

private:
	std::vector<genmo::RestBone> RestBones(const FCompactPose& Pose)
	{
		const FBoneContainer& Container = Pose.GetBoneContainer();
		const TArray<FTransform> Reference = ReferencePose(Pose);
		RowOfBone.Init(-1, Pose.GetNumBones());
		TMap<FName, int32> Rows;
		std::vector<genmo::RestBone> Bones;
		for (const genmo::MannyRow& Row : genmo::MannyMap)
		{
			const FCompactPoseBoneIndex Bone = FindBone(Container, Row.Bone);
			if (Bone.IsValid())
			{
				const FTransform& Rest = Reference[Bone.GetInt()];
				RowOfBone[Bone.GetInt()] = int32(Bones.size());
				Rows.Add(FName(Row.Bone), int32(Bones.size()));
				Bones.push_back({Row.Joint, Row.Share, FromVector(Rest.GetTranslation()), FromQuat(Rest.GetRotation()), -1});
			}
		}
		for (const genmo::MannyRow& Row : genmo::MannyMap)
		{
			const int32* Start = Rows.Find(FName(Row.Bone));
			const int32* End = Row.LimbEnd ? Rows.Find(FName(Row.LimbEnd)) : nullptr;
			if (Start && End)
			{
				Bones[size_t(*Start)].LimbEnd = *End;
			}
		}
		return Bones;
	}

	genmo::Offsets Fitted{};
	bool bFitted = false;
};

void UGenmoMannyRetargetAsset::BuildPoseFromAnimationData(float DeltaTime, const FLiveLinkSkeletonStaticData* InSkeletonData,
	const FLiveLinkAnimationFrameData* InFrameData, FCompactPose& OutPose)
{
	const TArray<FTransform>& Transforms = InFrameData->Transforms;
	if (Transforms.Num() != genmo::JointCount)
	{
		UE_LOG(LogGenmo, Error, TEXT("a subject with %d bones; expected a Genmo RT subject with %d"), Transforms.Num(),
			genmo::JointCount);
		return;
	}

	// 1. Find the mannequin's bones
	if (!Rig || Rig->Serial != OutPose.GetBoneContainer().GetSerialNumber() || Rig->Facing != MeshFacing)
	{
		Rig = MakeShared<FGenmoMannyRig>(OutPose, MeshFacing);
	}
	if (!Rig->Retargeter.IsComplete())
	{
		return; // the mesh has no pelvis, thighs, calves or feet by these names
	}

	// 2. Where each of them turns, in component space
	std::array<genmo::Quat, genmo::JointCount> Local;
	for (int32 Joint = 0; Joint < genmo::JointCount; ++Joint)
	{
		Local[Joint] = FromQuat(Transforms[Joint].GetRotation());
	}
	genmo::Vec3 Hips;
	Rig->Fit(Transforms);
	Rig->Retargeter.Apply(Local, FromVector(Transforms[0].GetTranslation()), bRootMotion, Rig->Rotations, Hips);

	// 3. From component space to each bone's parent
	TArray<FTransform> Component;
	Component.SetNum(OutPose.GetNumBones());
	for (const FCompactPoseBoneIndex Bone : OutPose.ForEachBoneIndex())
	{
		const FCompactPoseBoneIndex Parent = OutPose.GetParentBoneIndex(Bone);
		const FTransform Above = Parent.IsValid() ? Component[Parent.GetInt()] : FTransform::Identity;
		const int32 Row = Rig->RowOfBone[Bone.GetInt()];
		if (Row >= 0)
		{
			const genmo::Quat& Turn = Rig->Rotations[size_t(Row)];
			OutPose[Bone].SetRotation(Above.GetRotation().Inverse() * FQuat(Turn.X, Turn.Y, Turn.Z, Turn.W));
		}
		if (Row == 0) // the pelvis: the first row of the map
		{
			OutPose[Bone].SetTranslation(Above.InverseTransformPosition(FVector(Hips.X, Hips.Y, Hips.Z)));
		}
		Component[Bone.GetInt()] = OutPose[Bone] * Above;
	}
}
