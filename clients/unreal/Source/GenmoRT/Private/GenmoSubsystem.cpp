#include "GenmoSubsystem.h"

#include "Features/IModularFeatures.h"
#include "GenmoConnection.h"
#include "GenmoLiveLinkSource.h"
#include "ILiveLinkClient.h"

namespace
{

static_assert(int(EGenmoState::Refused) == int(genmo::ClientState::Refused), "the same states in the same order");
static_assert(int(EGenmoTracking::Generated) == int(genmo::TrackState::Generated), "the same states in the same order");

ILiveLinkClient* FindLiveLink()
{
	IModularFeatures& Features = IModularFeatures::Get();
	return Features.IsModularFeatureAvailable(ILiveLinkClient::ModularFeatureName)
		? &Features.GetModularFeature<ILiveLinkClient>(ILiveLinkClient::ModularFeatureName)
		: nullptr;
}

void Fill(FGenmoPerson& To, const genmo::PersonPose& From)
{
	To.Id = From.Id;
	To.Tracking = EGenmoTracking(From.State);
	To.Confidence = From.Confidence;
	To.Pelvis = FVector(From.Pelvis.X, From.Pelvis.Y, From.Pelvis.Z);
	To.Velocity = FVector(From.Velocity.X, From.Velocity.Y, From.Velocity.Z);
	To.Contacts.SetNumUninitialized(genmo::ContactCount);
	for (int32 Index = 0; Index < genmo::ContactCount; ++Index)
	{
		To.Contacts[Index] = From.Contacts[Index];
	}
	To.Rotations.SetNumUninitialized(genmo::JointCount);
	for (int32 Joint = 0; Joint < genmo::JointCount; ++Joint)
	{
		const genmo::Quat Unit = From.Rotations[Joint].Normalized();
		To.Rotations[Joint] = FQuat(Unit.X, Unit.Y, Unit.Z, Unit.W);
	}
}

} // namespace

void UGenmoSubsystem::Connect(const FString& Url, const FString& Token)
{
	Disconnect();
	Connection = MakeShared<FGenmoConnection>(Url, Token);
	Connection->OnChange.AddUObject(this, &UGenmoSubsystem::HandleChange);
	Connection->Start();
	if (ILiveLinkClient* LiveLink = FindLiveLink())
	{
		Source = MakeShared<FGenmoLiveLinkSource>(Connection.ToSharedRef());
		LiveLink->AddSource(Source);
	}
	else
	{
		UE_LOG(LogGenmo, Warning, TEXT("Live Link isn't there: poses go to GetPersons alone"));
	}
}

void UGenmoSubsystem::Disconnect()
{
	if (!Connection.IsValid())
	{
		return;
	}
	Connection->Stop();
	ILiveLinkClient* LiveLink = FindLiveLink();
	if (LiveLink && Source.IsValid())
	{
		LiveLink->RemoveSource(Source);
	}
	Source.Reset();
	HandleChange();
	Connection.Reset();
}

EGenmoState UGenmoSubsystem::GetState() const
{
	return Connection.IsValid() ? EGenmoState(Connection->GetState()) : EGenmoState::Stopped;
}

FString UGenmoSubsystem::GetLastError() const
{
	return Connection.IsValid() ? Connection->GetLastError() : FString();
}

bool UGenmoSubsystem::GetPersons(TArray<FGenmoPerson>& Persons)
{
	genmo::PoseFrame Frame;
	const bool bThere = Connection.IsValid() && Connection->Sample(Frame);
	Persons.SetNum(int32(Frame.Persons.size()));
	for (int32 Index = 0; Index < Persons.Num(); ++Index)
	{
		Fill(Persons[Index], Frame.Persons[size_t(Index)]);
	}
	return bThere;
}

float UGenmoSubsystem::GetLatencyMs() const
{
	return Connection.IsValid() ? Connection->GetStream().LatencyMs() : 0.f;
}

void UGenmoSubsystem::Deinitialize()
{
	Disconnect();
	Super::Deinitialize();
}

void UGenmoSubsystem::HandleChange()
{
	if (GetState() != ToldState)
	{
		ToldState = GetState();
		OnStateChanged.Broadcast(ToldState);
	}
}
