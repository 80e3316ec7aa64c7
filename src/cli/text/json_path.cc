#include "cli/text/json_path.h"

#include <vector>

#include "base/text.h"
#include "cli/api/documents.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;
using Found = std::vector<const wire::Json*>;

constexpr std::size_t depth_max = 16;

std::unexpected<base::Error> wrong(std::string_view what, std::string_view where) {
    return fail(Code::invalid, "jsonpath: {} at \"{}\"", what, where.substr(0, 40));
}

void step_all(const Found& from, Found& to) {
    for (const auto* const value : from) {
        if (value->is_array()) {
            for (const auto& each : value->get_array()) {
                to.push_back(&each);
            }
        } else if (value->is_object()) {
            for (const auto& each : value->get_object()) {
                to.push_back(&each.value());
            }
        }
    }
}

Found step_key(const Found& from, std::string_view key) {
    Found to;
    if (key == "*") {
        step_all(from, to);
        return to;
    }
    for (const auto* const value : from) {
        if (value->is_object()) {
            if (const auto* const next = value->get_object().if_contains(key)) {
                to.push_back(next);
            }
        }
    }
    return to;
}

Found step_index(const Found& from, std::int64_t index) {
    Found to;
    for (const auto* const value : from) {
        if (!value->is_array()) {
            continue;
        }
        const auto size = static_cast<std::int64_t>(value->get_array().size());
        const auto at = index < 0 ? size + index : index;
        if (at >= 0 && at < size) {
            to.push_back(&value->get_array()[static_cast<std::size_t>(at)]);
        }
    }
    return to;
}

std::string_view unquote(std::string_view text) {
    if (text.size() >= 2 && (text.front() == '\'' || text.front() == '"') &&
        text.back() == text.front()) {
        return text.substr(1, text.size() - 2);
    }
    return text;
}

Result<Found> walk(std::string_view path, const Found& from);

// `?(@.type=="Ready")`, without brackets.
Result<Found> step_filter(const Found& from, std::string_view filter) {
    if (!filter.starts_with("?(") || !filter.ends_with(')')) {
        return wrong("a filter is written [?(@.key==\"text\")]", filter);
    }
    const auto inside = filter.substr(2, filter.size() - 3);
    auto at = inside.find("==");
    const bool equal = at != std::string_view::npos;
    if (!equal) {
        at = inside.find("!=");
    }
    const auto path = base::trim(inside.substr(0, at));
    if (!path.starts_with('@')) {
        return wrong("a filter begins with @", filter);
    }
    Found all;
    step_all(from, all);
    Found to;
    for (const auto* const value : all) {
        TRY(const auto left, walk(path.substr(1), {value}));
        if (at == std::string_view::npos) {
            if (!left.empty()) {
                to.push_back(value);
            }
            continue;
        }
        const auto wanted = unquote(base::trim(inside.substr(at + 2)));
        if (!left.empty() && (cell_text(*left.front()) == wanted) == equal) {
            to.push_back(value);
        }
    }
    return to;
}

Result<Found> step_bracket(const Found& from, std::string_view inside) {
    if (inside == "*") {
        Found to;
        step_all(from, to);
        return to;
    }
    if (inside.starts_with('?')) {
        return step_filter(from, inside);
    }
    if (const auto index = base::parse_number<std::int64_t>(inside)) {
        return step_index(from, *index);
    }
    if (unquote(inside) != inside) {
        return step_key(from, unquote(inside));
    }
    return wrong("expected an index, a 'key', * or a filter", inside);
}

// The end of a bracket's inside: its "]" outside quotes and parentheses.
std::size_t bracket_end(std::string_view text) {
    char quote = 0;
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote != 0) {
            quote = c == quote ? '\0' : quote;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '(') {
            ++depth;
        } else if (c == ')') {
            --depth;
        } else if (c == ']' && depth == 0) {
            return i;
        }
    }
    return std::string_view::npos;
}

