#pragma once

#include "CoreMinimal.h"
#include "GenmoTypes.generated.h"

/** What a connection is doing. */
UENUM(BlueprintType)
enum class EGenmoState : uint8
{
	/** Not started, or stopped. */
	Stopped,
	/** Opening a connection. */
	Connecting,
	/** Connected; poses come while the stream is live. */
	Open,
	/** The connection is gone; waiting before the next attempt. */
	Retrying,
	/** This server can't be used, and asking again won't help. */
	Refused
};

/** How well a person is seen. */
UENUM(BlueprintType)
enum class EGenmoTracking : uint8
{
	Lost,
	Warmup,
	Tracked,
	Occluded,
	Generated
};

/** One person as to be shown now, in Unreal's axes and centimetres. */
USTRUCT(BlueprintType)
struct GENMORT_API FGenmoPerson
{
	GENERATED_BODY()

	/** Stays the same while the person is there. */
	UPROPERTY(BlueprintReadOnly, Category = "Genmo RT")
	int64 Id = 0;

	UPROPERTY(BlueprintReadOnly, Category = "Genmo RT")
	EGenmoTracking Tracking = EGenmoTracking::Lost;

	/** 0..1. */
	UPROPERTY(BlueprintReadOnly, Category = "Genmo RT")
	float Confidence = 0;

	UPROPERTY(BlueprintReadOnly, Category = "Genmo RT")
	FVector Pelvis = FVector::ZeroVector;

	/** Of the pelvis, per second. */
	UPROPERTY(BlueprintReadOnly, Category = "Genmo RT")
	FVector Velocity = FVector::ZeroVector;

	/** Probabilities 0..1: left ankle, left foot, right ankle, right foot, left wrist, right wrist. */
	UPROPERTY(BlueprintReadOnly, Category = "Genmo RT")
	TArray<float> Contacts;

	/** SMPL's 24 joints: the pelvis in the world, the others relative to their parents. */
	UPROPERTY(BlueprintReadOnly, Category = "Genmo RT")
	TArray<FQuat> Rotations;
};
