// The arithmetic of traffic: what a wish makes of the split that is there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/json.h"

namespace tidemill::cli {

// One revision, or "@latest", which follows the newest ready one.
inline constexpr std::string_view latest = "@latest";

struct Share {
    std::string revision;
    std::int64_t percent = 0;
    friend bool operator==(const Share&, const Share&) = default;
};

struct Tag {
    std::string tag;
    std::string revision;
    friend bool operator==(const Tag&, const Tag&) = default;
};

struct TrafficWish {
    std::vector<Share> shares;  // empty: percentages stay
    std::vector<Tag> tags;
    std::vector<std::string> untag;
};

// "@latest=10,shop-00001=90". Errors: invalid (no such form, a revision twice, no whole percent of
// 0 to 100). Whether they sum to 100 is the server's to say.
base::Result<std::vector<Share>> parse_shares(std::string_view text);
// "canary=shop-00002". Errors: invalid.
base::Result<Tag> parse_tag(std::string_view text);

// The new spec.traffic. Shares replace all percentages; entries with a tag stay, at 0 % unless
// named. A tag moves when another revision has it. Errors: not_found (untag of a tag that nobody
// has; the message names those that are there).
base::Result<wire::JsonArray> plan_traffic(const wire::JsonArray& now, const TrafficWish& wish);

// Every revision that `wish` names is one of `revisions`. A server takes any name and reports it
// later; whoever types one has mistyped it. Errors: not_found (names those that are there).
base::Status check_wish(const TrafficWish& wish, const wire::JsonArray& revisions,
                        std::string_view service);

// What a rollback goes from and to.
struct Rollback {
    std::string from;
    std::string to;
    friend bool operator==(const Rollback&, const Rollback&) = default;
};
// `revisions` of the service, in any order; `traffic` of its status. From is the newest revision
// that gets any traffic, so that a canary goes first; to is `wanted`, or when that is empty the
// newest ready one made before it. Errors: not_found (nothing to go back to; no revision `wanted`),
// conflict (`wanted` is not ready).
base::Result<Rollback> choose_rollback(const wire::JsonArray& revisions,
                                       const wire::JsonArray& traffic, std::string_view wanted);

// Percent of status.traffic that goes to `revision`, and its tags, e.g. 90 and "canary,stable".
std::int64_t percent_of(const wire::JsonArray& traffic, std::string_view revision);
std::string tags_of(const wire::JsonArray& traffic, std::string_view revision);
// "90% shop-00001, 10% @latest (shop-00002)"; empty when nothing is known yet.
std::string traffic_text(const wire::JsonArray& traffic);

}  // namespace tidemill::cli
