#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace genmo
{

enum class ClientState
{
	/** Not started, or stopped. */
	Stopped,
	/** Opening a connection. */
	Connecting,
	/** Connected; poses come while the stream is live. */
	Open,
	/** The connection is gone; waiting before the next attempt. */
	Retrying,
	/** This server can't be used, and asking again won't help. */
	Refused
};

/**
 * Decides when to connect, ping and give up, on a clock that is passed in; whoever owns the websocket
 * tells it what happened and does what Tick says. Waits between attempts double from 0.25 s to 8 s,
 * half of it random.
 */
class ConnectionKeeper
{
public:
	enum class Action
	{
		Nothing, Connect, SendPing, Drop
	};

	explicit ConnectionKeeper(uint32_t Seed) : Random(Seed) {}

	/** What is to be done now. After Connect and Drop, tell what came of it. */
	Action Tick(int64_t NowUs)
	{
		switch (Current)
		{
		case ClientState::Retrying:
			if (NowUs < NextUs)
			{
				return Action::Nothing;
			}
			Current = ClientState::Connecting;
			bConnected = false;
			HeardUs = NowUs;
			return Action::Connect;
		case ClientState::Connecting:
		case ClientState::Open:
			if (NowUs - HeardUs > (bConnected ? SilenceUs : ConnectTimeoutUs))
			{
				return Action::Drop;
			}
			if (!bConnected || NowUs < NextUs)
			{
				return Action::Nothing;
			}
			NextUs = NowUs + (Pings++ < FirstPings ? FirstPingsUs : PingsUs);
			return Action::SendPing;
		default:
			return Action::Nothing;
		}
	}

	/** Starts; the next Tick connects. */
	void Start(int64_t NowUs)
	{
		Current = ClientState::Retrying;
		NextUs = NowUs;
		WaitUs = FirstWaitUs;
	}

	void Stop() { Current = ClientState::Stopped; }

	/** The websocket is open. */
	void OnConnected(int64_t NowUs)
	{
		bConnected = true;
		Pings = 0;
		HeardUs = NextUs = NowUs;
	}

	/** Anything was received. */
	void OnMessage(int64_t NowUs) { HeardUs = NowUs; }

	/** A good hello was received. */
	void OnHello()
	{
		Current = ClientState::Open;
		++Connections;
		LastError.clear();
		WaitUs = FirstWaitUs;
	}

	/** The websocket is closed, or could not be opened. */
	void OnLost(int64_t NowUs, const std::string& Reason)
	{
		if (Current != ClientState::Connecting && Current != ClientState::Open)
		{
			return;
		}
		LastError = Reason;
		Current = ClientState::Retrying;
		const double Part = std::uniform_real_distribution<double>(0.5, 1.0)(Random);
		NextUs = NowUs + int64_t(double(WaitUs) * Part);
		WaitUs = WaitUs * 2 < LastWaitUs ? WaitUs * 2 : LastWaitUs;
	}

	/** This server can't be used. */
	void OnRefused(const std::string& Reason)
	{
		LastError = Reason;
		Current = ClientState::Refused;
	}

	ClientState State() const { return Current; }

	/** Why the last connection ended or could not be opened; empty while all is well. */
	const std::string& Error() const { return LastError; }

	/** How often a connection came about; above 1 it was lost in between. */
	int ConnectionCount() const { return Connections; }

	static constexpr int64_t FirstWaitUs = 250000;
	static constexpr int64_t LastWaitUs = 8000000;
	static constexpr int64_t ConnectTimeoutUs = 10000000;
	/** Pings are answered, so silence this long means the path is dead. */
	static constexpr int64_t SilenceUs = 8000000;

private:
	static constexpr int FirstPings = 4;
	static constexpr int64_t FirstPingsUs = 200000;
	static constexpr int64_t PingsUs = 2000000;

	std::minstd_rand Random;
	ClientState Current = ClientState::Stopped;
	std::string LastError;
	int64_t NextUs = 0;
	int64_t HeardUs = 0;
	int64_t WaitUs = FirstWaitUs;
	int Connections = 0;
	int Pings = 0;
	bool bConnected = false;
};

} // namespace genmo
