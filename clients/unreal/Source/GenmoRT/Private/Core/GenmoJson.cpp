#include "GenmoJson.h"

#include <cmath>
#include <cstring>

namespace genmo
{
namespace
{

constexpr int MaxDepth = 16;

class Parser
{
public:
	explicit Parser(const std::string& InText) : Text(InText) {}

	bool ParseAll(JsonValue& Into)
	{
		return ParseValue(Into, 0) && (SkipSpace(), At == Text.size() || Fail("text after the JSON value"));
	}

	std::string Problem;

private:
	bool ParseValue(JsonValue& Into, int Depth)
	{
		if (Depth > MaxDepth)
		{
			return Fail("nested too deeply");
		}
		SkipSpace();
		switch (Peek())
		{
		case '{': return ParseObject(Into, Depth);
		case '[': return ParseArray(Into, Depth);
		case '"': Into.Type = JsonValue::Kind::Text; return ParseText(Into.Text);
		case 't': Into.Type = JsonValue::Kind::Bool; Into.bTrue = true; return ParseWord("true");
		case 'f': Into.Type = JsonValue::Kind::Bool; return ParseWord("false");
		case 'n': return ParseWord("null");
		default: return ParseNumber(Into);
		}
	}

	bool ParseObject(JsonValue& Into, int Depth)
	{
		Into.Type = JsonValue::Kind::Object;
		++At;
		if (TrySkip('}'))
		{
			return true;
		}
		do
		{
			SkipSpace();
			auto& Member = Into.Members.emplace_back();
			if (!ParseText(Member.first) || !Skip(':') || !ParseValue(Member.second, Depth + 1))
			{
				return false;
			}
		} while (TrySkip(','));
		return Skip('}');
	}

	bool ParseArray(JsonValue& Into, int Depth)
	{
		Into.Type = JsonValue::Kind::Array;
		++At;
		if (TrySkip(']'))
		{
			return true;
		}
		do
		{
			if (!ParseValue(Into.Items.emplace_back(), Depth + 1))
			{
				return false;
			}
		} while (TrySkip(','));
		return Skip(']');
	}

	bool ParseText(std::string& Into)
	{
		if (Peek() != '"')
		{
			return Fail("no '\"'");
		}
		for (++At; Peek() != '"'; ++At)
		{
			if (static_cast<unsigned char>(Peek()) < ' ')
			{
				return Fail("a text doesn't end");
			}
			if (Peek() != '\\')
			{
				Into += Peek();
			}
			else if (!ParseEscape(Into))
			{
				return false;
			}
		}
		++At;
		return true;
	}

	bool ParseEscape(std::string& Into)
	{
		static const char Plain[] = "\"\\/bfnrt", Meant[] = "\"\\/\b\f\n\r\t";
		++At;
		const char C = Peek();
		if (const char* Found = C != '\0' ? std::strchr(Plain, C) : nullptr)
		{
			Into += Meant[Found - Plain];
			return true;
		}
		if (At + 4 >= Text.size() || C != 'u')
		{
			return Fail("an unknown escape");
		}
		unsigned Code = 0;
		for (int I = 0; I < 4; ++I)
		{
			static const char Digits[] = "0123456789abcdefABCDEF";
			++At;
			const char* Found = Peek() == '\0' ? nullptr : std::strchr(Digits, Peek());
			if (!Found)
			{
				return Fail("an unknown escape");
			}
			const int Place = int(Found - Digits);
			Code = Code * 16 + unsigned(Place < 16 ? Place : Place - 6);
		}
		AppendUtf8(Code, Into);
		return true;
	}

	/** Surrogates stay as they are, each encoded alone: names here are shown, not compared. */
	static void AppendUtf8(unsigned Code, std::string& Into)
	{
		if (Code < 0x80)
		{
			Into += char(Code);
		}
		else if (Code < 0x800)
		{
			Into += char(0xC0 | Code >> 6);
			Into += char(0x80 | (Code & 0x3F));
		}
		else
		{
			Into += char(0xE0 | Code >> 12);
			Into += char(0x80 | (Code >> 6 & 0x3F));
			Into += char(0x80 | (Code & 0x3F));
		}
	}

