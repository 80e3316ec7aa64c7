#include "builder/ignore.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace tidemill::builder {
namespace {

constexpr std::array never_source{".git",        ".hg",          ".svn",          ".DS_Store",
                                  "__pycache__", "node_modules", "venv",          ".venv",
                                  ".tox",        ".mypy_cache",  ".pytest_cache", ".tidemill"};

constexpr std::size_t rules_max = 1000;

// One part against one pattern without '/': the last star is the only one worth going back to.
bool part_matches(std::string_view pattern, std::string_view part) {
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t star_text = 0;
    while (t < part.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            star_text = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == part[t])) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    return std::ranges::all_of(pattern.substr(p), [](char c) { return c == '*'; });
}

}  // namespace

bool is_never_source(std::string_view path) {
    const auto name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
    return std::ranges::find(never_source, name) != never_source.end() || name.ends_with(".pyc");
}

bool glob_matches(std::string_view pattern, std::string_view path) {
    const auto patterns = base::split(pattern, '/');
    const auto parts = base::split(path, '/');
    // reached[i]: the patterns so far match the first i parts.
    std::vector<char> reached(parts.size() + 1, 0);
    reached[0] = 1;
    for (const auto each : patterns) {
        std::vector<char> next(parts.size() + 1, 0);
        for (std::size_t i = 0; i <= parts.size(); ++i) {
            if (each == "**") {
                next[i] = static_cast<char>(reached[i] != 0 || (i > 0 && next[i - 1] != 0));
            } else if (i > 0 && reached[i - 1] != 0 && part_matches(each, parts[i - 1])) {
                next[i] = 1;
            }
        }
        reached = std::move(next);
    }
    return reached.back() != 0;
}

IgnoreRules::IgnoreRules(std::string_view text, Dialect dialect) {
    for (auto line : base::split(text, '\n')) {
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        line = base::trim(line);
        if (line.empty() || line.starts_with('#') || rules_.size() >= rules_max) {
            continue;
        }
        Rule rule;
        if (line.starts_with('!')) {
            rule.effect = Rule::Effect::keep;
            line.remove_prefix(1);
        }
        if (line.ends_with('/')) {
            // Docker cuts the slash off and matches files too.
            rule.what = dialect == Dialect::git ? Rule::What::directories : Rule::What::any;
            line.remove_suffix(1);
        }
        while (line.starts_with("./")) {
            line.remove_prefix(2);
        }
        if (line.find('/') != std::string_view::npos || dialect == Dialect::docker) {
            rule.where = Rule::Where::from_root;
        }
        if (line.starts_with('/')) {
            line.remove_prefix(1);
        }
        if (line.empty()) {
            continue;
        }
        rule.pattern = line;
        rules_.push_back(std::move(rule));
    }
}

bool IgnoreRules::ignores(std::string_view path, Type type) const {
    for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
        if (rule->what == Rule::What::directories && type != Type::directory) {
            continue;
        }
        const auto subject =
            rule->where == Rule::Where::anywhere ? path.substr(path.rfind('/') + 1) : path;
        if (glob_matches(rule->pattern, subject)) {
            return rule->effect == Rule::Effect::ignore;
        }
    }
    return false;
}

}  // namespace tidemill::builder
