#pragma once

#include "Core/GenmoPose.h"
#include "ILiveLinkSource.h"

class FGenmoConnection;
class ILiveLinkClient;

namespace genmo
{
struct PersonPose;
struct PoseFrame;
} // namespace genmo

/**
 * Live Link source: one subject per person, named STREAM_1, STREAM_2 and so on. A number is free again
 * when its person has left, so that with one performer it is always STREAM_1.
 */
class FGenmoLiveLinkSource : public ILiveLinkSource
{
public:
	explicit FGenmoLiveLinkSource(const TSharedRef<FGenmoConnection>& InConnection);
	virtual ~FGenmoLiveLinkSource() override;

	//~ ILiveLinkSource interface
	virtual void ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid) override;
	virtual bool IsSourceStillValid() const override;
	virtual bool RequestSourceShutdown() override;
	virtual FText GetSourceType() const override;
	virtual FText GetSourceMachineName() const override;
	virtual FText GetSourceStatus() const override;

private:
	void PushPoses();
	void RemoveWhoHasLeft(const genmo::PoseFrame& Frame);
	FName SubjectOf(uint32 Person);
	void PushStaticData(FName Subject) const;
	void PushFrameData(FName Subject, const genmo::PersonPose& Person, const genmo::PoseFrame& Frame) const;

	TSharedRef<FGenmoConnection> Connection;
	ILiveLinkClient* Client = nullptr;
	FGuid SourceGuid;
	FDelegateHandle PoseHandle;
	TMap<uint32, FName> Subjects;
};
