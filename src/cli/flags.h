// The words of a command line, read by a table.
//
// Not CLI11: Debian 12 has 2.1.2, which neither suggests what was meant nor knows completion, and a
// table of our own gives help, completion and parsing from one place.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidemill::cli {

struct Flag {
    std::string_view name;         // "--namespace"
    std::string_view letter = {};  // "-n", or empty
    std::string_view value = {};   // what stands in the help: "NAME"; empty: a switch
    std::string_view help = {};
    enum class Times : std::uint8_t { once, many } times = Times::once;
};

// What was written: flags by their names, and the words between them.
class Invocation {
public:
    std::vector<std::string> words;

    void add(std::string_view flag, std::string value) {
        values_[std::string(flag)].push_back(std::move(value));
    }
    bool has(std::string_view flag) const { return values_.contains(flag); }
    // The value, or `absent`.
    std::string text(std::string_view flag, std::string_view absent = {}) const;
    // All values in their order; none when absent.
    std::vector<std::string> all(std::string_view flag) const;

private:
    std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

// The name nearest to `wrong`, or an empty view when nothing is near enough to be meant (more than
// a third of its letters differ).
std::string_view nearest(std::string_view wrong, std::span<const std::string_view> known);

// Reads `words`: `--flag value`, `--flag=value`, `-f value`, `-fvalue`, several switches in one
// word (`-it`), and `--`, behind which nothing is a flag. A lone `-` is a word. Errors: invalid: an
// unknown flag (with the nearest known one), a value missing or not wanted, a flag given twice that
// may not be.
base::Result<Invocation> parse_flags(std::span<const Flag> known,
                                     std::span<const std::string> words);

// Where the first word stands that is neither one of `global` flags nor its value; words.size() if
// there is none. Errors: invalid: a flag before it that is not global.
base::Result<std::size_t> find_command(std::span<const Flag> global,
                                       std::span<const std::string> words);

}  // namespace tidemill::cli
