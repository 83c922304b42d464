#include "Checks.h"

#include "Core/GenmoAxes.h"
#include "Core/GenmoKeeper.h"
#include "Core/GenmoMannyMap.h"
#include "Core/GenmoRetarget.h"
#include "Core/GenmoStream.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <random>
#include <set>

using namespace genmo;

namespace
{

constexpr int64_t Ms = 1000;
constexpr double DegreesToRadians = 3.14159265358979 / 180;

//~ Decoding

void CheckValues(const PersonPose& Person, const JsonValue& Values, const Offsets& Rest, double Tolerance, const std::string& What)
{
	Near(Person.Pelvis, Golden::Vector(Golden::Get(Values, "pelvis")), Tolerance, What + ": pelvis");
	Near(Person.Velocity, Golden::Vector(Golden::Get(Values, "velocity")), Tolerance, What + ": velocity");
	const auto Joints = Golden::WorldJoints(Person, Rest);
	for (size_t J = 0; J < JointCount; ++J)
	{
		const auto& Q = Golden::Get(Values, "rotations").Items.at(J).Items;
		const Quat Expected{float(Q.at(0).Number), float(Q.at(1).Number), float(Q.at(2).Number), float(Q.at(3).Number)};
		const std::string Which = std::to_string(J);
		Near(Person.Rotations[J], Expected, 1e-6, What + ": rotation " + Which);
		Near(Joints[J], Golden::Vector(Golden::Get(Values, "joints").Items.at(J)), 2 * Tolerance, What + ": joint " + Which);
	}
}

void CheckMessage(const PoseFrame& Frame, const JsonValue& Message, const std::string& Path)
{
	const auto Number = [&](const char* Name) { return int64_t(Golden::Get(Message, Name).Number); };
	Equal(Frame.Seq, Number("seq"), Path + ": seq");
	Equal(Frame.Frame, Number("frame"), Path + ": frame");
	Equal(Frame.CaptureUs, Number("t_capture_us"), Path + ": t_capture_us");
	Equal(Frame.PublishUs, Number("t_publish_us"), Path + ": t_publish_us");
	Equal(Frame.SkeletonRev, Number("skeleton_rev"), Path + ": skeleton_rev");
	int Flags = 0;
	for (const JsonValue& Flag : Golden::Get(Message, "flags").Items)
	{
		Flags |= Flag.Text == "warmup" ? 1 : Flag.Text == "generated" ? 2 : 4;
	}
	Equal(Frame.Flags, Flags, Path + ": flags");
	Near(Frame.DecodeMs, 1.2, 1e-6, Path + ": decode");
	Near(Frame.KeypointsMs, 12.5, 1e-6, Path + ": keypoints");
	Near(Frame.ModelMs, 4.3, 1e-6, Path + ": model");
	Equal(int64_t(Frame.Persons.size()), 1, Path + ": persons");
	const JsonValue& Person = Golden::Get(Message, "persons").Items.at(0);
	Equal(Frame.Persons[0].Id, int64_t(Golden::Get(Person, "person").Number), Path + ": id");
	static const char* const States[] = {"lost", "warmup", "tracked", "occluded", "generated"};
	That(Golden::Get(Person, "state").Text == States[int(Frame.Persons[0].State)], Path + ": state");
	Near(Frame.Persons[0].Confidence, Golden::Get(Person, "confidence").Number, 1e-6, Path + ": confidence");
	for (size_t I = 0; I < ContactCount; ++I)
	{
		Near(Frame.Persons[0].Contacts[I], Golden::Get(Person, "contacts").Items.at(I).Number, 1e-6, Path + ": contact");
	}
}

void Refuses(const Golden::Bytes& Message, const std::string& What)
{
	// A block of exactly this size: the address sanitizer sees the first byte read past it.
	const std::unique_ptr<uint8_t[]> Exact(new uint8_t[Message.size()]);
	std::copy(Message.begin(), Message.end(), Exact.get());
	PoseFrame Frame;
	Frame.Persons.resize(1);
	const DecodeError Error = DecodePose(Exact.get(), Message.size(), Frame);
	That(Error != DecodeError::None, What + " was accepted");
	That(std::string(Explain(Error)).size() > 5, What + ": no explanation");
	That(Frame.Persons.empty(), What + ": persons left in the frame");
}

void GoldenPosesStandAsDescribedInEverySpace(const Golden& Goldens)
{
	for (const std::string& Pose : Golden::Poses)
	{
		for (const std::string& Space : Golden::Spaces)
		{
			const std::string Path = "poses/" + Pose + "." + Space;
			const PoseFrame Frame = Goldens.Pose(Path + ".bin");
			CheckMessage(Frame, Goldens.Json(Path + ".json"), Path);
			const Offsets Rest = Goldens.Offsets(Space);
			CheckValues(Frame.Persons[0], Goldens.Values(Pose, Space), Rest, Space == "unreal" ? 1e-3 : 1e-5, Path);
			That(Goldens.CheckFacts(Pose, Space, Golden::WorldJoints(Frame.Persons[0], Rest)) >= 3, Path + ": facts");
		}
	}
}

void ConvertingOnceGivesUnrealsGoldenValues(const Golden& Goldens)
{
	for (const std::string& Pose : Golden::Poses)
	{
		PoseFrame Frame = Goldens.Pose("poses/" + Pose + ".smpl.bin");
		UnrealAxes::Convert(Frame);
		Offsets Rest = Goldens.Offsets("smpl");
		UnrealAxes::Convert(Rest);
		CheckValues(Frame.Persons[0], Goldens.Values(Pose, "unreal"), Rest, 1e-3, Pose);
		Goldens.CheckFacts(Pose, "unreal", Golden::WorldJoints(Frame.Persons[0], Rest));
	}
}

void NewerAndLargerMessagesAreAccepted(const Golden& Goldens)
{
	const JsonValue Accepted = Goldens.Json("accepted.json");
	That(Accepted.Members.size() >= 7, "fewer than seven accepted messages");
	for (const auto& Pair : Accepted.Members)
	{
		const PoseFrame Frame = Goldens.Pose("accepted/" + Pair.first);
		const auto& Wanted = Golden::Get(Pair.second, "persons").Items;
		Equal(int64_t(Frame.Persons.size()), int64_t(Wanted.size()), Pair.first + ": persons");
		for (size_t I = 0; I < Wanted.size(); ++I)
		{
			Equal(Frame.Persons[I].Id, int64_t(Wanted[I].Number), Pair.first + ": id");
			Near(Frame.Persons[I].Rotations[Joints::RightShoulder], Quat{0, 0, -0.707107f, 0.707107f}, 1e-6, Pair.first);
		}
	}
}

void LandmarksAreDecoded(const Golden& Goldens)
{
	const PersonPose Person = Goldens.Pose("accepted/landmarks.bin").Persons.at(0);
	const JsonValue Message = Goldens.Json("accepted/landmarks.json");
	That(Person.bHasLandmarks, "no landmarks");
	for (size_t I = 0; I < LandmarkCount; ++I)
	{
		const JsonValue& Rows = Golden::Get(Golden::Get(Message, "persons").Items.at(0), "landmarks");
		Near(Person.Landmarks[I], Golden::Vector(Rows.Items.at(I)), 1e-6, "landmark " + std::to_string(I));
	}
}

void MalformedMessagesAreRefusedWithoutReadingPastTheEnd(const Golden& Goldens)
{
	const auto Paths = Goldens.Files("malformed", ".bin");
	for (const std::string& Path : Paths)
	{
		Refuses(Goldens.Read(Path), Path);
	}
	Equal(int64_t(Paths.size()), int64_t(Goldens.Json("malformed.json").Members.size()), "malformed messages");
}

void EveryTruncationIsRefused(const Golden& Goldens)
{
	const Golden::Bytes Whole = Goldens.Read("accepted/three_persons.bin");
	for (size_t Size = 0; Size < Whole.size(); ++Size)
	{
		Refuses(Golden::Bytes(Whole.begin(), Whole.begin() + std::ptrdiff_t(Size)), "the first " + std::to_string(Size) + " bytes");
	}
}

//~ What a stream tells

bool Take(PoseStream& Stream, const Golden::Bytes& Message, int64_t NowUs, PoseStream::Ack& Ack)
{
	return Stream.TakeBinary(Message.data(), Message.size(), NowUs, Ack);
}

void AcksAreTheGoldenOnes(const Golden& Goldens)
{
	PoseStream Stream(0);
	PoseStream::Ack Ack;
	That(Take(Stream, Goldens.Read("poses/t_pose.smpl.bin"), 0, Ack), "the pose was refused");
	That(Golden::Bytes(Ack.begin(), Ack.end()) == Goldens.Read("client/ack.bin"), "another ack");
	That(PoseStream::Ping(1234567) == Goldens.Text("client/ping.json"), "another ping: " + PoseStream::Ping(1234567));
}

void ABadPoseIsCountedAndNotAcked(const Golden& Goldens)
{
	PoseStream Stream(0);
	PoseStream::Ack Ack;
	That(!Take(Stream, Goldens.Read("malformed/nan_pelvis.bin"), 0, Ack), "NaN was taken");
	Equal(Stream.BadMessages, 1, "bad messages");
	That(Stream.LastProblem.find("NaN") != std::string::npos, "problem: " + Stream.LastProblem);
	PoseFrame Frame;
	That(!Stream.Sample(0, Frame), "there is a pose");
}

void GoldenControlMessagesAreRead(const Golden& Goldens)
{
	const std::set<std::string> Ignored = {"type", "limits", "model", "rest"};
	const auto Paths = Goldens.Files("control", ".json");
	That(Paths.size() >= 12, "fewer than twelve control messages");
	for (const std::string& Path : Paths)
	{
		Control Message;
		std::string Problem;
		That(ParseControl(Goldens.Text(Path), Message, Problem) && Message.index() != 0, Path + ": " + Problem);
		for (const auto& Pair : Goldens.Json(Path).Members)
		{
			std::string Without = Goldens.Text(Path);
			const std::string Field = "\"" + Pair.first + "\":";
			for (size_t At = 0; (At = Without.find(Field, At)) != std::string::npos;)
			{
				Without.insert(At + Field.size() - 2, "_");
			}
			That(Ignored.count(Pair.first) || !ParseControl(Without, Message, Problem), Path + " was read without " + Pair.first);
		}
	}
}

void WhatIsNoControlMessageIsTold(const Golden&)
{
	const std::string Texts[] = {"", "nonsense", "[]", "7", "{}", "{\"type\":7}",
		"{\"type\":\"pong\",\"t0\":1.5,\"t1\":1,\"t2\":1}", "{\"type\":\"pong\",\"t0\":1e300,\"t1\":1,\"t2\":1}",
		"{\"type\":\"pong\",\"t0\":1e999999999999,\"t1\":1,\"t2\":1}", "{\"type\":\"pong\",\"t0\":NaN,\"t1\":1,\"t2\":1}",
		"{\"a\":" + std::string(100000, '['), "\"\\u12", "{\"type\":\"bye\",\"reason\":\"\\", "{\"type\":\"bye\"",
		"{\"type\":\"bye\",\"reason\":\"a\"} x"};
	Control Message;
	std::string Problem;
	for (const std::string& Text : Texts)
	{
		That(!ParseControl(Text, Message, Problem) && !Problem.empty(), "read: " + Text.substr(0, 60));
	}
	That(ParseControl("{\"type\":\"weather\",\"sun\":[true,null,\"\\u00E9\"]}", Message, Problem), "an unknown type");
	Equal(int64_t(Message.index()), 0, "an unknown type's message");
}

void OnlySmplOfGenmoV1IsBelieved(const Golden& Goldens)
{
	const std::string Hello = Goldens.Text("control/hello.json");
	const auto With = [&](const std::string& From, const std::string& To) {
		std::string Changed = Hello;
		Changed.replace(Changed.find(From), From.size(), To);
		return PoseStream(0).TakeText(Changed, 0);
	};
	That(PoseStream(0).TakeText(Hello, 0).empty(), "smpl was refused");
	That(With("smpl", "unity").find("space=unity") != std::string::npos, "unity was not refused");
	That(With("genmo.v1", "genmo.v2").find("genmo.v2") != std::string::npos, "v2 was not refused");
}

void SubjectsComeAndGoInUnrealsAxes(const Golden& Goldens)
{
	PoseStream Stream(0);
	std::string Enter = Goldens.Text("control/subject.smpl.json");
	Stream.TakeText(Enter, 0);
	Stream.TakeText(Goldens.Text("control/skeleton.smpl.json"), 0);
	const Offsets Unreal = Goldens.Offsets("unreal");
	for (size_t J = 0; J < JointCount; ++J)
	{
		Near(Stream.FindSubject(7)->Rest[J], Unreal[J], 1e-3, "subject's offset");
		Near(Stream.Bones->Rest[J], Unreal[J], 1e-3, "skeleton's offset");
	}
	const int Version = Stream.SubjectsVersion;
	Stream.TakeText(Enter.replace(Enter.find("enter"), 5, "leave"), 0);
	That(!Stream.FindSubject(7) && Stream.SubjectsVersion != Version, "the person is still there");
}

Golden::Bytes WithSeq(Golden::Bytes Message, uint8_t Seq)
{
	Message[8] = Seq;
	Message[9] = Message[10] = Message[11] = 0;
	Message[16] = uint8_t(Message[16] + Seq); // its time moves on, too
	return Message;
}

void GapsInSeqAreCountedAndReconnectsAreNone(const Golden& Goldens)
{
	const Golden::Bytes Message = Goldens.Read("poses/t_pose.smpl.bin");
	PoseStream Stream(0);
	PoseStream::Ack Ack;
	Stream.Begin();
	for (const uint8_t Seq : {5, 6, 9, 10})
	{
		Take(Stream, WithSeq(Message, Seq), 0, Ack);
	}
	Equal(Stream.Gaps, 1, "gaps");
	Equal(Stream.MissedPoses, 2, "missed poses");
	Stream.Begin();
	Take(Stream, WithSeq(Message, 1), 0, Ack);
	Take(Stream, WithSeq(Message, 2), 0, Ack);
	Equal(Stream.Gaps, 1, "gaps after the server was restarted");
	PoseFrame Frame;
	Stream.Begin();
	That(Stream.Sample(10, Frame) && Frame.Persons.size() == 1, "the last pose is gone while the server is away");
}

void TheClockTrustsTheQuickestPing(const Golden&)
{
	ClockSync Clock;
	That(!Clock.IsKnown() && Clock.RttUs() < 0, "known before anything was heard");
	Clock.AddHello(1000500, 400);
	Equal(Clock.ToServer(400), 1000500, "the server's time after hello");
	// The server is 1,000,000 us ahead; 300 us each way, 50 us inside.
	Clock.AddPong(0, 1000300, 1000350, 650);
	// A slow answer, delayed on the way back only, would be 20 ms off.
	Clock.AddPong(1000, 1001300, 1001350, 41650);
	Equal(Clock.OffsetUs(), 1000000, "offset");
	Equal(Clock.RttUs(), 600, "round trip");
	for (int I = 0; I < 100; ++I)
	{
		Clock.AddPong(0, 2000500, 2000500, 1000);
	}
	Equal(Clock.OffsetUs(), 2000000, "offset after the clock was set");
}

void TheAddressAsksForSmpl(const Golden&)
{
	const std::pair<const char*, const char*> Cases[] = {
		{"ws://h:1/v1/streams/cam/poses", "ws://h:1/v1/streams/cam/poses?space=smpl"},
		{"https://h/p?space=unity&rate=7&&ticket=t", "wss://h/p?space=smpl&rate=7&ticket=t"},
		{"http://h?space=unreal", "ws://h?space=smpl"}, {"ftp://h/", ""}, {"cam", ""}, {"", ""}, {"ws://", ""}};
	for (const auto& Case : Cases)
	{
		That(StreamAddress(Case.first) == Case.second, std::string(Case.first) + " becomes " + StreamAddress(Case.first));
	}
}

//~ Keeping a connection

using Action = ConnectionKeeper::Action;

/** Waits until the keeper wants to connect; returns how long that took. */
int64_t WaitForAttempt(ConnectionKeeper& Keeper, int64_t& Now)
{
	const int64_t From = Now;
	while (Keeper.Tick(Now) != Action::Connect)
	{
		Now += Ms;
	}
	return Now - From;
}

void ALostConnectionIsOpenedAgainAfterWaitsThatDouble(const Golden&)
{
	ConnectionKeeper Keeper(1);
	int64_t Now = 0;
	Keeper.Start(Now);
	Equal(WaitForAttempt(Keeper, Now), 0, "the first wait");
	for (int64_t Full = 250 * Ms, I = 0; I < 12; ++I, Full = std::min(8000 * Ms, Full * 2))
	{
		Keeper.OnLost(Now, "nobody there");
		const int64_t Waited = WaitForAttempt(Keeper, Now);
		That(Waited >= Full / 2 && Waited <= Full + Ms, "wait " + std::to_string(I) + ": " + std::to_string(Waited));
	}
	That(Keeper.Error() == "nobody there" && Keeper.ConnectionCount() == 0, "the reason is not told");
	Keeper.OnConnected(Now);
	Keeper.OnHello();
	That(Keeper.Error().empty() && Keeper.ConnectionCount() == 1, "a good connection is not seen");
	Keeper.OnLost(Now, "gone");
	That(WaitForAttempt(Keeper, Now) <= 250 * Ms, "a good connection doesn't shorten the wait");
	Keeper.Stop();
	That(Keeper.Tick(Now + 100000 * Ms) == Action::Nothing, "it goes on after Stop");
}

void SilenceEndsAConnectionAndPingsDoNotCountAsSpeech(const Golden&)
{
	ConnectionKeeper Keeper(1);
	Keeper.Start(0);
	Keeper.Tick(0);
	Keeper.OnConnected(0);
	Keeper.OnHello();
	int Pings = 0;
	int64_t Now = 0;
	Action Next = Action::Nothing;
	for (; Now < 20000 * Ms && Next != Action::Drop; Now += 10 * Ms)
	{
		Next = Keeper.Tick(Now);
		Pings += Next == Action::SendPing;
		if (Now == 3000 * Ms)
		{
			Keeper.OnMessage(Now);
		}
	}
	That(Now > 11000 * Ms && Now < 11100 * Ms, "dropped at " + std::to_string(Now));
	That(Pings >= 8 && Pings <= 10, std::to_string(Pings) + " pings");
}

void ARefusalIsForGood(const Golden&)
{
	ConnectionKeeper Keeper(1);
	Keeper.Start(0);
	Keeper.Tick(0);
	Keeper.OnRefused("another protocol");
	Keeper.OnLost(0, "closed");
	That(Keeper.State() == ClientState::Refused && Keeper.Error() == "another protocol", "state");
	That(Keeper.Tick(1000000 * Ms) == Action::Nothing, "it tries again");
}

//~ Evening out

Quat Turn(double Degrees)
{
	return {0, float(std::sin(Degrees * DegreesToRadians / 2)), 0, float(std::cos(Degrees * DegreesToRadians / 2))};
}

PersonPose& Add(PoseFrame& Frame, uint32_t Id, float X)
{
	PersonPose& Person = Frame.Persons.emplace_back();
	Person.Id = Id;
	Person.Pelvis = {X, 1, 0};
	return Person;
}

PoseFrame FrameAt(int64_t CaptureUs, float X, double Degrees, float Velocity = 10)
{
	PoseFrame Frame;
	Frame.CaptureUs = CaptureUs;
	PersonPose& Person = Add(Frame, 1, X);
	Person.Velocity = {Velocity, 0, 0};
	Person.Rotations[0] = Turn(Degrees);
	Person.Contacts[0] = Degrees > 0 ? 1.f : 0.f;
	return Frame;
}

void BetweenTwoFramesPosesAreBlended(const Golden&)
{
	JitterBuffer Buffer;
	Buffer.MaxDelayUs = 100 * Ms;
	Buffer.Push(FrameAt(0, 0, 0), 100 * Ms);
	Buffer.Push(FrameAt(40 * Ms, 0.4f, 90), 140 * Ms);
	PoseFrame Frame;
	That(Buffer.Sample(120 * Ms, Frame), "no pose"); // plays 100 ms behind
	Near(Frame.Persons[0].Pelvis.X, 0.2, 1e-5, "pelvis halfway");
	Near(Frame.Persons[0].Rotations[0], Turn(45), 1e-6, "rotation halfway");
	Near(Frame.Persons[0].Contacts[0], 0.5, 1e-6, "contact halfway");
	Equal(Frame.CaptureUs, 20 * Ms, "capture time");
}

void SlerpKeepsItsSpeedAndTakesTheShortWay(const Golden&)
{
	for (int I = 0; I <= 10; ++I)
	{
		Near(Quat::Slerp(Turn(0), Turn(170), float(I) / 10), Turn(17 * I), 1e-6, "at " + std::to_string(I));
	}
	const Quat Q = Turn(30);
	Near(Quat::Slerp(Turn(10), Quat{-Q.X, -Q.Y, -Q.Z, -Q.W}, 0.5f), Turn(20), 1e-6, "towards -q");
}

void AfterTheNewestThePelvisGoesOnForAtMost100Ms(const Golden&)
{
	JitterBuffer Buffer;
	Buffer.MaxDelayUs = 0;
	Buffer.Push(FrameAt(0, 0, 10), 0);
	PoseFrame Frame;
	Buffer.Sample(60 * Ms, Frame);
	Near(Frame.Persons[0].Pelvis.X, 0.6, 1e-5, "pelvis after 60 ms at 10 per second");
	Near(Frame.Persons[0].Rotations[0], Turn(10), 1e-6, "rotation");
	Buffer.Sample(5000 * Ms, Frame);
	Near(Frame.Persons[0].Pelvis.X, 1.0, 1e-5, "pelvis after 5 s");
}

void LateFramesAndImpossibleTimesAreLeftOut(const Golden&)
{
	JitterBuffer Buffer;
	Buffer.MaxDelayUs = 0;
	Buffer.Push(FrameAt(5000 * Ms, 1, 0), 5000 * Ms);
	Buffer.Push(FrameAt(4970 * Ms, 2, 0), 5010 * Ms);
	Buffer.Push(FrameAt(INT64_MIN, 3, 0), 5010 * Ms);
	Buffer.Push(FrameAt(INT64_MAX, 4, 0), 5010 * Ms);
	Equal(Buffer.LateFrames(), 3, "late frames");
	PoseFrame Frame;
	Buffer.Sample(5000 * Ms, Frame);
	Near(Frame.Persons[0].Pelvis.X, 1, 1e-6, "pelvis");
	Buffer.Push(FrameAt(10 * Ms, 5, 0), 10 * Ms); // the server's clock went back
	Buffer.Sample(10 * Ms, Frame);
	Near(Frame.Persons[0].Pelvis.X, 5, 1e-6, "pelvis of the new clock");
}

void UnevenArrivalIsPlayedEvenly(const Golden&)
{
	// 30 frames a second that walk at 1 per second arrive 20 to 60 ms late; the screen has 60 a second.
	std::mt19937 Random(7);
	JitterBuffer Buffer;
	PoseFrame Frame;
	float Last = 0;
	int64_t Number = 0, Arrives = 20 * Ms;
	for (int64_t Now = 0; Now < 20000 * Ms; Now += 16667)
	{
		for (; Arrives <= Now; ++Number)
		{
			const int64_t Capture = Number * 33333;
			Buffer.Push(FrameAt(Capture, float(Capture) / 1e6f, 0, 1), Arrives);
			Arrives = std::max(Arrives, (Number + 1) * 33333 + 20 * Ms + int64_t(Random() % 40) * Ms);
		}
		if (Buffer.Sample(Now, Frame))
		{
			const float X = Frame.Persons[0].Pelvis.X;
			That(Now < 5000 * Ms || std::fabs(X - Last - 0.016667f) < 0.004f, "a step of " + std::to_string(X - Last));
			Last = X;
		}
	}
	That(Buffer.DelayUs() > 50 * Ms && Buffer.DelayUs() <= 100 * Ms, "delay " + std::to_string(Buffer.DelayUs()));
	That(Buffer.MedianAgeUs() > 25 * Ms && Buffer.MedianAgeUs() < 55 * Ms, "age " + std::to_string(Buffer.MedianAgeUs()));
}

void PersonsAreMatchedById(const Golden&)
{
	JitterBuffer Buffer;
	Buffer.MaxDelayUs = 50 * Ms;
	PoseFrame A = FrameAt(0, 0, 0), B, Frame;
	Add(A, 9, 10);
	B.CaptureUs = 40 * Ms;
	Add(B, 9, 12);
	Add(B, 11, 5);
	Buffer.Push(A, 50 * Ms);
	Buffer.Push(B, 90 * Ms);
	Buffer.Sample(70 * Ms, Frame);
	Equal(int64_t(Frame.Persons.size()), 2, "persons");
	That(Frame.Find(1) && !Frame.Find(11), "who goes stays until the next frame, who comes isn't there before it");
	Near(Frame.Find(9)->Pelvis.X, 11, 1e-5, "who is in both is blended");
}

//~ Retargeting

/** A mannequin with one bone per row of the map, whose bones have axes of their own. */
class Mannequin
{
public:
	/** Rest: offsets between the joints at rest, in the mannequin's frame. */
	Mannequin(const Offsets& Rest, uint32_t Seed, const Quat& Facing) : Target(Build(Rest, Seed), Facing) {}

