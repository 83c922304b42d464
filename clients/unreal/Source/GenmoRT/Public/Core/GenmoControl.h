#pragma once

#include "GenmoPose.h"

#include <string>
#include <variant>

namespace genmo
{

using Offsets = std::array<Vec3, JointCount>;

/** The first message. */
struct Hello
{
	std::string Proto, Server, Stream, Space;
	int64_t ClockUs = 0;
	float Fps = 0;
};

/** State is waiting, live, stalled or ended; CaptureClock is sender or arrival. */
struct StreamStatus
{
	std::string State, CaptureClock;
	float FpsIn = 0;
};

/** Rest offsets of the joints from their parents, T-pose. */
struct Skeleton
{
	int64_t Rev = 0;
	Offsets Rest{};
};

/** A person's body. State is enter, update or leave. */
struct Subject
{
	uint32_t Person = 0;
	std::string State, Body;
	float HeightM = 0;
	Offsets Rest{};
};

/** The server's figures of the last second; latency is from capture to publish. */
struct Stats
{
	float FpsIn = 0, FpsOut = 0, P50Ms = 0, P95Ms = 0;
	int64_t Dropped = 0;
};

/** Something this client or the publisher did can't be used; the connection lives. */
struct ServerError
{
	std::string Code, Message;
};

/** Answers a ping: T0 ours, T1 received and T2 sent on the server's clock, microseconds. */
struct Pong
{
	int64_t T0 = 0, T1 = 0, T2 = 0;
};

/** The server is about to close. */
struct Bye
{
	std::string Reason;
};

/** One control message; std::monostate for a type that this plugin doesn't know, to be skipped. */
using Control = std::variant<std::monostate, Hello, StreamStatus, Skeleton, Subject, Stats, ServerError, Pong, Bye>;

/** Reads one control message. False, with the reason, if it can't be read. */
bool ParseControl(const std::string& Text, Control& Into, std::string& Problem);

} // namespace genmo
