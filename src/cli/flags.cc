#include "cli/flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;
using base::Result;

// A word taken apart: the flag's name and what is attached to it.
struct Parts {
    std::string_view name;
    std::optional<std::string_view> value;
};

Parts take_apart(std::string_view word) {
    if (word.starts_with("--")) {
        const auto equals = word.find('=');
        if (equals == std::string_view::npos) {
            return {word, std::nullopt};
        }
        return {word.substr(0, equals), word.substr(equals + 1)};
    }
    if (word.size() == 2) {
        return {word, std::nullopt};
    }
    auto value = word.substr(2);
    if (value.starts_with('=')) {
        value.remove_prefix(1);
    }
    return {word.substr(0, 2), value};
}

const Flag* find_flag(std::span<const Flag> known, std::string_view name) {
    for (const auto& flag : known) {
        if (flag.name == name || (!flag.letter.empty() && flag.letter == name)) {
            return &flag;
        }
    }
    return nullptr;
}

std::unexpected<base::Error> unknown(std::span<const Flag> known, std::string_view name) {
    std::vector<std::string_view> names;
    for (const auto& flag : known) {
        names.push_back(flag.name);
    }
    const auto meant = nearest(name, names);
    if (meant.empty()) {
        return fail(Code::invalid, "unknown flag {}", name);
    }
    return fail(Code::invalid, "unknown flag {}. Did you mean {}?", name, meant);
}

bool is_flag(std::string_view word) {
    return word.size() > 1 && word.front() == '-';
}

}  // namespace

std::string Invocation::text(std::string_view flag, std::string_view absent) const {
    const auto found = values_.find(flag);
    return found == values_.end() ? std::string(absent) : found->second.back();
}

std::vector<std::string> Invocation::all(std::string_view flag) const {
    const auto found = values_.find(flag);
    return found == values_.end() ? std::vector<std::string>() : found->second;
}

std::string_view nearest(std::string_view wrong, std::span<const std::string_view> known) {
    std::string_view best;
    std::size_t best_distance = wrong.size() / 3 + 2;
    for (const auto name : known) {
        const auto distance = base::edit_distance(wrong, name);
        if (distance < best_distance) {
            best = name;
            best_distance = distance;
        }
    }
    return best;
}

Result<Invocation> parse_flags(std::span<const Flag> known, std::span<const std::string> words) {
    Invocation out;
    bool flags_ended = false;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string_view word = words[i];
        if (flags_ended || !is_flag(word)) {
            out.words.emplace_back(word);
            continue;
        }
        if (word == "--") {
            flags_ended = true;
            continue;
        }
        auto [name, value] = take_apart(word);
        const auto* flag = find_flag(known, name);
        if (flag == nullptr) {
            return unknown(known, name);
        }
        const bool is_switch = flag->value.empty();
        if (is_switch && value && !name.starts_with("--")) {
            // -it: each letter a switch of its own.
            for (const char letter : word.substr(1)) {
                const auto one = std::string{'-', letter};
                const auto* const each = find_flag(known, one);
                if (each == nullptr) {
                    return unknown(known, one);
                }
                if (!each->value.empty()) {
                    return fail(Code::invalid, "{} wants a value; write it on its own", one);
                }
                out.add(each->name, "");
            }
            continue;
        }
        if (is_switch && value) {
            return fail(Code::invalid, "{} takes no value", flag->name);
        }
        if (!is_switch && !value) {
            if (i + 1 == words.size()) {
                return fail(Code::invalid, "{} wants a value: {} {}", name, name, flag->value);
            }
            value = words[++i];
        }
        if (flag->times == Flag::Times::once && !is_switch && out.has(flag->name)) {
            return fail(Code::invalid, "{} is given twice", flag->name);
        }
        out.add(flag->name, std::string(value.value_or("")));
    }
    return out;
}

Result<std::size_t> find_command(std::span<const Flag> global, std::span<const std::string> words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (!is_flag(words[i])) {
            return i;
        }
        const auto [name, value] = take_apart(words[i]);
        const auto* const flag = find_flag(global, name);
        if (flag == nullptr) {
            auto error = unknown(global, name).error();
            error.message += " (a command's own flags stand behind its name)";
            return std::unexpected(std::move(error));
        }
        if (!flag->value.empty() && !value) {
            ++i;
        }
    }
    return words.size();
}

}  // namespace tidemill::cli
