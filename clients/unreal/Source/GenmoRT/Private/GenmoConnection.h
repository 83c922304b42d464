#pragma once

#include "Containers/Ticker.h"
#include "Core/GenmoKeeper.h"
#include "Core/GenmoStream.h"
#include "CoreMinimal.h"

class IWebSocket;

DECLARE_LOG_CATEGORY_EXTERN(LogGenmo, Log, All);

/**
 * Keeps one stream connected: the core on Unreal's websockets. Lives on the game thread, as Unreal's
 * websockets do; a game thread that stands still for five seconds is disconnected by the server, and
 * connects again.
 */
class FGenmoConnection : public TSharedFromThis<FGenmoConnection>
{
public:
	FGenmoConnection(const FString& Url, const FString& Token);
	~FGenmoConnection();

	/** Starts connecting; does nothing if it has. */
	void Start();

	/** Disconnects for good. */
	void Stop();

	/** After each pose that arrived; the stream holds it as Newest. */
	FSimpleMulticastDelegate OnPose;

	/** After the connection, or who is there, has changed. */
	FSimpleMulticastDelegate OnChange;

	const FString& GetUrl() const { return Url; }
	genmo::ClientState GetState() const { return Keeper.State(); }
	FString GetLastError() const;
	const genmo::PoseStream& GetStream() const { return Stream; }

	/** Fills the frame with the poses to show now; false before the first one. */
	bool Sample(genmo::PoseFrame& Into) { return Stream.Sample(NowUs(), Into); }

	/** Seconds on FPlatformTime's clock at which a frame was captured. */
	double CaptureSeconds(int64 CaptureUs) const;

	static int64 NowUs();

private:
	bool Tick(float DeltaSeconds);
	void Connect();
	void CloseSocket();
	void HandleConnected();
	void HandleText(const FString& Text);
	void HandleBinary(const void* Data, SIZE_T Size, bool bIsLastFragment);
	void HandleClosed(int32 Code, const FString& Reason, bool bWasClean);
	void HandleError(const FString& Error);

	FString Url;
	FString Token;
	genmo::PoseStream Stream;
	genmo::ConnectionKeeper Keeper;
	TSharedPtr<IWebSocket> Socket;
	TArray<uint8> Fragments;
	FTSTicker::FDelegateHandle TickHandle;
	genmo::ClientState ToldState = genmo::ClientState::Stopped;
	int ToldSubjects = 0;
};
