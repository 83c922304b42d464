#pragma once

#include "GenmoMath.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace genmo
{

constexpr int JointCount = 24;
constexpr int ContactCount = 6;
constexpr int LandmarkCount = 33;

/** SMPL's joints, in the order of every pose. */
struct Joints
{
	enum Joint : int
	{
		Pelvis, LeftHip, RightHip, Spine1, LeftKnee, RightKnee, Spine2, LeftAnkle, RightAnkle, Spine3,
		LeftFoot, RightFoot, Neck, LeftCollar, RightCollar, Head, LeftShoulder, RightShoulder, LeftElbow, RightElbow,
		LeftWrist, RightWrist, LeftHand, RightHand
	};
};

/** The joint each one turns with; -1 for the pelvis. Parents come before children. */
constexpr int JointParents[JointCount] = {-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21};

constexpr const char* JointNames[JointCount] = {
	"pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
	"spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
	"right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand"};

/** How well a person is seen. */
enum class TrackState : uint8_t
{
	Lost, Warmup, Tracked, Occluded, Generated
};

/** One person of one frame. */
struct PersonPose
{
	/** Stays the same while the person is there; the smallest is the oldest. */
	uint32_t Id = 0;
	TrackState State = TrackState::Lost;
	/** 0..1. */
	float Confidence = 0;
	Vec3 Pelvis;
	/** Of the pelvis, per second. */
	Vec3 Velocity;
	/** Probabilities 0..1: L ankle, L foot, R ankle, R foot, L wrist, R wrist. */
	std::array<float, ContactCount> Contacts{};
	/** Joint 0 in the world, 1..23 relative to their parents. */
	std::array<Quat, JointCount> Rotations{};
	bool bHasLandmarks = false;
	/** x and y in 0..1 of the picture and visibility, if bHasLandmarks. */
	std::array<Vec3, LandmarkCount> Landmarks{};
};

/** Everybody in one frame. */
struct PoseFrame
{
	uint32_t Seq = 0;
	uint32_t Frame = 0;
	/** 1 warmup, 2 generated, 4 resampled; newer servers may set more. */
	uint16_t Flags = 0;
	/** Unix microseconds on the server's clock. */
	int64_t CaptureUs = 0;
	int64_t PublishUs = 0;
	uint32_t SkeletonRev = 0;
	float DecodeMs = 0, KeypointsMs = 0, ModelMs = 0;
	/** Oldest first. */
	std::vector<PersonPose> Persons;

	/** The person with this id, or null. */
	const PersonPose* Find(uint32_t Id) const
	{
		for (const PersonPose& Person : Persons)
		{
			if (Person.Id == Id)
			{
				return &Person;
			}
		}
		return nullptr;
	}

	/** Forgets everything but keeps the memory. */
	void Clear()
	{
		std::vector<PersonPose> Kept = std::move(Persons);
		Kept.clear();
		*this = PoseFrame();
		Persons = std::move(Kept);
	}
};

} // namespace genmo