	std::vector<Vec3> Pose(const PersonPose& Person, const Offsets& Body, bool bRootMotion)
	{
		std::vector<Quat> Rotations;
		std::vector<Vec3> Places(JointCount);
		Vec3 Hips;
		Target.Fit(Body);
		Target.Apply(Person.Rotations, Person.Pelvis, bRootMotion, Rotations, Hips);
		for (size_t B = 0; B < Bones.size(); ++B)
		{
			const size_t J = size_t(Bones[B].Joint);
			const int Parent = JointParents[J];
			if (Bones[B].Share >= 1)
			{
				Places[J] = Parent < 0 ? Hips : Places[size_t(Parent)] + Spins[size_t(Parent)].Rotate(Local[J]);
				Spins[J] = Rotations[B];
			}
		}
		return Places;
	}

	float Scale() const { return Target.Scale(); }

private:
	std::vector<RestBone> Build(const Offsets& Rest, uint32_t Seed)
	{
		std::mt19937 Random(Seed);
		std::uniform_real_distribution<float> Odd(-0.5f, 0.5f);
		Offsets Places;
		std::array<Quat, JointCount> Axes;
		// Its soles are one centimetre below the foot joint, on the ground.
		Places[0] = {0, 0, 1 - Rest[1].Z - Rest[4].Z - Rest[7].Z - Rest[10].Z};
		for (const MannyRow& Row : MannyMap)
		{
			const size_t J = size_t(Row.Joint);
			if (Row.Share >= 1 && Seed != 0)
			{
				Axes[J] = Quat{Odd(Random), Odd(Random), Odd(Random), Odd(Random)}.Normalized();
			}
			if (J > 0)
			{
				const size_t Parent = size_t(JointParents[J]);
				Places[J] = Places[Parent] + Rest[J];
				Local[J] = Axes[Parent].Inverse().Rotate(Rest[J]);
			}
			int End = -1, Index = 0;
			for (const MannyRow& Other : MannyMap)
			{
				End = Row.LimbEnd && std::string(Other.Bone) == Row.LimbEnd ? Index : End;
				++Index;
			}
			Bones.push_back({Row.Joint, Row.Share, Places[J], Axes[J], End});
		}
		return Bones;
	}

