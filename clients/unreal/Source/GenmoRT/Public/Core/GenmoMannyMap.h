#pragma once

#include "GenmoPose.h"

namespace genmo
{

/** Which SMPL joint turns which bone of Unreal's mannequins. A table, no logic. */
struct MannyRow
{
	const char* Bone;
	int Joint;
	/** How much of the joint's own turn this bone takes; 1 is all that is left. */
	float Share = 1;
	/** For upper and lower arms and legs: the bone at their end. */
	const char* LimbEnd = nullptr;
};

/** Parents come before their children. spine1 is shared by spine_01 and spine_02. */
constexpr MannyRow MannyMap[] = {
	{"pelvis", Joints::Pelvis},
	{"thigh_l", Joints::LeftHip, 1, "calf_l"},
	{"thigh_r", Joints::RightHip, 1, "calf_r"},
	{"calf_l", Joints::LeftKnee, 1, "foot_l"},
	{"calf_r", Joints::RightKnee, 1, "foot_r"},
	{"foot_l", Joints::LeftAnkle},
	{"foot_r", Joints::RightAnkle},
	{"ball_l", Joints::LeftFoot},
	{"ball_r", Joints::RightFoot},
	{"spine_01", Joints::Spine1, 0.5f},
	{"spine_02", Joints::Spine1},
	{"spine_03", Joints::Spine2},
	{"spine_05", Joints::Spine3},
	{"neck_01", Joints::Neck},
	{"head", Joints::Head},
	{"clavicle_l", Joints::LeftCollar},
	{"clavicle_r", Joints::RightCollar},
	{"upperarm_l", Joints::LeftShoulder, 1, "lowerarm_l"},
	{"upperarm_r", Joints::RightShoulder, 1, "lowerarm_r"},
	{"lowerarm_l", Joints::LeftElbow, 1, "hand_l"},
	{"lowerarm_r", Joints::RightElbow, 1, "hand_r"},
	{"hand_l", Joints::LeftWrist},
	{"hand_r", Joints::RightWrist},
};

} // namespace genmo
