#include "wire/text_position.h"

#include <fmt/format.h>

#include <algorithm>

namespace tidemill::wire {

std::string position_text(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, offset);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t begin = before.rfind('\n') + 1;  // npos + 1 is 0
    return fmt::format("line {}, column {}", line, before.size() - begin + 1);
}

}  // namespace tidemill::wire
