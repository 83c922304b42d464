#include "GenmoConnection.h"

#include "HAL/PlatformTime.h"
#include "IWebSocket.h"
#include "WebSocketsModule.h"

namespace
{

constexpr int64 MaxDelayUs = 150000;
constexpr int32 LongestMessageBytes = 1024 * 1024;

} // namespace

FGenmoConnection::FGenmoConnection(const FString& InUrl, const FString& InToken)
	: Url(InUrl), Token(InToken), Stream(MaxDelayUs), Keeper(FPlatformTime::Cycles())
{
}

FGenmoConnection::~FGenmoConnection()
{
	Stop();
}

void FGenmoConnection::Start()
{
	if (TickHandle.IsValid())
	{
		return;
	}
	Keeper.Start(NowUs());
	TickHandle = FTSTicker::GetCoreTicker().AddTicker(FTickerDelegate::CreateSP(this, &FGenmoConnection::Tick));
}

void FGenmoConnection::Stop()
{
	FTSTicker::GetCoreTicker().RemoveTicker(TickHandle);
	TickHandle.Reset();
	Keeper.Stop();
	CloseSocket();
}

FString FGenmoConnection::GetLastError() const
{
	return UTF8_TO_TCHAR(Keeper.Error().c_str());
}

double FGenmoConnection::CaptureSeconds(int64 CaptureUs) const
{
	return FPlatformTime::Seconds() - double(Stream.Clock.ToServer(NowUs()) - CaptureUs) / 1e6;
}

int64 FGenmoConnection::NowUs()
{
	return int64(FPlatformTime::Seconds() * 1e6);
}

bool FGenmoConnection::Tick(float DeltaSeconds)
{
	switch (Keeper.Tick(NowUs()))
	{
	case genmo::ConnectionKeeper::Action::Connect:
		Connect();
		break;
	case genmo::ConnectionKeeper::Action::SendPing:
		Socket->Send(UTF8_TO_TCHAR(genmo::PoseStream::Ping(NowUs()).c_str()));
		break;
	case genmo::ConnectionKeeper::Action::Drop:
		CloseSocket();
		Keeper.OnLost(NowUs(), "the server is silent");
		break;
	default:
		break;
	}
	if (ToldState != Keeper.State() || ToldSubjects != Stream.SubjectsVersion)
	{
		ToldState = Keeper.State();
		ToldSubjects = Stream.SubjectsVersion;
		OnChange.Broadcast();
	}
	return true;
}

void FGenmoConnection::Connect()
{
	const FString Address = UTF8_TO_TCHAR(genmo::StreamAddress(TCHAR_TO_UTF8(*Url)).c_str());
	if (Address.IsEmpty())
	{
		Keeper.OnRefused(TCHAR_TO_UTF8(
			*FString::Printf(TEXT("the URL '%s' can't be used; expected ws://HOST:PORT/v1/streams/STREAM/poses"), *Url)));
		return;
	}
	TMap<FString, FString> Headers;
	if (!Token.IsEmpty())
	{
		Headers.Add(TEXT("Authorization"), TEXT("Bearer ") + Token);
	}
	CloseSocket();
	const FString Protocol = UTF8_TO_TCHAR(genmo::PoseStream::Subprotocol);
	Socket = FWebSocketsModule::Get().CreateWebSocket(Address, Protocol, Headers);
	Socket->OnConnected().AddSP(this, &FGenmoConnection::HandleConnected);
	Socket->OnConnectionError().AddSP(this, &FGenmoConnection::HandleError);
	Socket->OnClosed().AddSP(this, &FGenmoConnection::HandleClosed);
	Socket->OnMessage().AddSP(this, &FGenmoConnection::HandleText);
	Socket->OnBinaryMessage().AddSP(this, &FGenmoConnection::HandleBinary);
	Socket->Connect();
}

void FGenmoConnection::CloseSocket()
{
	if (!Socket.IsValid())
	{
		return;
	}
	// Whatever the old socket still says must not reach the next connection.
	Socket->OnConnected().RemoveAll(this);
	Socket->OnConnectionError().RemoveAll(this);
	Socket->OnClosed().RemoveAll(this);
	Socket->OnMessage().RemoveAll(this);
	Socket->OnBinaryMessage().RemoveAll(this);
	Socket->Close();
	Socket.Reset();
	Fragments.Reset();
}

void FGenmoConnection::HandleConnected()
{
	Stream.Begin();
	Keeper.OnConnected(NowUs());
}

void FGenmoConnection::HandleText(const FString& Text)
{
	const int64 Now = NowUs();
	Keeper.OnMessage(Now);
	const std::string Refusal = Stream.TakeText(TCHAR_TO_UTF8(*Text), Now);
	if (!Refusal.empty())
	{
		Keeper.OnRefused(Refusal);
		UE_LOG(LogGenmo, Error, TEXT("%s: %s"), *Url, *GetLastError());
		// Not from within the socket's own callback: the next tick finds it refused.
		Socket->Close();
		return;
	}
	if (Keeper.State() == genmo::ClientState::Connecting && Stream.LastHello)
	{
		Keeper.OnHello();
		UE_LOG(LogGenmo, Log, TEXT("%s: connected to %s"), *Url, UTF8_TO_TCHAR(Stream.LastHello->Server.c_str()));
	}
}

void FGenmoConnection::HandleBinary(const void* Data, SIZE_T Size, bool bIsLastFragment)
{
	const int64 Now = NowUs();
	Keeper.OnMessage(Now);
	if (Size > SIZE_T(LongestMessageBytes - Fragments.Num()))
	{
		UE_LOG(LogGenmo, Error, TEXT("%s: a message over 1 MiB"), *Url);
		Socket->Close();
		return;
	}
	Fragments.Append(static_cast<const uint8*>(Data), int32(Size));
	if (!bIsLastFragment)
	{
		return;
	}
	genmo::PoseStream::Ack Ack;
	const bool bGood = Stream.TakeBinary(Fragments.GetData(), size_t(Fragments.Num()), Now, Ack);
	Fragments.Reset(); // keeps the memory
	if (!bGood)
	{
		UE_LOG(LogGenmo, Warning, TEXT("%s: %s"), *Url, UTF8_TO_TCHAR(Stream.LastProblem.c_str()));
		return;
	}
	Socket->Send(Ack.data(), Ack.size(), true);
	OnPose.Broadcast();
}

void FGenmoConnection::HandleClosed(int32 Code, const FString& Reason, bool bWasClean)
{
	HandleError(FString::Printf(TEXT("the server closed: %d %s"), Code, *Reason));
}

void FGenmoConnection::HandleError(const FString& Error)
{
	Keeper.OnLost(NowUs(), TCHAR_TO_UTF8(*Error));
	UE_LOG(LogGenmo, Log, TEXT("%s: %s"), *Url, *Error);
}
