// Parts of URLs: percent-encoding, paths and queries (RFC 3986).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tidemill::wire {

// The bytes that the escapes stand for; '+' stays. Errors: invalid (a % without two hexadecimal
// digits).
base::Result<std::string> percent_decode(std::string_view text);
// Everything but letters, digits and "-._~" escaped, so that the result may stand in any part of a
// URL.
std::string percent_encode(std::string_view text);

// The one form of an absolute path in which routes are compared: escapes of letters, digits and
// "-._~" decoded, all others in upper case, "." and ".." resolved. Slashes are kept as they are,
// doubled too. Normalising again changes nothing. Errors: invalid: no leading slash, a broken
// escape, a path that climbs above its root, and an escaped slash, backslash or NUL, which some
// servers decode before they split the path and others after.
base::Result<std::string> normalise_path(std::string_view path);
// True when normalise_path would give it back as it is, which it tells without allocating. False is
// not certain.
bool is_normal_path(std::string_view path);

// The pairs of a query ("a=1&b=%20+"), decoded, '+' as a space, in their order; a name without '='
// has an empty value. Errors: invalid (a broken escape), exhausted (more than `pairs_max`).
base::Result<std::vector<std::pair<std::string, std::string>>> parse_query(
    std::string_view query, std::size_t pairs_max = 100);

}  // namespace tidemill::wire
