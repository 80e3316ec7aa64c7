// Where in a text something is, for people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tidemill::wire {

// "line 3, column 7", both from 1, for the byte at `offset`; columns count bytes.
std::string position_text(std::string_view text, std::size_t offset);

}  // namespace tidemill::wire
