// The core's tests outside of Unreal:
//   checks PROTOCOL            one line per check
//   fuzz PROTOCOL SECONDS SEED mutated golden messages
//   verdicts FILE              what the decoder makes of each message (u32 length, bytes)
#include "Checks.h"
#include "Core/GenmoStream.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <random>

namespace
{

using Bytes = Golden::Bytes;

/** Mutates golden messages; nothing may be read past an end, and what is accepted must be sane. */
class Fuzz
{
public:
	Fuzz(const Golden& Goldens, uint32_t Seed) : Random(Seed)
	{
		for (const char* Folder : {"poses", "accepted", "malformed"})
		{
			for (const std::string& Path : Goldens.Files(Folder, ".bin"))
			{
				Poses.push_back(Goldens.Read(Path));
			}
		}
		for (const std::string& Path : Goldens.Files("control", ".json"))
		{
			Texts.push_back(Goldens.Read(Path));
		}
	}

	int Run(double Seconds)
	{
		const auto Start = std::chrono::steady_clock::now();
		int64_t Messages = 0, Accepted = 0;
		while (std::chrono::duration<double>(std::chrono::steady_clock::now() - Start).count() < Seconds)
		{
			for (int I = 0; I < 100; ++I, ++Messages)
			{
				if (I % 10 == 0)
				{
					TakeText();
				}
				else
				{
					Accepted += TakePose();
				}
			}
		}
		std::cout << "fuzzed " << Messages << " messages, " << Accepted << " poses accepted" << std::endl;
		return Accepted > 0 && Accepted < Messages ? 0 : 1;
	}

private:
	bool TakePose()
	{
		const Bytes Message = Mutate(Pick(Poses));
		const std::unique_ptr<uint8_t[]> Exact(new uint8_t[Message.size()]);
		std::copy(Message.begin(), Message.end(), Exact.get());
		Now += int64_t(Random() % 50000);
		genmo::PoseStream::Ack Ack;
		const bool bTaken = Stream.TakeBinary(Exact.get(), Message.size(), Now, Ack);
		Stream.Sample(Now, Frame);
		if (bTaken)
		{
			That(48 + 432 * Stream.Newest().Persons.size() <= Message.size(), "more persons than fit");
		}
		return bTaken;
	}

	void TakeText()
	{
		const Bytes Text = Mutate(Pick(Texts));
		const int64_t Bad = Stream.BadMessages;
		Stream.TakeText(std::string(Text.begin(), Text.end()), Now);
		That(Stream.BadMessages == Bad || !Stream.LastProblem.empty(), "refused without a reason");
	}

	Bytes Mutate(Bytes Message)
	{
		static const uint32_t Interesting[] = {0, 1, 7, 8, 0x7F, 0x80, 0xFF, 431, 432, 440, 832, 0x7FFF, 0xFFFF, 0x7F800000,
			0x7FC00000, 0xFF800000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFF};
		for (uint32_t N = 1 + Below(4); N > 0; --N)
		{
			switch (Below(6))
			{
			case 0: // a bit
				if (!Message.empty())
				{
					Message[Below(Message.size())] ^= uint8_t(1 << Below(8));
				}
				break;
			case 1: // an interesting number, most often in the header or a block's head
			{
				const uint32_t Value = Interesting[Below(std::size(Interesting))];
				const size_t Reach = Below(2) ? std::min<size_t>(104, Message.size()) : Message.size();
				const size_t At = Below(std::max<size_t>(1, Reach));
				for (size_t I = 0; I < 4 && At + I < Message.size(); ++I)
				{
					Message[At + I] = uint8_t(Value >> (8 * I));
				}
				break;
			}
			case 2: // cut
				Message.resize(Below(Message.size() + 1));
				break;
			case 3: // longer
				Message.resize(Message.size() + 8 * Below(60));
				break;
			case 4: // a part of another message
			{
				const Bytes& Other = Pick(Poses);
				const size_t From = Below(Other.size() + 1);
				const size_t Length = std::min(Other.size() - From, Message.size());
				const size_t To = Below(Message.size() - Length + 1);
				std::copy_n(Other.begin() + std::ptrdiff_t(From), Length, Message.begin() + std::ptrdiff_t(To));
				break;
			}
			default: // another count of persons
				if (Message.size() > 37)
				{
					Message[36 + Below(2)] = uint8_t(Below(256));
				}
			}
		}
		return Message;
	}

	uint32_t Below(size_t Limit) { return uint32_t(Random() % Limit); }
	const Bytes& Pick(const std::vector<Bytes>& From) { return From[Below(From.size())]; }

	std::mt19937 Random;
	std::vector<Bytes> Poses, Texts;
	genmo::PoseStream Stream{150000};
	genmo::PoseFrame Frame;
	int64_t Now = 1790000000000000;
};

int Verdicts(const std::string& Path)
{
	std::ifstream File(Path, std::ios::binary);
	uint32_t Length = 0;
	genmo::PoseFrame Frame;
	while (File.read(reinterpret_cast<char*>(&Length), sizeof Length))
	{
		const std::unique_ptr<uint8_t[]> Message(new uint8_t[Length]);
		File.read(reinterpret_cast<char*>(Message.get()), Length);
		const bool bGood = genmo::DecodePose(Message.get(), Length, Frame) == genmo::DecodeError::None;
		std::cout << (bGood ? "ok " + std::to_string(Frame.Persons.size()) : "refused") << '\n';
	}
	return 0;
}

} // namespace

int main(int Count, char** Arguments)
{
	const std::string Command = Count > 1 ? Arguments[1] : "";
	if (Command == "checks" && Count == 3)
	{
		return RunChecks(Golden(Arguments[2]));
	}
	if (Command == "fuzz" && Count == 5)
	{
		return Fuzz(Golden(Arguments[2]), uint32_t(std::stoul(Arguments[4]))).Run(std::stod(Arguments[3]));
	}
	if (Command == "verdicts" && Count == 3)
	{
		return Verdicts(Arguments[2]);
	}
	std::cerr << "expected: checks PROTOCOL | fuzz PROTOCOL SECONDS SEED | verdicts FILE\n";
	return 2;
}
