#pragma once

#include "GenmoPose.h"

namespace genmo
{

/**
 * Evens out arrival: frames go in as they come, and poses come out for any moment. Between two frames
 * positions are blended and rotations slerped; after the newest the pelvis goes on with its velocity
 * for at most 100 ms. All times are microseconds on the server's clock.
 *
 * It plays `delay` behind: the age that 95 of 100 recent frames had on arrival, plus one frame, but
 * never more than MaxDelayUs. The delay changes by a tenth of real time at most, so that motion is
 * never seen to jump.
 */
class JitterBuffer
{
public:
	static constexpr int64_t MaxExtrapolationUs = 100000;

	/** 0 always shows the newest pose, extrapolated to now; more is smoother and later. */
	int64_t MaxDelayUs = 150000;

	/** Takes a copy of a frame that arrived now. */
	void Push(const PoseFrame& Frame, int64_t NowUs);

	/** Fills the frame with the pose to show now; false if none has come yet. */
	bool Sample(int64_t NowUs, PoseFrame& Into);

	/** Forgets all frames and what it learnt of their ages. */
	void Clear();

	/** How far behind the server's clock it plays now. */
	int64_t DelayUs() const { return Delay; }

	/** Median age of recent frames on arrival: from capture until it was here. */
	int64_t MedianAgeUs() const;

	/** Frames of no use: they came after a newer one, or their time can't be. */
	int LateFrames() const { return Late; }

private:
	static constexpr int Kept = 32;
	static constexpr int KeptAges = 64;

	const PoseFrame& Nth(int Before) const { return Ring[size_t((Newest + Kept - Before) % Kept)]; }
	void LearnAge(int64_t AgeUs);
	int64_t IntervalUs() const;
	void SlewDelay(int64_t NowUs);

	std::array<PoseFrame, Kept> Ring;
	std::array<int64_t, KeptAges> Ages{}, Sorted{};
	int Count = 0, Newest = 0, AgeCount = 0, NextAge = 0, Late = 0;
	int64_t Target = 0, Delay = 0, LastSampleUs = 0;
	bool bPlaying = false;
};

} // namespace genmo
