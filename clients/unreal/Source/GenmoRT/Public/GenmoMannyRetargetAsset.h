#pragma once

#include "CoreMinimal.h"
#include "LiveLinkRetargetAsset.h"
#include "GenmoMannyRetargetAsset.generated.h"

struct FGenmoMannyRig;

/**
 * Poses Manny, Quinn and the UE4 mannequin (by their bones' names, see Core/GenmoMannyMap.h) with a
 * Genmo RT subject. Name it in the Live Link Pose node of an animation blueprint. It works relative to
 * the mesh's reference pose: limbs point where the person's do, although Manny rests in an A-pose.
 */
UCLASS(Blueprintable)
class GENMORT_API UGenmoMannyRetargetAsset : public ULiveLinkRetargetAsset
{
	GENERATED_BODY()

public:
	/** Off keeps the mesh in place; it still goes up and down. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Genmo RT")
	bool bRootMotion = true;

	/** Where the mesh looks in its own space, degrees from +X about +Z. The mannequins look along +Y. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Genmo RT")
	float MeshFacing = 90;

	//~ ULiveLinkRetargetAsset interface
	virtual void BuildPoseFromAnimationData(float DeltaTime, const FLiveLinkSkeletonStaticData* InSkeletonData,
		const FLiveLinkAnimationFrameData* InFrameData, FCompactPose& OutPose) override;

private:
	/** Made anew whenever the bones of the mesh change, as with its level of detail. */
	TSharedPtr<FGenmoMannyRig> Rig;
};