Result<Found> walk(std::string_view path, const Found& from) {
    Found at = from;
    if (path.starts_with('$') || path.starts_with('@')) {
        path.remove_prefix(1);
    }
    while (!path.empty()) {
        if (path.front() == '[') {
            const auto end = bracket_end(path.substr(1));
            if (end == std::string_view::npos) {
                return wrong("a bracket is not closed", path);
            }
            TRY(at, step_bracket(at, path.substr(1, end)));
            path.remove_prefix(end + 2);
            continue;
        }
        if (path.front() != '.') {
            return wrong("expected . or [", path);
        }
        path.remove_prefix(1);
        std::string key;
        while (!path.empty() && path.front() != '.' && path.front() != '[') {
            if (path.front() == '\\' && path.size() > 1) {
                path.remove_prefix(1);
            }
            key += path.front();
            path.remove_prefix(1);
        }
        if (!key.empty()) {
            at = step_key(at, key);
        }
    }
    return at;
}

std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) {
            ++i;
            out += text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i];
        } else {
            out += text[i];
        }
    }
    return out;
}

class Template {
public:
    explicit Template(std::string_view text) : left_(text) {}

    // Writes what stands here up to the end, or to the `{end}` of this range.
    Status render(const Found& at, std::string& out, std::size_t depth) {
        if (depth > depth_max) {
            return fail(Code::exhausted, "jsonpath: ranges are nested deeper than {}", depth_max);
        }
        while (!left_.empty()) {
            if (left_.front() != '{') {
                const auto end = left_.find('{');
                out += left_.substr(0, end);
                left_.remove_prefix(end == std::string_view::npos ? left_.size() : end);
                continue;
            }
            TRY(const auto inside, take_braces());
            if (inside == "end") {
                if (depth == 0) {
                    return wrong("an end without a range", "{end}");
                }
                ended_ = true;
                return base::ok;
            }
            if (inside.starts_with("range ")) {
                CHECK_OK(range(base::trim(inside.substr(6)), at, out, depth));
            } else if (unquote(inside) != inside) {
                out += unescape(unquote(inside));
            } else {
                CHECK_OK(path(inside, at, out));
            }
        }
        return base::ok;
    }

private:
    Result<std::string_view> take_braces() {
        char quote = 0;
        for (std::size_t i = 1; i < left_.size(); ++i) {
            const char c = left_[i];
            if (quote != 0) {
                if (c == '\\') {
                    ++i;
                } else if (c == quote) {
                    quote = 0;
                }
            } else if (c == '"' || c == '\'') {
                quote = c;
            } else if (c == '}') {
                const auto inside = base::trim(left_.substr(1, i - 1));
                left_.remove_prefix(i + 1);
                return inside;
            }
        }
        return wrong("a brace is not closed", left_);
    }

    static Status path(std::string_view text, const Found& at, std::string& out) {
        TRY(const auto found, walk(text, at));
        for (std::size_t i = 0; i < found.size(); ++i) {
            out += (i == 0 ? "" : " ") + cell_text(*found[i]);
        }
        return base::ok;
    }

    Status range(std::string_view text, const Found& at, std::string& out, std::size_t depth) {
        TRY(const auto elements, walk(text, at));
        const auto body = left_;
        if (elements.empty()) {
            std::string unseen;
            CHECK_OK(render({}, unseen, depth + 1));
        }
        for (const auto* const element : elements) {
            left_ = body;
            ended_ = false;
            CHECK_OK(render({element}, out, depth + 1));
        }
        if (!ended_) {
            return wrong("a range without its {end}", body);
        }
        ended_ = false;
        return base::ok;
    }

    std::string_view left_;
    bool ended_ = false;
};

}  // namespace

Result<std::string> apply_json_path(std::string_view text, const wire::Json& document) {
    std::string braced;
    if (text.find('{') == std::string_view::npos) {
        const bool rooted = text.starts_with('.') || text.starts_with('$') || text.starts_with('[');
        braced = (rooted ? "{" : "{.") + std::string(text) + "}";
        text = braced;
    }
    std::string out;
    CHECK_OK(Template(text).render({&document}, out, 0));
    return out;
}

}  // namespace tidemill::cli