	/** By hand, because strtod reads another decimal point in another locale. */
	bool ParseNumber(JsonValue& Into)
	{
		Into.Type = JsonValue::Kind::Number;
		const bool bNegative = Peek() == '-';
		At += bNegative;
		double Value = 0;
		int Digits = 0, Exponent = 0;
		for (; IsDigit(); ++At, ++Digits)
		{
			Value = Value * 10 + (Peek() - '0');
		}
		if (Digits > 0 && Peek() == '.')
		{
			for (++At; IsDigit(); ++At, --Exponent)
			{
				Value = Value * 10 + (Peek() - '0');
			}
		}
		if (Digits > 0 && (Peek() | 0x20) == 'e')
		{
			++At;
			const bool bSmall = Peek() == '-';
			At += bSmall || Peek() == '+';
			int Power = 0;
			for (; IsDigit(); ++At)
			{
				Power = Power < 10000 ? Power * 10 + (Peek() - '0') : Power;
			}
			Exponent += bSmall ? -Power : Power;
		}
		Value = Exponent < 0 ? Value / std::pow(10., -Exponent) : Value * std::pow(10., Exponent);
		Into.Number = bNegative ? -Value : Value;
		return (Digits > 0 && std::isfinite(Into.Number)) || Fail("no JSON value");
	}

	bool ParseWord(const char* Word)
	{
		const size_t Length = std::strlen(Word);
		if (Text.compare(At, Length, Word) != 0)
		{
			return Fail("no JSON value");
		}
		At += Length;
		return true;
	}

	bool TrySkip(char Wanted)
	{
		SkipSpace();
		const bool bThere = At < Text.size() && Text[At] == Wanted;
		At += bThere;
		return bThere;
	}

	bool Skip(char Wanted) { return TrySkip(Wanted) || Fail(std::string("no '") + Wanted + "'"); }

	void SkipSpace()
	{
		while (At < Text.size() && (Text[At] == ' ' || Text[At] == '\t' || Text[At] == '\r' || Text[At] == '\n'))
		{
			++At;
		}
	}

	bool IsDigit() const { return Peek() >= '0' && Peek() <= '9'; }

	char Peek() const { return At < Text.size() ? Text[At] : '\0'; }

	bool Fail(const std::string& Reason)
	{
		if (Problem.empty())
		{
			Problem = Reason + " at " + std::to_string(At);
		}
		return false;
	}

	const std::string& Text;
	size_t At = 0;
};

const JsonValue Nothing;

} // namespace

bool JsonValue::Parse(const std::string& Text, JsonValue& Into, std::string& Problem)
{
	Parser Parsing(Text);
	const bool bGood = Parsing.ParseAll(Into);
	Problem = Parsing.Problem;
	return bGood;
}

const JsonValue* JsonValue::Member(const std::string& Name) const
{
	for (const auto& Pair : Members)
	{
		if (Pair.first == Name)
		{
			return &Pair.second;
		}
	}
	return nullptr;
}

void JsonFields::Fail(const std::string& Reason)
{
	if (Problem.empty())
	{
		Problem = Reason;
	}
}

const JsonValue& JsonFields::Get(const JsonValue& Object, const char* Name)
{
	const JsonValue* Found = Object.Member(Name);
	if (!Found)
	{
		Fail(std::string("no field '") + Name + "'");
	}
	return Found ? *Found : Nothing;
}

std::string JsonFields::Text(const JsonValue& Object, const char* Name)
{
	const JsonValue& Value = Get(Object, Name);
	if (Value.Type != JsonValue::Kind::Text)
	{
		Fail(std::string(Name) + " is no text");
	}
	return Value.Text;
}

float JsonFields::Float(const JsonValue& Object, const char* Name)
{
	return Float(Get(Object, Name), Name, 0);
}

float JsonFields::Float(const JsonValue& Value, const char* What, int)
{
	if (Value.Type != JsonValue::Kind::Number || std::fabs(Value.Number) > 3e38)
	{
		Fail(std::string(What) + " is no number");
		return 0;
	}
	return float(Value.Number);
}

int64_t JsonFields::Integer(const JsonValue& Object, const char* Name, int64_t Least, int64_t Most)
{
	const JsonValue& Value = Get(Object, Name);
	const bool bWhole = Value.Type == JsonValue::Kind::Number && std::floor(Value.Number) == Value.Number;
	if (!bWhole || Value.Number < double(Least) || Value.Number > double(Most))
	{
		Fail(std::string(Name) + " is no whole number in its range");
		return 0;
	}
	return int64_t(Value.Number);
}

const std::vector<JsonValue>& JsonFields::Array(const JsonValue& Value, size_t Count, const char* What)
{
	static const std::vector<JsonValue> None;
	if (Value.Type != JsonValue::Kind::Array || Value.Items.size() != Count)
	{
		Fail(std::string(What) + " is no array of " + std::to_string(Count));
		return None;
	}
	return Value.Items;
}

} // namespace genmo
