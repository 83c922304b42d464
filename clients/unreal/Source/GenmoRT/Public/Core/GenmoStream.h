#pragma once

#include "GenmoClock.h"
#include "GenmoControl.h"
#include "GenmoJitterBuffer.h"

#include <map>
#include <optional>

namespace genmo
{

/**
 * What a stream has told: poses, who is there, figures. Does no I/O: a connection feeds it, on one
 * thread. Everything is in Unreal's axes and centimetres.
 */
class PoseStream
{
public:
	static constexpr const char* Protocol = "genmo.v1";
	static constexpr const char* Subprotocol = "genmo.v1.bin";
	using Ack = std::array<uint8_t, 5>;

	explicit PoseStream(int64_t MaxDelayUs) { Buffer.MaxDelayUs = MaxDelayUs; }

	//~ For the application

	/** Fills the frame with the poses to show now; false before the first one. */
	bool Sample(int64_t LocalUs, PoseFrame& Into) { return Buffer.Sample(Clock.ToServer(LocalUs), Into); }

	/** The newest pose as it came. */
	const PoseFrame& Newest() const { return Arrived; }

	/** A person's body, or null if that person isn't there. */
	const Subject* FindSubject(uint32_t Person) const;

	/** The stream's clock, and what came last with each message type. */
	ClockSync Clock;
	std::optional<Hello> LastHello;
	std::optional<StreamStatus> Status;
	std::optional<Skeleton> Bones;
	std::optional<Stats> Figures;
	std::map<uint32_t, Subject> Subjects;

	/** Changes whenever somebody enters, leaves or is measured anew. */
	int SubjectsVersion = 0;

	/** What the server or the decoder complained about last. */
	std::string LastProblem;

	/** Poses that arrived and were good; poses that the stream had and this client didn't get. */
	int64_t Poses = 0, Gaps = 0, MissedPoses = 0;

	/** Messages that could not be read. */
	int64_t BadMessages = 0;

	/** Median time from capture to arrival here; wrong by up to half a round trip. */
	float LatencyMs() const { return float(Buffer.MedianAgeUs()) / 1000.f; }

	/** How far behind the server's clock Sample shows poses, for smoothness. */
	float DelayMs() const { return float(Buffer.DelayUs()) / 1000.f; }

	//~ For the connection

	/** A new connection begins; the last pose stays until the first new one. */
	void Begin();

	/** Takes a binary message that arrived now. True if it was a good pose: answer Out at once. */
	bool TakeBinary(const uint8_t* Data, size_t Size, int64_t LocalUs, Ack& Out);

	/** Takes a text message. Empty, or why this server can't be used. */
	std::string TakeText(const std::string& Text, int64_t LocalUs);

	/** What to send as a ping now. */
	static std::string Ping(int64_t LocalUs);

private:
	void CountGap(uint32_t Seq);
	void Take(const Subject& Message);

	JitterBuffer Buffer;
	PoseFrame Arriving, Arrived;
	bool bFirstPose = true;
	uint32_t LastSeq = 0;
};

/**
 * The address to open: `Url` as a websocket (http and https do as well), asking for space=smpl. Empty
 * if it is no such address.
 */
std::string StreamAddress(const std::string& Url);

} // namespace genmo
