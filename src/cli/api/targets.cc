#include "cli/api/targets.h"

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

}  // namespace tidemill::cli
