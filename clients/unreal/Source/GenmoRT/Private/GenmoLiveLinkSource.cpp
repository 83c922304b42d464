#include "GenmoLiveLinkSource.h"

#include "GenmoConnection.h"
#include "ILiveLinkClient.h"
#include "LiveLinkTypes.h"
#include "Misc/QualifiedFrameTime.h"
#include "Roles/LiveLinkAnimationRole.h"
#include "Roles/LiveLinkAnimationTypes.h"

#define LOCTEXT_NAMESPACE "GenmoRT"

namespace
{

/** Beside the bones: what touches something, and how sure all of it is. */
const TCHAR* const PropertyNames[] = {TEXT("contact_left_ankle"), TEXT("contact_left_foot"), TEXT("contact_right_ankle"),
	TEXT("contact_right_foot"), TEXT("contact_left_wrist"), TEXT("contact_right_wrist"), TEXT("confidence")};

const TCHAR* const StateNames[] = {TEXT("lost"), TEXT("warmup"), TEXT("tracked"), TEXT("occluded"), TEXT("generated")};

const FFrameRate SceneRate(30, 1);

FVector ToVector(const genmo::Vec3& V)
{
	return FVector(V.X, V.Y, V.Z);
}

FQuat ToQuat(const genmo::Quat& Q)
{
	const genmo::Quat Unit = Q.Normalized();
	return FQuat(Unit.X, Unit.Y, Unit.Z, Unit.W);
}

/** Time of day of the capture, as a timecode of 30 frames a second. */
FQualifiedFrameTime SceneTime(int64 CaptureUs)
{
	constexpr int64 UsPerDay = 86400LL * 1000000;
	return FQualifiedFrameTime(SceneRate.AsFrameTime(double(CaptureUs % UsPerDay) / 1e6), SceneRate);
}

} // namespace

FGenmoLiveLinkSource::FGenmoLiveLinkSource(const TSharedRef<FGenmoConnection>& InConnection) : Connection(InConnection) {}

FGenmoLiveLinkSource::~FGenmoLiveLinkSource()
{
	Connection->OnPose.Remove(PoseHandle);
}

void FGenmoLiveLinkSource::ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid)
{
	Client = InClient;
	SourceGuid = InSourceGuid;
	PoseHandle = Connection->OnPose.AddRaw(this, &FGenmoLiveLinkSource::PushPoses);
	Connection->Start();
}

bool FGenmoLiveLinkSource::IsSourceStillValid() const
{
	const genmo::ClientState State = Connection->GetState();
	return Client && State != genmo::ClientState::Refused && State != genmo::ClientState::Stopped;
}

bool FGenmoLiveLinkSource::RequestSourceShutdown()
{
	Connection->OnPose.Remove(PoseHandle);
	Connection->Stop();
	Client = nullptr;
	return true;
}

FText FGenmoLiveLinkSource::GetSourceType() const
{
	return LOCTEXT("SourceType", "Genmo RT");
}

FText FGenmoLiveLinkSource::GetSourceMachineName() const
{
	return FText::FromString(Connection->GetUrl());
}

FText FGenmoLiveLinkSource::GetSourceStatus() const
{
	const genmo::PoseStream& Stream = Connection->GetStream();
	switch (Connection->GetState())
	{
	case genmo::ClientState::Open:
	{
		const FString State = Stream.Status ? UTF8_TO_TCHAR(Stream.Status->State.c_str()) : TEXT("open");
		return FText::FromString(FString::Printf(TEXT("%s, %.0f ms from capture to here"), *State, Stream.LatencyMs()));
	}
	case genmo::ClientState::Connecting: return LOCTEXT("Connecting", "Connecting");
	case genmo::ClientState::Retrying: return FText::FromString(TEXT("Retrying: ") + Connection->GetLastError());
	case genmo::ClientState::Refused: return FText::FromString(TEXT("Refused: ") + Connection->GetLastError());
	default: return LOCTEXT("Stopped", "Stopped");
	}
}

void FGenmoLiveLinkSource::PushPoses()
{
	if (!Client)
	{
		return;
	}
	const genmo::PoseFrame& Frame = Connection->GetStream().Newest();
	RemoveWhoHasLeft(Frame);
	for (const genmo::PersonPose& Person : Frame.Persons)
	{
		PushFrameData(SubjectOf(Person.Id), Person, Frame);
	}
}

