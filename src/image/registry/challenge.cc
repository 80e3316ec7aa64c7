#include "image/registry/challenge.h"

#include "base/text.h"

namespace tidemill::image {
namespace {

// RFC 9110 section 5.6.2, and what token68 has more (section 11.2).
bool is_token_char(char c) {
    const char low = base::to_lower(c);
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~/").find(c) != std::string_view::npos;
}

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    std::vector<Challenge> run() {
        std::vector<Challenge> found;
        for (;;) {
            skip(" \t,");
            const auto word = token();
            if (word.empty()) {
                return found;
            }
            skip(" \t");
            if (peek() != '=' || found.empty()) {
                found.push_back({.scheme = base::lower(word), .parameters = {}});
                continue;
            }
            ++at_;
            skip(" \t");
            std::string value;
            if (!read_value(value)) {
                return found;
            }
            found.back().parameters.emplace(base::lower(word), std::move(value));
        }
    }

private:
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    void skip(std::string_view what) {
        while (at_ < text_.size() && what.find(text_[at_]) != std::string_view::npos) {
            ++at_;
        }
    }
    std::string_view token() {
        const auto from = at_;
        while (at_ < text_.size() && is_token_char(text_[at_])) {
            ++at_;
        }
        return text_.substr(from, at_ - from);
    }
    bool read_value(std::string& value) {
        if (peek() != '"') {
            value = token();
            return !value.empty();
        }
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] == '"') {
                ++at_;
                return true;
            }
            if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
                ++at_;
            }
            value += text_[at_];
        }
        return false;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

std::string Challenge::parameter(const std::string& name) const {
    const auto found = parameters.find(name);
    return found == parameters.end() ? std::string() : found->second;
}

std::vector<Challenge> parse_challenges(std::string_view field) {
    return Parser(field).run();
}

}  // namespace tidemill::image
