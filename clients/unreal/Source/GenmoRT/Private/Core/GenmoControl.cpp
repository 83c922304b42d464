#include "Core/GenmoControl.h"

#include "GenmoJson.h"

#include <limits>

namespace genmo
{
namespace
{

Vec3 ReadVector(JsonFields& Fields, const JsonValue& Value, const char* What)
{
	Vec3 Vector;
	float* const Parts[] = {&Vector.X, &Vector.Y, &Vector.Z};
	size_t I = 0;
	for (const JsonValue& Item : Fields.Array(Value, 3, What))
	{
		*Parts[I++] = Fields.Float(Item, What, 0);
	}
	return Vector;
}

Hello ReadHello(JsonFields& Fields, const JsonValue& Message)
{
	Hello Read;
	Read.Proto = Fields.Text(Message, "proto");
	Read.Server = Fields.Text(Message, "server");
	Read.Stream = Fields.Text(Message, "stream");
	Read.Space = Fields.Text(Message, "space");
	Read.ClockUs = Fields.Integer(Message, "clock_us");
	Read.Fps = Fields.Float(Message, "fps");
	return Read;
}

Skeleton ReadSkeleton(JsonFields& Fields, const JsonValue& Message)
{
	Skeleton Read;
	Read.Rev = Fields.Integer(Message, "rev");
	size_t J = 0;
	for (const JsonValue& Item : Fields.Array(Fields.Get(Message, "joints"), JointCount, "joints"))
	{
		Fields.Text(Item, "name");
		if (Fields.Integer(Item, "parent") != JointParents[J])
		{
			Fields.Fail("a joint hangs elsewhere");
		}
		Read.Rest[J++] = ReadVector(Fields, Fields.Get(Item, "offset"), "offset");
	}
	return Read;
}

Subject ReadSubject(JsonFields& Fields, const JsonValue& Message)
{
	Subject Read;
	Read.Person = uint32_t(Fields.Integer(Message, "person", 0, std::numeric_limits<uint32_t>::max()));
	Read.State = Fields.Text(Message, "state");
	Read.Body = Fields.Text(Message, "body");
	for (const char* Name : {"betas", "shape"})
	{
		for (const JsonValue& Item : Fields.Array(Fields.Get(Message, Name), 10, Name))
		{
			Fields.Float(Item, Name, 0);
		}
	}
	Read.HeightM = Fields.Float(Message, "height_m");
	size_t J = 0;
	for (const JsonValue& Item : Fields.Array(Fields.Get(Message, "offsets"), JointCount, "offsets"))
	{
		Read.Rest[J++] = ReadVector(Fields, Item, "offset");
	}
	return Read;
}

Stats ReadStats(JsonFields& Fields, const JsonValue& Message)
{
	Stats Read;
	Read.FpsIn = Fields.Float(Message, "fps_in");
	Read.FpsOut = Fields.Float(Message, "fps_out");
	Read.Dropped = Fields.Integer(Message, "dropped");
	const JsonValue& Latency = Fields.Get(Message, "latency_ms");
	Read.P50Ms = Fields.Float(Latency, "p50");
	Read.P95Ms = Fields.Float(Latency, "p95");
	return Read;
}

Control ReadMessage(JsonFields& Fields, const JsonValue& Message)
{
	const std::string Type = Fields.Text(Message, "type");
	if (Type == "hello")
	{
		return ReadHello(Fields, Message);
	}
	if (Type == "stream")
	{
		return StreamStatus{
			Fields.Text(Message, "state"), Fields.Text(Message, "capture_clock"), Fields.Float(Message, "fps_in")};
	}
	if (Type == "skeleton")
	{
		return ReadSkeleton(Fields, Message);
	}
	if (Type == "subject")
	{
		return ReadSubject(Fields, Message);
	}
	if (Type == "stats")
	{
		return ReadStats(Fields, Message);
	}
	if (Type == "error")
	{
		return ServerError{Fields.Text(Message, "code"), Fields.Text(Message, "message")};
	}
	if (Type == "pong")
	{
		return Pong{Fields.Integer(Message, "t0"), Fields.Integer(Message, "t1"), Fields.Integer(Message, "t2")};
	}
	if (Type == "bye")
	{
		return Bye{Fields.Text(Message, "reason")};
	}
	return std::monostate();
}

} // namespace

bool ParseControl(const std::string& Text, Control& Into, std::string& Problem)
{
	Into = std::monostate();
	JsonValue Message;
	if (!JsonValue::Parse(Text, Message, Problem))
	{
		return false;
	}
	JsonFields Fields(Problem);
	Control Read = ReadMessage(Fields, Message);
	if (!Fields.IsGood())
	{
		return false;
	}
	Into = std::move(Read);
	return true;
}

} // namespace genmo
