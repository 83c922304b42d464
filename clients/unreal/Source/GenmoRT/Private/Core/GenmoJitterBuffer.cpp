#include "Core/GenmoJitterBuffer.h"

#include <algorithm>
#include <cstdlib>

namespace genmo
{
namespace
{

constexpr int AgesPercentile = 95;
constexpr int64_t LargestIntervalUs = 100000;
constexpr int64_t LastTimeUs = int64_t(1) << 53; // the year 2255: sums of such times can't overflow
constexpr int64_t RestartUs = 1000000; // a clock that went back this far is another clock
constexpr int64_t SnapUs = 250000;
constexpr int64_t SlewDivisor = 10;

void Blend(PersonPose& Person, const PersonPose& Next, float T)
{
	Person.Confidence += (Next.Confidence - Person.Confidence) * T;
	Person.Pelvis = Lerp(Person.Pelvis, Next.Pelvis, T);
	Person.Velocity = Lerp(Person.Velocity, Next.Velocity, T);
	for (size_t I = 0; I < ContactCount; ++I)
	{
		Person.Contacts[I] += (Next.Contacts[I] - Person.Contacts[I]) * T;
	}
	for (size_t J = 0; J < JointCount; ++J)
	{
		Person.Rotations[J] = Quat::Slerp(Person.Rotations[J], Next.Rotations[J], T);
	}
	Person.bHasLandmarks = Person.bHasLandmarks && Next.bHasLandmarks;
	for (size_t I = 0; Person.bHasLandmarks && I < LandmarkCount; ++I)
	{
		Person.Landmarks[I] = Lerp(Person.Landmarks[I], Next.Landmarks[I], T);
	}
}

void Extrapolate(const PoseFrame& Newest, int64_t TimeUs, PoseFrame& Into)
{
	Into = Newest;
	const int64_t AheadUs = std::min(JitterBuffer::MaxExtrapolationUs, TimeUs - Newest.CaptureUs);
	Into.CaptureUs += AheadUs;
	for (PersonPose& Person : Into.Persons)
	{
		Person.Pelvis = Person.Pelvis + Person.Velocity * (float(AheadUs) / 1e6f);
	}
}

void Interpolate(const PoseFrame& A, const PoseFrame& B, int64_t TimeUs, PoseFrame& Into)
{
	const float T = float(double(TimeUs - A.CaptureUs) / double(B.CaptureUs - A.CaptureUs));
	Into = A;
	Into.CaptureUs = TimeUs;
	for (PersonPose& Person : Into.Persons)
	{
		if (const PersonPose* Next = B.Find(Person.Id))
		{
			Blend(Person, *Next, T);
		}
	}
}

} // namespace

void JitterBuffer::Clear()
{
	Count = AgeCount = NextAge = 0;
	bPlaying = false;
}

void JitterBuffer::Push(const PoseFrame& Frame, int64_t NowUs)
{
	if (Frame.CaptureUs < 0 || Frame.CaptureUs > LastTimeUs)
	{
		++Late;
		return;
	}
	if (Count > 0 && Frame.CaptureUs <= Nth(0).CaptureUs)
	{
		if (Nth(0).CaptureUs - Frame.CaptureUs < RestartUs)
		{
			++Late;
			return;
		}
		Clear();
	}
	Newest = (Newest + 1) % Kept;
	Ring[size_t(Newest)] = Frame;
	Count = std::min(Count + 1, Kept);
	LearnAge(NowUs - Frame.CaptureUs);
	Target = Sorted[size_t((AgeCount - 1) * AgesPercentile / 100)] + IntervalUs();
}

bool JitterBuffer::Sample(int64_t NowUs, PoseFrame& Into)
{
	if (Count == 0)
	{
		Into.Clear();
		return false;
	}
	SlewDelay(NowUs);
	const int64_t TimeUs = NowUs - Delay;
	int Before = 0;
	while (Before < Count - 1 && Nth(Before).CaptureUs > TimeUs)
	{
		++Before;
	}
	const PoseFrame& Earlier = Nth(Before);
	if (TimeUs <= Earlier.CaptureUs)
	{
		Into = Earlier; // older than all that is kept
	}
	else if (Before == 0)
	{
		Extrapolate(Earlier, TimeUs, Into);
	}
	else
	{
		Interpolate(Earlier, Nth(Before - 1), TimeUs, Into);
	}
	return true;
}

int64_t JitterBuffer::MedianAgeUs() const
{
	return AgeCount == 0 ? 0 : Sorted[size_t(AgeCount / 2)];
}

void JitterBuffer::LearnAge(int64_t AgeUs)
{
	Ages[size_t(NextAge)] = AgeUs;
	NextAge = (NextAge + 1) % KeptAges;
	AgeCount = std::min(AgeCount + 1, KeptAges);
	std::copy_n(Ages.begin(), AgeCount, Sorted.begin());
	std::sort(Sorted.begin(), Sorted.begin() + AgeCount);
}

int64_t JitterBuffer::IntervalUs() const
{
	return Count < 2 ? 0 : std::min(LargestIntervalUs, (Nth(0).CaptureUs - Nth(Count - 1).CaptureUs) / (Count - 1));
}

void JitterBuffer::SlewDelay(int64_t NowUs)
{
	const int64_t Wanted = std::clamp(Target, int64_t(0), MaxDelayUs);
	const int64_t Off = Wanted - Delay;
	const int64_t Step = std::max(int64_t(0), NowUs - LastSampleUs) / SlewDivisor;
	if (!bPlaying || std::abs(Off) > SnapUs)
	{
		Delay = Wanted;
	}
	else
	{
		Delay += std::clamp(Off, -Step, Step);
	}
	bPlaying = true;
	LastSampleUs = NowUs;
}

} // namespace genmo
