#include "cli/api/traffic.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/paths.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;
using base::Result;

struct Target {
    std::string revision;  // or latest
    std::string tag;
    std::int64_t percent = 0;
};

std::vector<Target> targets_of(const wire::JsonArray& traffic) {
    std::vector<Target> out;
    for (const auto& each : traffic) {
        const auto revision = text_at(each, "revisionName");
        const auto* const follows = member(each, "latestRevision");
        const bool newest = revision.empty() || (follows != nullptr && *follows == true);
        out.push_back({newest ? std::string(latest) : revision, text_at(each, "tag"),
                       number_at(each, "percent")});
    }
    return out;
}

wire::JsonArray to_json(const std::vector<Target>& targets) {
    wire::JsonArray out;
    for (const auto& target : targets) {
        wire::JsonObject each{{"latestRevision", target.revision == latest},
                              {"percent", target.percent}};
        if (target.revision != latest) {
            each["revisionName"] = target.revision;
        }
        if (!target.tag.empty()) {
            each["tag"] = target.tag;
        }
        out.push_back(std::move(each));
    }
    return out;
}

void drop_tag(std::vector<Target>& targets, std::string_view tag) {
    for (auto& target : targets) {
        if (target.tag == tag) {
            target.tag.clear();
        }
    }
}

std::int64_t generation_of(const wire::Json& revision) {
    const auto label = entry(revision, "metadata.labels", paths::generation_label);
    return base::parse_number<std::int64_t>(label).value_or(0);
}

// Newer by generation; objects without that label by their time of creation, whose text sorts.
bool older(const wire::Json& a, const wire::Json& b) {
    const auto left = generation_of(a);
    const auto right = generation_of(b);
    return left != right ? left < right
                         : text_at(a, "metadata.creationTimestamp") <
                               text_at(b, "metadata.creationTimestamp");
}

bool is_ready(const wire::Json& revision) {
    return condition_of(revision, "Ready").status == "True";
}

}  // namespace

Result<std::vector<Share>> parse_shares(std::string_view text) {
    std::vector<Share> out;
    for (const auto part : base::split(text, ',')) {
        const auto equals = part.find('=');
        const auto revision = base::trim(part.substr(0, equals));
        if (equals == std::string_view::npos || revision.empty()) {
            return fail(Code::invalid,
                        "\"{}\": write REVISION=PERCENT, e.g. @latest=10,shop-00001=90", part);
        }
        auto number = base::trim(part.substr(equals + 1));
        if (number.ends_with('%')) {
            number.remove_suffix(1);
        }
        const auto percent = base::parse_number<std::int64_t>(number);
        if (!percent || *percent < 0 || *percent > 100) {
            return fail(Code::invalid, "{}: \"{}\" is no whole percent between 0 and 100", revision,
                        number);
        }
        if (std::ranges::find(out, revision, &Share::revision) != out.end()) {
            return fail(Code::invalid, "{} is named twice", revision);
        }
        out.push_back({std::string(revision), *percent});
    }
    return out;
}

