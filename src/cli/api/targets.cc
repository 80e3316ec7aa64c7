#include "cli/api/targets.h"

#include <algorithm>

#include "base/text.h"

namespace tidemill::cli {

base::Result<std::vector<Target>> parse_targets(const Kinds& kinds,
                                                const std::vector<std::string>& words) {
    std::vector<Target> out;
    const KindEntry* kind = nullptr;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string_view word = words[i];
        if (const auto slash = word.find('/'); slash != std::string_view::npos) {
            TRY(const auto* const own, kinds.find(word.substr(0, slash)));
            out.push_back({own, std::string(word.substr(slash + 1))});
            continue;
        }
        if (i == 0 && words.size() > 1 && kinds.has(word)) {
            TRY(kind, kinds.find(word));
            continue;
        }
        if (kind == nullptr) {
            TRY(kind, kinds.find(default_kind));
        }
        out.push_back({kind, std::string(word)});
    }
    return out;
}

base::Result<std::vector<Target>> parse_wanted(const Kinds& kinds,
                                               const std::vector<std::string>& words) {
    using base::Code;
    using base::fail;
    std::vector<Target> out;
    if (words.empty()) {
        return fail(Code::invalid, "give a kind, and names if you want single objects");
    }
    const auto has_slash = [](const std::string& word) {
        return word.find('/') != std::string::npos;
    };
    const auto pairs = std::ranges::count_if(words, has_slash);
    if (pairs > 0) {
        if (static_cast<std::size_t>(pairs) != words.size()) {
            return fail(Code::invalid, "give either KIND NAME… or KIND/NAME… for all");
        }
        for (const auto& word : words) {
            const auto slash = word.find('/');
            if (slash + 1 == word.size()) {
                return fail(Code::invalid, "{} has no name behind the slash", word);
            }
            TRY(const auto* const kind, kinds.find(std::string_view(word).substr(0, slash)));
            out.push_back({kind, word.substr(slash + 1)});
        }
        return out;
    }
    std::vector<const KindEntry*> found;
    for (const auto word : base::split(words.front(), ',')) {
        TRY(const auto some, kinds.find_all(word));
        for (const auto* const kind : some) {
            if (std::ranges::find(found, kind) == found.end()) {
                found.push_back(kind);
            }
        }
    }
    if (words.size() > 1 && found.size() > 1) {
        return fail(Code::invalid, "names are of one kind: write KIND/NAME… for several kinds");
    }
    for (const auto* const kind : found) {
        if (words.size() == 1) {
            out.push_back({kind, ""});
        }
        for (std::size_t i = 1; i < words.size(); ++i) {
            out.push_back({kind, words[i]});
        }
    }
    return out;
}

}  // namespace tidemill::cli
