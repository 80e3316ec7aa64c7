// Messages as bytes: a frame is four bytes of length, most significant first, and a JSON object
// whose "type" names the message. JSON, because unknown fields must be ignored and missing ones
// mean their default for one version of the protocol back to be understood, and because none of
// this lies on the way of a warm request.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "link/messages.h"

namespace tidemill::link {

// The largest frame: a log chunk or an instance's inline files fit, a lying peer's gigabyte does
// not.
inline constexpr std::size_t frame_bytes_max = 4U << 20;

// The whole frame, length included. A message too large to be sent is our own bug.
std::string encode(const Message& message);

// One frame's payload as a message. Errors: invalid (not JSON, no such type, a field of a wrong
// type).
base::Result<Message> decode(std::string_view payload);

// What names a message in a table or replaces an older one of its kind: "HostRoute
// shop.default.localhost". A Delete has the key of what it deletes. Empty for messages that are
// each of their own.
std::string key_of(const Message& message);

// The Delete that takes the value of this key away. Our own bug for a key of no table.
Message delete_of_key(std::string_view key);

}  // namespace tidemill::link
