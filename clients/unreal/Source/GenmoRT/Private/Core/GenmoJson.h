#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace genmo
{

/**
 * A small strict JSON reader for control messages. Numbers are doubles (exact for microseconds until
 * the year 2255). Nothing throws: what is wrong is noted once, in the reader, and reads go on with
 * zeros.
 */
class JsonValue
{
public:
	enum class Kind
	{
		Null, Bool, Number, Text, Array, Object
	};

	/** False, with the reason, if the text isn't one JSON value. */
	static bool Parse(const std::string& Text, JsonValue& Into, std::string& Problem);

	/** The member of that name, or null. */
	const JsonValue* Member(const std::string& Name) const;

	Kind Type = Kind::Null;
	bool bTrue = false;
	double Number = 0;
	std::string Text;
	std::vector<JsonValue> Items;
	std::vector<std::pair<std::string, JsonValue>> Members;
};

/** Reads fields with their types checked; the first mismatch is kept. */
class JsonFields
{
public:
	explicit JsonFields(std::string& InProblem) : Problem(InProblem) {}

	const JsonValue& Get(const JsonValue& Object, const char* Name);
	std::string Text(const JsonValue& Object, const char* Name);
	float Float(const JsonValue& Object, const char* Name);
	/** A whole number from Least to Most. */
	int64_t Integer(const JsonValue& Object, const char* Name, int64_t Least = -MaxInteger, int64_t Most = MaxInteger);
	/** An array with so many items. */
	const std::vector<JsonValue>& Array(const JsonValue& Value, size_t Count, const char* What);
	float Float(const JsonValue& Value, const char* What, int);

	bool IsGood() const { return Problem.empty(); }
	void Fail(const std::string& Reason);

private:
	static constexpr int64_t MaxInteger = int64_t(1) << 53;
	std::string& Problem;
};

} // namespace genmo
