// How a registry says what it wants to see before it answers.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tidemill::image {

// One challenge of a WWW-Authenticate field (RFC 9110 section 11.6.1).
struct Challenge {
    std::string scheme;                             // lower case: "bearer", "basic"
    std::map<std::string, std::string> parameters;  // names in lower case

    std::string parameter(const std::string& name) const;
};

// The challenges of one field; what is not well formed ends the list, because a registry that
// cannot ask properly gets nothing.
std::vector<Challenge> parse_challenges(std::string_view field);

}  // namespace tidemill::image
