// What of a folder is not part of the source.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidemill::builder {

// True for names that are never source, wherever they stand: version control, installed packages,
// caches and virtual environments of the machine that the folder comes from, and what builds make.
bool is_never_source(std::string_view path);

// The lines of an ignore file. Understood: blank lines, # comments, ! exceptions, a trailing slash
// for directories only, ?, *, ** between slashes; the last line that matches decides.
class IgnoreRules {
public:
    enum class Dialect : std::uint8_t {
        git,  // .tidemillignore: a pattern without a slash matches at any depth, as in gitignore(5)
        docker,  // .dockerignore: every pattern is of the whole path
    };
    IgnoreRules() = default;
    IgnoreRules(std::string_view text, Dialect dialect);

    enum class Type : std::uint8_t { file, directory };
    // Of the path alone: what lies in an ignored directory is the caller's to leave out.
    bool ignores(std::string_view path, Type type) const;
    bool empty() const { return rules_.empty(); }

private:
    struct Rule {
        std::string pattern;
        enum class Where : std::uint8_t { anywhere, from_root } where = Where::anywhere;
        enum class What : std::uint8_t { any, directories } what = What::any;
        enum class Effect : std::uint8_t { ignore, keep } effect = Effect::ignore;
    };
    std::vector<Rule> rules_;
};

// True when `path` matches the glob `pattern`: ? one byte, * any bytes but '/', "**" as a whole
// part any number of parts. Linear in the product of both lengths.
bool glob_matches(std::string_view pattern, std::string_view path);

}  // namespace tidemill::builder
