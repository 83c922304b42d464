// Prints what a stream sends, without Unreal: the plugin's core on libwebsockets.
//   console URL [SECONDS] [TOKEN]
// Events as they happen, and a line of figures (JSON) every second and at the end.
#include "Core/GenmoKeeper.h"
#include "Core/GenmoStream.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <libwebsockets.h>
#include <string>

namespace
{

int64_t NowUs()
{
	using namespace std::chrono;
	return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

/** Figures of the whole run, beside those that PoseStream keeps. */
struct Summary
{
	int64_t FirstUs = 0, LastUs = 0, LongestUs = 0;

	void OnPose(int64_t Now, bool bFirstOfConnection)
	{
		FirstUs = FirstUs == 0 ? Now : FirstUs;
		LongestUs = bFirstOfConnection || Now - LastUs < LongestUs ? LongestUs : Now - LastUs;
		LastUs = Now;
	}

	void Print(const genmo::PoseStream& Stream, const genmo::ConnectionKeeper& Keeper) const
	{
		std::printf("{\"client\": \"c++\", \"poses\": %lld, \"gaps\": %lld, \"missed\": %lld, \"bad\": %lld, "
					"\"connections\": %d, \"last_seq\": %u, \"persons\": %zu, \"seconds\": %.1f, \"longest_ms\": %.0f, "
					"\"latency_ms\": %.1f, \"rtt_ms\": %.2f}\n",
			static_cast<long long>(Stream.Poses), static_cast<long long>(Stream.Gaps),
			static_cast<long long>(Stream.MissedPoses), static_cast<long long>(Stream.BadMessages),
			Keeper.ConnectionCount(), Stream.Newest().Seq, Stream.Newest().Persons.size(), double(LastUs - FirstUs) / 1e6, double(LongestUs) / 1e3,
			double(Stream.LatencyMs()), double(Stream.Clock.RttUs()) / 1e3);
		std::fflush(stdout);
	}
};

/** One client: libwebsockets below, the plugin's core above. */
class Client
{
public:
	Client(const std::string& Url, const std::string& InToken) : Address(genmo::StreamAddress(Url)), Token(InToken)
	{
		Protocols[0].name = genmo::PoseStream::Subprotocol;
		Protocols[0].callback = &Client::Callback;
		Protocols[0].rx_buffer_size = 65536;
		lws_context_creation_info Info{};
		Info.port = CONTEXT_PORT_NO_LISTEN;
		Info.protocols = Protocols;
		Info.user = this;
		Info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
		Context = lws_create_context(&Info);
		Timer.Owner = this;
	}

	~Client() { lws_context_destroy(Context); }

	bool IsUsable() const { return Context && !Address.empty(); }

	genmo::ClientState Run(double Seconds)
	{
		const int64_t Until = NowUs() + int64_t(Seconds * 1e6);
		Keeper.Start(NowUs());
		OnTimer(&Timer.Entry);
		while (NowUs() < Until && Keeper.State() != genmo::ClientState::Refused)
		{
			lws_service(Context, 0);
		}
		lws_sul_cancel(&Timer.Entry);
		Figures.Print(Stream, Keeper);
		return Keeper.State();
	}

private:
	struct OwnedTimer
	{
		lws_sorted_usec_list_t Entry{};
		Client* Owner = nullptr;
	};

	static constexpr int64_t TickUs = 20000;

	static void OnTimer(lws_sorted_usec_list_t* Entry)
	{
		Client& Self = *lws_container_of(Entry, OwnedTimer, Entry)->Owner;
		Self.Tick();
		lws_sul_schedule(Self.Context, 0, Entry, &Client::OnTimer, TickUs);
	}

	void Tick()
	{
		const int64_t Now = NowUs();
		switch (Keeper.Tick(Now))
		{
		case genmo::ConnectionKeeper::Action::Connect: Connect(); break;
		case genmo::ConnectionKeeper::Action::SendPing:
			bPingDue = true;
			lws_callback_on_writable(Socket);
			break;
		case genmo::ConnectionKeeper::Action::Drop:
			lws_set_timeout(Socket, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
			Lost("silence");
			break;
		default: break;
		}
		if (Now - PrintedUs > 1000000)
		{
			PrintedUs = Now;
			Figures.Print(Stream, Keeper);
		}
	}

	void Connect()
	{
		std::string Parts = Address;
		const char *Scheme = nullptr, *Host = nullptr, *Path = nullptr;
		int Port = 0;
		if (lws_parse_uri(Parts.data(), &Scheme, &Host, &Port, &Path) != 0)
		{
			Keeper.OnRefused("the URL can't be used");
			return;
		}
		const std::string FullPath = std::string("/") + Path;
		lws_client_connect_info Info{};
		Info.context = Context;
		Info.address = Info.host = Host;
		Info.port = Port;
		Info.path = FullPath.c_str();
		Info.protocol = Info.local_protocol_name = genmo::PoseStream::Subprotocol;
		Info.ssl_connection = std::strcmp(Scheme, "wss") == 0 ? LCCSCF_USE_SSL : 0;
		Info.pwsi = &Socket;
		Message.clear();
		if (!lws_client_connect_via_info(&Info))
		{
			Lost("can't connect"); // a failure told by the callback before is not overwritten
		}
	}

	void Lost(const std::string& Reason)
	{
		if (Keeper.State() == genmo::ClientState::Connecting || Keeper.State() == genmo::ClientState::Open)
		{
			std::printf("lost: %s\n", Reason.c_str());
			std::fflush(stdout);
		}
		Keeper.OnLost(NowUs(), Reason);
		Socket = nullptr;
	}

	static int Callback(lws* Wsi, lws_callback_reasons Reason, void*, void* Data, size_t Size)
	{
		Client* Self = static_cast<Client*>(lws_context_user(lws_get_context(Wsi)));
		return Self ? Self->On(Wsi, Reason, Data, Size) : 0;
	}

	/** Anything but 0 closes the connection. */
	int On(lws* Wsi, lws_callback_reasons Reason, void* Data, size_t Size)
	{
		if (Socket && Wsi != Socket)
		{
			return 0; // the end of a connection that was given up already
		}
		switch (Reason)
		{
		case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER: return AppendToken(Wsi, static_cast<uint8_t**>(Data), Size);
		case LWS_CALLBACK_CLIENT_ESTABLISHED:
			Keeper.OnConnected(NowUs());
			Stream.Begin();
			bFirstPose = true;
			bAckDue = bPingDue = false;
			return 0;
		case LWS_CALLBACK_CLIENT_RECEIVE: return Receive(Wsi, static_cast<const char*>(Data), Size);
		case LWS_CALLBACK_CLIENT_WRITEABLE: return Write(Wsi);
		case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
			Lost(Data ? std::string(static_cast<const char*>(Data), Size) : "can't connect");
			return 0;
		case LWS_CALLBACK_CLIENT_CLOSED: Lost("closed"); return 0;
		default: return 0;
		}
	}

	int AppendToken(lws* Wsi, uint8_t** At, size_t Room) const
	{
		const std::string Value = "Bearer " + Token;
		const auto* Header = reinterpret_cast<const uint8_t*>("authorization:");
		const auto* Bytes = reinterpret_cast<const uint8_t*>(Value.data());
		return Token.empty() ? 0 : lws_add_http_header_by_name(Wsi, Header, Bytes, int(Value.size()), At, *At + Room);
	}

	int Receive(lws* Wsi, const char* Data, size_t Size)
	{
		Keeper.OnMessage(NowUs());
		Message.append(Data, Size);
		if (Message.size() > LongestMessage)
		{
			return -1;
		}
		if (!lws_is_final_fragment(Wsi) || lws_remaining_packet_payload(Wsi) > 0)
		{
			return 0;
		}
		const bool bGood = lws_frame_is_binary(Wsi) ? TakePose(Wsi) : TakeText();
		Message.clear();
		return bGood ? 0 : -1;
	}

	bool TakePose(lws* Wsi)
	{
		const int64_t Gaps = Stream.Gaps, Missed = Stream.MissedPoses;
		if (!Stream.TakeBinary(reinterpret_cast<const uint8_t*>(Message.data()), Message.size(), NowUs(), Ack))
		{
			std::printf("bad message: %s\n", Stream.LastProblem.c_str());
			return true;
		}
		Figures.OnPose(NowUs(), bFirstPose);
		bFirstPose = false;
		if (Stream.Gaps > Gaps)
		{
			std::printf("gap: %lld poses before seq %u\n", static_cast<long long>(Stream.MissedPoses - Missed), Stream.Newest().Seq);
		}
		bAckDue = true;
		lws_callback_on_writable(Wsi);
		return true;
	}

	bool TakeText()
	{
		const std::string Refusal = Stream.TakeText(Message, NowUs());
		if (!Refusal.empty())
		{
			std::printf("refused: %s\n", Refusal.c_str());
			Keeper.OnRefused(Refusal);
			return false;
		}
		if (Keeper.State() == genmo::ClientState::Connecting && Stream.LastHello)
		{
			Keeper.OnHello();
			std::printf("open %d: %s\n", Keeper.ConnectionCount(), Stream.LastHello->Server.c_str());
			std::fflush(stdout);
		}
		return true;
	}

	/** Acks are cumulative, so the newest alone waits; one write per callback. */
	int Write(lws* Wsi)
	{
		uint8_t Space[LWS_PRE + 64];
		uint8_t* const Start = Space + LWS_PRE;
		if (bAckDue)
		{
			bAckDue = false;
			std::memcpy(Start, Ack.data(), Ack.size());
			lws_write(Wsi, Start, Ack.size(), LWS_WRITE_BINARY);
		}
		else if (bPingDue)
		{
			bPingDue = false;
			const std::string Ping = genmo::PoseStream::Ping(NowUs());
			std::memcpy(Start, Ping.data(), Ping.size());
			lws_write(Wsi, Start, Ping.size(), LWS_WRITE_TEXT);
		}
		if (bAckDue || bPingDue)
		{
			lws_callback_on_writable(Wsi);
		}
		return 0;
	}

	static constexpr size_t LongestMessage = 1024 * 1024;

	std::string Address, Token, Message;
	lws_protocols Protocols[2]{};
	lws_context* Context = nullptr;
	lws* Socket = nullptr;
	OwnedTimer Timer;
	genmo::PoseStream Stream{150000};
	genmo::ConnectionKeeper Keeper{uint32_t(NowUs())};
	genmo::PoseStream::Ack Ack{};
	Summary Figures;
	int64_t PrintedUs = 0;
	bool bAckDue = false, bPingDue = false, bFirstPose = true;
};

} // namespace

int main(int Count, char** Arguments)
{
	if (Count < 2 || Count > 4)
	{
		std::fprintf(stderr, "expected: console URL [SECONDS] [TOKEN]\n");
		return 2;
	}
	lws_set_log_level(LLL_ERR, nullptr);
	Client Console(Arguments[1], Count > 3 ? Arguments[3] : "");
	if (!Console.IsUsable())
	{
		std::fprintf(stderr, "the URL '%s' can't be used; expected ws://HOST:PORT/v1/streams/STREAM/poses\n", Arguments[1]);
		return 2;
	}
	return Console.Run(Count > 2 ? std::stod(Arguments[2]) : 1e9) == genmo::ClientState::Refused ? 1 : 0;
}