Result<Tag> parse_tag(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) {
        return fail(Code::invalid, "\"{}\": write TAG=REVISION, e.g. canary=shop-00002", text);
    }
    return Tag{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

Result<wire::JsonArray> plan_traffic(const wire::JsonArray& now, const TrafficWish& wish) {
    auto targets = targets_of(now);
    for (const auto& tag : wish.untag) {
        if (std::ranges::find(targets, tag, &Target::tag) == targets.end()) {
            std::vector<std::string> there;
            for (const auto& target : targets) {
                if (!target.tag.empty()) {
                    there.push_back(target.tag);
                }
            }
            return fail(Code::not_found, "no tag \"{}\"; there {}", tag,
                        there.empty() ? "is none" : fmt::format("is: {}", fmt::join(there, ", ")));
        }
        drop_tag(targets, tag);
    }
    if (!wish.shares.empty()) {
        for (auto& target : targets) {
            target.percent = 0;
        }
        for (const auto& share : wish.shares) {
            const auto found = std::ranges::find(targets, share.revision, &Target::revision);
            if (found != targets.end()) {
                found->percent = share.percent;
            } else {
                targets.push_back({share.revision, "", share.percent});
            }
        }
    }
    for (const auto& [tag, revision] : wish.tags) {
        drop_tag(targets, tag);
        const auto free = std::ranges::find_if(targets, [&](const Target& target) {
            return target.revision == revision && target.tag.empty();
        });
        if (free != targets.end()) {
            free->tag = tag;
        } else {
            targets.push_back({revision, tag, 0});
        }
    }
    std::erase_if(targets,
                  [](const Target& target) { return target.percent == 0 && target.tag.empty(); });
    return to_json(targets);
}

base::Status check_wish(const TrafficWish& wish, const wire::JsonArray& revisions,
                        std::string_view service) {
    std::vector<std::string> there;
    for (const auto& each : revisions) {
        there.push_back(text_at(each, "metadata.name"));
    }
    auto missing = [&](const std::string& revision) {
        return revision != latest && std::ranges::find(there, revision) == there.end();
    };
    std::vector<std::string> named;
    for (const auto& share : wish.shares) {
        named.push_back(share.revision);
    }
    for (const auto& tag : wish.tags) {
        named.push_back(tag.revision);
    }
    const auto wrong = std::ranges::find_if(named, missing);
    if (wrong == named.end()) {
        return {};
    }
    return fail(Code::not_found, "{} has no revision \"{}\"; it has {}", service, *wrong,
                there.empty() ? "none" : fmt::format("{}", fmt::join(there, ", ")));
}

Result<Rollback> choose_rollback(const wire::JsonArray& revisions, const wire::JsonArray& traffic,
                                 std::string_view wanted) {
    std::vector<const wire::Json*> sorted;
    for (const auto& revision : revisions) {
        sorted.push_back(&revision);
    }
    std::ranges::sort(sorted,
                      [](const wire::Json* a, const wire::Json* b) { return older(*a, *b); });
    Rollback out;
    for (const auto* const revision : sorted) {
        if (percent_of(traffic, name_of(*revision)) > 0) {
            out.from = name_of(*revision);
        }
    }
    if (!wanted.empty()) {
        const auto found =
            std::ranges::find(sorted, wanted, [](const auto* r) { return name_of(*r); });
        if (found == sorted.end()) {
            return fail(Code::not_found, "there is no revision \"{}\"", wanted);
        }
        if (!is_ready(**found)) {
            return fail(Code::conflict, "revision {} is not ready: {}", wanted,
                        condition_of(**found, "Ready").message);
        }
        out.to = wanted;
        return out;
    }
    for (const auto* const revision : sorted) {
        if (name_of(*revision) == out.from) {
            break;
        }
        if (is_ready(*revision)) {
            out.to = name_of(*revision);
        }
    }
    if (out.from.empty() || out.to.empty()) {
        return fail(Code::not_found, "there is no ready revision before {}",
                    out.from.empty() ? "the first" : out.from);
    }
    return out;
}

std::int64_t percent_of(const wire::JsonArray& traffic, std::string_view revision) {
    std::int64_t sum = 0;
    for (const auto& each : traffic) {
        if (text_at(each, "revisionName") == revision) {
            sum += number_at(each, "percent");
        }
    }
    return sum;
}

std::string tags_of(const wire::JsonArray& traffic, std::string_view revision) {
    std::vector<std::string> tags;
    for (const auto& each : traffic) {
        if (text_at(each, "revisionName") == revision && !text_at(each, "tag").empty()) {
            tags.push_back(text_at(each, "tag"));
        }
    }
    return fmt::format("{}", fmt::join(tags, ","));
}

std::string traffic_text(const wire::JsonArray& traffic) {
    std::vector<std::string> parts;
    for (const auto& each : traffic) {
        const auto percent = number_at(each, "percent");
        if (percent == 0) {
            continue;
        }
        const auto revision = text_at(each, "revisionName");
        const auto* const follows = member(each, "latestRevision");
        if (follows != nullptr && *follows == true) {
            parts.push_back(fmt::format("{}% {}{}", percent, latest,
                                        revision.empty() ? "" : fmt::format(" ({})", revision)));
        } else {
            parts.push_back(fmt::format("{}% {}", percent, revision));
        }
    }
    return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace tidemill::cli
