#pragma once

#include "GenmoPose.h"

namespace genmo
{

/** Why a binary message is no pose. */
enum class DecodeError
{
	None, Truncated, Magic, Type, Version, HeaderLength, RotationEncoding, Skeleton, State, BlockLength, NotFinite,
	TrailingBytes
};

/**
 * Decodes one binary message of `genmo.v1`. Every length is checked before it is used and no count is
 * trusted. When it returns an error the frame is empty. Values are in the space that was asked for.
 */
DecodeError DecodePose(const uint8_t* Data, size_t Size, PoseFrame& Into);

/** What was expected instead, for people. */
const char* Explain(DecodeError Error);

} // namespace genmo