	std::vector<RestBone> Bones;
	Offsets Local{}; // from the parent bone, in its axes
	std::array<Quat, JointCount> Spins;
	Retargeter Target;
};

PersonPose Person(const Golden& Goldens, const std::string& Pose)
{
	PoseFrame Frame = Goldens.Pose("poses/" + Pose + ".smpl.bin");
	UnrealAxes::Convert(Frame);
	return Frame.Persons.at(0);
}

/** Manny faces +Y: a quarter turn about z from where people face. */
const Quat MannyFacing{0, 0, 0.70710678f, 0.70710678f};

Offsets Turned(Offsets Rest, const Quat& By)
{
	for (Vec3& Offset : Rest)
	{
		Offset = By.Rotate(Offset);
	}
	return Rest;
}

void MannequinWithOddBoneAxesStandsLikeThePerson(const Golden& Goldens)
{
	const Offsets Body = Goldens.Offsets("unreal");
	Mannequin Manny(Turned(Body, MannyFacing), 3, MannyFacing);
	for (const std::string& Pose : Golden::Poses)
	{
		const PersonPose Actor = Person(Goldens, Pose);
		const auto Joints = Manny.Pose(Actor, Body, true);
		const auto Expected = Golden::WorldJoints(Actor, Body);
		for (size_t J = 0; J <= Joints::RightWrist; ++J)
		{
			Near(Joints[J], MannyFacing.Rotate(Expected[J]), 1e-2, Pose + ": joint " + std::to_string(J));
		}
	}
}

/** Turned about x, the way a person faces in Unreal's space. */
Vec3 AboutX(const Vec3& V, double Degrees)
{
	const float C = float(std::cos(Degrees * DegreesToRadians)), S = float(std::sin(Degrees * DegreesToRadians));
	return {V.X, C * V.Y - S * V.Z, S * V.Y + C * V.Z};
}

void MannequinInAPoseAtRestStillPointsItsArmsRight(const Golden& Goldens)
{
	const Offsets Body = Goldens.Offsets("unreal");
	Offsets Rest = Body;
	for (const auto& [Joint, Degrees] : {std::pair<size_t, double>{Joints::LeftElbow, 50}, {Joints::LeftWrist, 40},
			 {Joints::RightElbow, -50}, {Joints::RightWrist, -40}, {Joints::LeftKnee, -8}, {Joints::LeftAnkle, -8}})
	{
		Rest[Joint] = AboutX(Body[Joint], Degrees);
	}
	That(Rest[Joints::LeftElbow].Z < -15 && Rest[Joints::RightElbow].Z < -15, "the arms don't hang at rest");
	Mannequin Manny(Turned(Rest, MannyFacing), 5, MannyFacing);
	for (const std::string& Pose : Golden::Poses)
	{
		const PersonPose Actor = Person(Goldens, Pose);
		const auto Joints = Manny.Pose(Actor, Body, true);
		const auto Expected = Golden::WorldJoints(Actor, Body);
		for (const size_t J : {4, 5, 7, 8, 18, 19, 20, 21})
		{
			const size_t Parent = size_t(JointParents[J]);
			Near(Joints[J] - Joints[Parent], MannyFacing.Rotate(Expected[J] - Expected[Parent]), 1e-2, Pose + ": limb to " + std::to_string(J));
		}
	}
}

void HipsAreScaledByTheLegsAndStayInPlaceIfWanted(const Golden& Goldens)
{
	const Offsets Body = Goldens.Offsets("unreal");
	Offsets Giant = Turned(Body, MannyFacing);
	for (Vec3& Offset : Giant)
	{
		Offset = Offset * 2;
	}
	Mannequin Manny(Giant, 0, MannyFacing);
	const PersonPose Actor = Person(Goldens, "step_forward");
	const auto Expected = Golden::WorldJoints(Actor, Body);
	const Vec3 Twice = MannyFacing.Rotate(Expected[Joints::LeftHip] + Expected[Joints::RightHip]);
	const auto Moving = Manny.Pose(Actor, Body, true);
	Near(Manny.Scale(), 2, 1e-5, "scale");
	const Vec3 Middle = (Moving[Joints::LeftHip] + Moving[Joints::RightHip]) * 0.5f;
	Near(Middle, Twice, 1.1, "hips"); // soles, not ankles, stand on the same ground
	const auto Staying = Manny.Pose(Actor, Body, false);
	const Vec3 Kept = (Staying[Joints::LeftHip] + Staying[Joints::RightHip]) * 0.5f;
	Near(Kept, Vec3{0, 0, Middle.Z}, 1e-2, "hips without root motion");
}

void TheMannyMapHasEveryJointThatHasABone(const Golden& Goldens)
{
	std::set<int> Seen;
	const auto& Places = Golden::Get(Goldens.Values("t_pose", "smpl"), "joints").Items;
	for (const MannyRow& Row : MannyMap)
	{
		const std::string Bone = Row.Bone;
		That(Row.Joint == 0 || Seen.count(JointParents[Row.Joint]), Bone + " comes before its parent");
		Seen.insert(Row.Joint);
		const bool bLeft = Bone.size() > 2 && Bone.substr(Bone.size() - 2) == "_l";
		const bool bRight = Bone.size() > 2 && Bone.substr(Bone.size() - 2) == "_r";
		const double X = Golden::Vector(Places.at(size_t(Row.Joint))).X;
		That(bLeft ? X > 0 : bRight ? X < 0 : std::fabs(X) < 1e-6, Bone + " is on the other side");
	}
	Equal(int64_t(Seen.size()), 22, "joints (the hands' own bones stay)");
	const Retargeter Legless({RestBone()}, Quat());
	That(!Legless.IsComplete(), "a skeleton without legs passes for complete");
}

struct NamedCheck
{
	const char* Name;
	void (*Run)(const Golden&);
};

#define CHECK(Name) {#Name, Name}
const NamedCheck AllChecks[] = {
	CHECK(GoldenPosesStandAsDescribedInEverySpace),
	CHECK(ConvertingOnceGivesUnrealsGoldenValues),
	CHECK(NewerAndLargerMessagesAreAccepted),
	CHECK(LandmarksAreDecoded),
	CHECK(MalformedMessagesAreRefusedWithoutReadingPastTheEnd),
	CHECK(EveryTruncationIsRefused),
	CHECK(AcksAreTheGoldenOnes),
	CHECK(ABadPoseIsCountedAndNotAcked),
	CHECK(GoldenControlMessagesAreRead),
	CHECK(WhatIsNoControlMessageIsTold),
	CHECK(OnlySmplOfGenmoV1IsBelieved),
	CHECK(SubjectsComeAndGoInUnrealsAxes),
	CHECK(GapsInSeqAreCountedAndReconnectsAreNone),
	CHECK(TheClockTrustsTheQuickestPing),
	CHECK(TheAddressAsksForSmpl),
	CHECK(ALostConnectionIsOpenedAgainAfterWaitsThatDouble),
	CHECK(SilenceEndsAConnectionAndPingsDoNotCountAsSpeech),
	CHECK(ARefusalIsForGood),
	CHECK(BetweenTwoFramesPosesAreBlended),
	CHECK(SlerpKeepsItsSpeedAndTakesTheShortWay),
	CHECK(AfterTheNewestThePelvisGoesOnForAtMost100Ms),
	CHECK(LateFramesAndImpossibleTimesAreLeftOut),
	CHECK(UnevenArrivalIsPlayedEvenly),
	CHECK(PersonsAreMatchedById),
	CHECK(MannequinWithOddBoneAxesStandsLikeThePerson),
	CHECK(MannequinInAPoseAtRestStillPointsItsArmsRight),
	CHECK(HipsAreScaledByTheLegsAndStayInPlaceIfWanted),
	CHECK(TheMannyMapHasEveryJointThatHasABone),
};

} // namespace

int RunChecks(const Golden& Goldens)
{
	int Failed = 0;
	for (const NamedCheck& Check : AllChecks)
	{
		try
		{
			Check.Run(Goldens);
			std::cout << "ok " << Check.Name << std::endl;
		}
		catch (const std::exception& Error)
		{
			++Failed;
			std::cout << "FAIL " << Check.Name << ": " << Error.what() << std::endl;
		}
	}
	return Failed == 0 ? 0 : 1;
}