void FGenmoLiveLinkSource::RemoveWhoHasLeft(const genmo::PoseFrame& Frame)
{
	for (auto Entry = Subjects.CreateIterator(); Entry; ++Entry)
	{
		if (!Frame.Find(Entry->Key))
		{
			Client->RemoveSubject_AnyThread(FLiveLinkSubjectKey(SourceGuid, Entry->Value));
			Entry.RemoveCurrent();
		}
	}
}

FName FGenmoLiveLinkSource::SubjectOf(uint32 Person)
{
	if (const FName* Known = Subjects.Find(Person))
	{
		return *Known;
	}
	const genmo::PoseStream& Stream = Connection->GetStream();
	const FString Name = Stream.LastHello ? UTF8_TO_TCHAR(Stream.LastHello->Stream.c_str()) : TEXT("genmo");
	FName Subject;
	TArray<FName> Taken;
	Subjects.GenerateValueArray(Taken);
	for (int32 Number = 1; Subject.IsNone() || Taken.Contains(Subject); ++Number)
	{
		Subject = FName(*FString::Printf(TEXT("%s_%d"), *Name, Number));
	}
	Subjects.Add(Person, Subject);
	PushStaticData(Subject);
	return Subject;
}

void FGenmoLiveLinkSource::PushStaticData(FName Subject) const
{
	FLiveLinkStaticDataStruct StaticData(FLiveLinkSkeletonStaticData::StaticStruct());
	FLiveLinkSkeletonStaticData& Skeleton = *StaticData.Cast<FLiveLinkSkeletonStaticData>();
	TArray<FName> Names;
	TArray<int32> Parents;
	for (int32 Joint = 0; Joint < genmo::JointCount; ++Joint)
	{
		Names.Add(FName(genmo::JointNames[Joint]));
		Parents.Add(genmo::JointParents[Joint]);
	}
	Skeleton.SetBoneNames(Names);
	Skeleton.SetBoneParents(Parents);
	for (const TCHAR* Name : PropertyNames)
	{
		Skeleton.PropertyNames.Add(FName(Name));
	}
	Client->PushSubjectStaticData_AnyThread(
		FLiveLinkSubjectKey(SourceGuid, Subject), ULiveLinkAnimationRole::StaticClass(), MoveTemp(StaticData));
}

void FGenmoLiveLinkSource::PushFrameData(FName Subject, const genmo::PersonPose& Person, const genmo::PoseFrame& Frame) const
{
	const genmo::PoseStream& Stream = Connection->GetStream();
	const genmo::Subject* Body = Stream.FindSubject(Person.Id);
	const genmo::Offsets* Rest = Body ? &Body->Rest : Stream.Bones ? &Stream.Bones->Rest : nullptr;

	FLiveLinkFrameDataStruct FrameData(FLiveLinkAnimationFrameData::StaticStruct());
	FLiveLinkAnimationFrameData& Animation = *FrameData.Cast<FLiveLinkAnimationFrameData>();
	Animation.Transforms.Reserve(genmo::JointCount);
	for (int32 Joint = 0; Joint < genmo::JointCount; ++Joint)
	{
		const FVector Place = Joint == 0 ? ToVector(Person.Pelvis) : Rest ? ToVector((*Rest)[Joint]) : FVector::ZeroVector;
		Animation.Transforms.Emplace(ToQuat(Person.Rotations[Joint]), Place);
	}
	for (const float Contact : Person.Contacts)
	{
		Animation.PropertyValues.Add(Contact);
	}
	Animation.PropertyValues.Add(Person.Confidence);

	// When the camera saw it, on this machine's clock: Live Link can line it up with other sources.
	const double Captured = Connection->CaptureSeconds(Frame.CaptureUs);
	Animation.WorldTime = FLiveLinkWorldTime(Captured, 0.0);
	Animation.MetaData.SceneTime = SceneTime(Frame.CaptureUs);
	TMap<FName, FString>& Notes = Animation.MetaData.StringMetaData;
	Notes.Add(TEXT("person"), LexToString(Person.Id));
	Notes.Add(TEXT("state"), StateNames[int32(Person.State)]);
	Notes.Add(TEXT("seq"), LexToString(Frame.Seq));
	Notes.Add(TEXT("t_capture_us"), LexToString(Frame.CaptureUs));
	Notes.Add(TEXT("t_publish_us"), LexToString(Frame.PublishUs));
	Notes.Add(TEXT("latency_ms"), FString::Printf(TEXT("%.1f"), (FPlatformTime::Seconds() - Captured) * 1e3));
	Client->PushSubjectFrameData_AnyThread(FLiveLinkSubjectKey(SourceGuid, Subject), MoveTemp(FrameData));
}

#undef LOCTEXT_NAMESPACE
