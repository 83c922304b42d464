#include "Core/GenmoStream.h"

#include "Core/GenmoAxes.h"
#include "Core/GenmoDecoder.h"

#include <algorithm>
#include <utility>

namespace genmo
{
namespace
{

constexpr uint8_t AckByte = 0x10;

std::string Refusal(const Hello& Message)
{
	if (Message.Proto != PoseStream::Protocol)
	{
		return "the server speaks " + Message.Proto + "; this plugin speaks " + PoseStream::Protocol;
	}
	if (Message.Space != "smpl")
	{
		return "the server sends space=" + Message.Space + "; smpl was asked for";
	}
	return {};
}

} // namespace

const Subject* PoseStream::FindSubject(uint32_t Person) const
{
	const auto Found = Subjects.find(Person);
	return Found == Subjects.end() ? nullptr : &Found->second;
}

void PoseStream::Begin()
{
	Clock.Reset();
	LastHello.reset();
	Subjects.clear();
	++SubjectsVersion;
	bFirstPose = true;
}

bool PoseStream::TakeBinary(const uint8_t* Data, size_t Size, int64_t LocalUs, Ack& Out)
{
	const DecodeError Error = DecodePose(Data, Size, Arriving);
	if (Error != DecodeError::None)
	{
		++BadMessages;
		LastProblem = Explain(Error);
		return false;
	}
	UnrealAxes::Convert(Arriving);
	CountGap(Arriving.Seq);
	if (bFirstPose)
	{
		Buffer.Clear(); // the ids and ages before belong to another connection
	}
	bFirstPose = false;
	Buffer.Push(Arriving, Clock.ToServer(LocalUs));
	std::swap(Arriving, Arrived);
	++Poses;
	const uint32_t Seq = Arrived.Seq;
	Out = {AckByte, uint8_t(Seq), uint8_t(Seq >> 8), uint8_t(Seq >> 16), uint8_t(Seq >> 24)};
	return true;
}

std::string PoseStream::TakeText(const std::string& Text, int64_t LocalUs)
{
	Control Message;
	std::string Problem;
	if (!ParseControl(Text, Message, Problem))
	{
		++BadMessages;
		LastProblem = "a control message can't be read: " + Problem;
		return {};
	}
	if (const Hello* Read = std::get_if<Hello>(&Message))
	{
		LastHello = *Read;
		Clock.AddHello(Read->ClockUs, LocalUs);
		return Refusal(*Read);
	}
	if (const Pong* Read = std::get_if<Pong>(&Message))
	{
		Clock.AddPong(Read->T0, Read->T1, Read->T2, LocalUs);
	}
	else if (const StreamStatus* State = std::get_if<StreamStatus>(&Message))
	{
		Status = *State;
	}
	else if (const Stats* Numbers = std::get_if<Stats>(&Message))
	{
		Figures = *Numbers;
	}
	else if (const ServerError* Complaint = std::get_if<ServerError>(&Message))
	{
		LastProblem = Complaint->Message;
	}
	else if (const Bye* Parting = std::get_if<Bye>(&Message))
	{
		LastProblem = "the server says bye: " + Parting->Reason;
	}
	else if (Skeleton* Joints = std::get_if<Skeleton>(&Message))
	{
		UnrealAxes::Convert(Joints->Rest);
		Bones = *Joints;
	}
	else if (Subject* Person = std::get_if<Subject>(&Message))
	{
		UnrealAxes::Convert(Person->Rest);
		Take(*Person);
	}
	return {};
}

std::string PoseStream::Ping(int64_t LocalUs)
{
	return "{\"type\":\"ping\",\"t0\":" + std::to_string(LocalUs) + "}";
}

void PoseStream::Take(const Subject& Message)
{
	if (Message.State == "leave")
	{
		Subjects.erase(Message.Person);
	}
	else
	{
		Subjects[Message.Person] = Message;
	}
	++SubjectsVersion;
}

void PoseStream::CountGap(uint32_t Seq)
{
	const int64_t Missing = int64_t(int32_t(Seq - LastSeq)) - 1; // as a difference of numbers that wrap
	if (!bFirstPose && Missing > 0)
	{
		++Gaps;
		MissedPoses += Missing;
	}
	LastSeq = Seq;
}

std::string StreamAddress(const std::string& Url)
{
	const size_t Colon = Url.find("://");
	const std::string Scheme = Url.substr(0, Colon);
	const bool bPlain = Scheme == "ws" || Scheme == "http", bSecure = Scheme == "wss" || Scheme == "https";
	if (Colon == std::string::npos || !(bPlain || bSecure) || Url.size() == Colon + 3)
	{
		return {};
	}
	const size_t Question = Url.find('?');
	std::string Address = (bPlain ? "ws" : "wss") + Url.substr(Colon, Question - Colon) + "?space=smpl";
	for (size_t At = Question; At < Url.size();)
	{
		const size_t Next = std::min(Url.find('&', At + 1), Url.size());
		const std::string Pair = Url.substr(At + 1, Next - At - 1);
		if (!Pair.empty() && Pair.compare(0, 6, "space=") != 0)
		{
			Address += "&" + Pair;
		}
		At = Next;
	}
	return Address;
}

} // namespace genmo
