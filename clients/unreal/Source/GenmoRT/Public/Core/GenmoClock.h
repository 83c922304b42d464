#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace genmo
{

/**
 * The server's clock as seen from here. Keeps the last eight pings and trusts the quickest (as NTP's
 * clock filter, RFC 5905). All times are microseconds.
 */
class ClockSync
{
public:
	bool IsKnown() const { return bKnown; }

	/** Server's clock minus ours. */
	int64_t OffsetUs() const { return Count > 0 ? Samples[Best()].OffsetUs : RoughOffsetUs; }

	/** The quickest recent round trip; -1 before the first pong. */
	int64_t RttUs() const { return Count > 0 ? Samples[Best()].RttUs : -1; }

	int64_t ToServer(int64_t LocalUs) const { return LocalUs + OffsetUs(); }

	/** Forgets everything, as for a new connection. */
	void Reset() { *this = ClockSync(); }

	/** A first guess, wrong by the way of one message: hello's clock at its arrival. */
	void AddHello(int64_t ClockUs, int64_t ArrivedUs)
	{
		RoughOffsetUs = ClockUs - ArrivedUs;
		bKnown = true;
	}

	/** A pong that arrived at T3 on the clock that stamped T0. */
	void AddPong(int64_t T0, int64_t T1, int64_t T2, int64_t T3)
	{
		Samples[Next] = {(T3 - T0) - (T2 - T1), ((T1 - T0) + (T2 - T3)) / 2};
		Next = (Next + 1) % Samples.size();
		Count = Count < Samples.size() ? Count + 1 : Count;
		bKnown = true;
	}

private:
	struct Sample
	{
		int64_t RttUs = 0;
		int64_t OffsetUs = 0;
	};

	size_t Best() const
	{
		size_t Index = 0;
		for (size_t I = 1; I < Count; ++I)
		{
			Index = Samples[I].RttUs < Samples[Index].RttUs ? I : Index;
		}
		return Index;
	}

	std::array<Sample, 8> Samples;
	size_t Count = 0;
	size_t Next = 0;
	int64_t RoughOffsetUs = 0;
	bool bKnown = false;
};

} // namespace genmo
