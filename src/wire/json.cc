#include "wire/json.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "wire/json_build.h"
#include "wire/text_position.h"

namespace tidemill::wire {
namespace {

using base::Code;
using base::fail;
using base::Result;

// Receives Boost's parse events. Keys and strings may arrive in parts.
class Handler {
public:
    static constexpr std::size_t max_object_size = SIZE_MAX;
    static constexpr std::size_t max_array_size = SIZE_MAX;
    static constexpr std::size_t max_key_size = SIZE_MAX;
    static constexpr std::size_t max_string_size = SIZE_MAX;
    using Error = boost::system::error_code;

    explicit Handler(const JsonLimits& limits) : builder(limits) {}

    bool on_document_begin(Error&) { return true; }
    bool on_document_end(Error&) { return true; }
    bool on_object_begin(Error& error) { return answer(builder.begin_object(), error); }
    bool on_object_end(std::size_t, Error& error) { return answer(builder.end(), error); }
    bool on_array_begin(Error& error) { return answer(builder.begin_array(), error); }
    bool on_array_end(std::size_t, Error& error) { return answer(builder.end(), error); }
    bool on_key_part(std::string_view part, std::size_t, Error&) { return collect(part); }
    bool on_key(std::string_view part, std::size_t, Error& error) {
        collect(part);
        return answer(builder.key(std::exchange(text_, {})), error);
    }
    bool on_string_part(std::string_view part, std::size_t, Error&) { return collect(part); }
    bool on_string(std::string_view part, std::size_t, Error& error) {
        collect(part);
        return answer(builder.value(Json(std::exchange(text_, {}))), error);
    }
    bool on_number_part(std::string_view part, Error&) { return collect(part); }
    bool on_int64(std::int64_t, std::string_view part, Error& error) {
        return number(part, 0, error);
    }
    bool on_uint64(std::uint64_t, std::string_view part, Error& error) {
        return number(part, 0, error);
    }
    bool on_double(double near, std::string_view part, Error& error) {
        return number(part, near, error);
    }
    bool on_bool(bool value, Error& error) { return answer(builder.value(Json(value)), error); }
    bool on_null(Error& error) { return answer(builder.value(Json(nullptr)), error); }
    bool on_comment_part(std::string_view, Error&) { return true; }
    bool on_comment(std::string_view, Error&) { return true; }

    JsonBuilder builder;

private:
    static bool answer(bool fine, Error& error) {
        if (!fine) {
            error = boost::json::error::syntax;
        }
        return fine;
    }

    bool collect(std::string_view part) {
        text_ += part;
        return true;
    }

    // Boost's own conversion of doubles is off by an ulp at times, so the text is converted here;
    // `near` is Boost's value, which tells a number that is too small from one that is too large.
    bool number(std::string_view part, double near, Error& error) {
        collect(part);
        const std::string text = std::exchange(text_, {});
        if (text.find_first_of(".eE") == std::string::npos) {
            if (const auto value = base::parse_number<std::int64_t>(text)) {
                return answer(builder.value(Json(*value)), error);
            }
            if (const auto value = base::parse_number<std::uint64_t>(text)) {
                return answer(builder.value(Json(*value)), error);
            }
            return answer(
                builder.refuse(Code::invalid, fmt::format("{}integer {} does not fit into 64 bits",
                                                          prefix(), text)),
                error);
        }
        double value = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
        if (read.ec == std::errc::result_out_of_range && std::abs(near) < 1) {
            value = 0;
        } else if (read.ec != std::errc()) {
            return answer(builder.refuse(Code::invalid,
                                         fmt::format("{}number {} is too large", prefix(), text)),
                          error);
        }
        return answer(builder.value(Json(value)), error);
    }

    std::string prefix() const {
        const std::string path = builder.path();
        return path.empty() ? path : path + ": ";
    }

    std::string text_;
};

void write_string(std::string& out, std::string_view text) {
    out += '"';
    std::size_t done = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        out += text.substr(done, i - done);
        done = i + 1;
        switch (c) {
                // clang-format off
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            default: fmt::format_to(std::back_inserter(out), "\\u{:04x}", c); break;
                // clang-format on
        }
    }
    out += text.substr(done);
    out += '"';
}

void write_double(std::string& out, double value) {
    if (!std::isfinite(value)) {
        out += "null";
        return;
    }
    const std::size_t before = out.size();
    fmt::format_to(std::back_inserter(out), "{}", value);
    if (out.find_first_of(".e", before) == std::string::npos) {
        out += ".0";
    }
}

class Writer {
public:
    Writer(std::string& out, JsonStyle style) : out_(out), pretty_(style == JsonStyle::pretty) {}

    void write(const Json& value) {
        switch (value.kind()) {
            case boost::json::kind::null:
                out_ += "null";
                break;
            case boost::json::kind::bool_:
                out_ += value.get_bool() ? "true" : "false";
                break;
            case boost::json::kind::int64:
                fmt::format_to(std::back_inserter(out_), "{}", value.get_int64());
                break;
            case boost::json::kind::uint64:
                fmt::format_to(std::back_inserter(out_), "{}", value.get_uint64());
                break;
            case boost::json::kind::double_:
                write_double(out_, value.get_double());
                break;
            case boost::json::kind::string:
                write_string(out_, value.get_string());
                break;
            case boost::json::kind::array:
                write_array(value.get_array());
                break;
            case boost::json::kind::object:
                write_object(value.get_object());
                break;
        }
    }

private:
    void write_array(const JsonArray& array) {
        out_ += '[';
        ++depth_;
        for (std::size_t i = 0; i < array.size(); ++i) {
            separate(i);
            write(array[i]);
        }
        close(']', array.empty());
    }

    void write_member(std::size_t position, const boost::json::key_value_pair& member) {
        separate(position);
        write_string(out_, member.key());
        out_ += pretty_ ? ": " : ":";
        write(member.value());
    }

    void write_object(const JsonObject& object) {
        out_ += '{';
        ++depth_;
        std::size_t position = 0;
        if (pretty_) {
            std::vector<const boost::json::key_value_pair*> members;
            members.reserve(object.size());
            for (const auto& member : object) {
                members.push_back(&member);
            }
            std::sort(members.begin(), members.end(),
                      [](const auto* a, const auto* b) { return a->key() < b->key(); });
            for (const auto* member : members) {
                write_member(position++, *member);
            }
        } else {
            for (const auto& member : object) {
                write_member(position++, member);
            }
        }
        close('}', object.empty());
    }

    void separate(std::size_t position) {
        if (position != 0) {
            out_ += ',';
        }
        break_line();
    }

    void close(char bracket, bool empty) {
        --depth_;
        if (!empty) {
            break_line();
        }
        out_ += bracket;
    }

    void break_line() {
        if (pretty_) {
            out_ += '\n';
            out_.append(depth_ * 4, ' ');
        }
    }

    std::string& out_;
    bool pretty_;
    std::size_t depth_ = 0;
};

}  // namespace

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
    if (text.size() > limits.bytes_max) {
        return fail(Code::exhausted, "{} bytes, more than {}", text.size(), limits.bytes_max);
    }
    // Depth is the builder's business; Boost's own limit must not be met first.
    boost::json::parse_options options;
    options.max_depth = limits.depth_max + 1;
    boost::json::basic_parser<Handler> parser(options, limits);
    boost::system::error_code error;
    std::size_t at = parser.write_some(false, text.data(), text.size(), error);
    if (!error && parser.done()) {
        const std::size_t rest = text.find_first_not_of(" \t\r\n", at);
        if (rest == std::string_view::npos) {
            return parser.handler().builder.take();
        }
        return fail(Code::invalid, "{}: text after the end of the value",
                    position_text(text, rest));
    }
    const std::string where = position_text(text, at);
    if (parser.handler().builder.failed()) {
        return base::wrap(where + ": ", parser.handler().builder.error());
    }
    if (error == boost::json::error::incomplete || !error) {
        return fail(Code::invalid, "{}: the text ends inside of a value", where);
    }
    return fail(Code::invalid, "{}: {}", where, error.message());
}

std::string write_json(const Json& value, JsonStyle style) {
    std::string out;
    Writer(out, style).write(value);
    return out;
}

std::string_view kind_name(const Json& value) {
    switch (value.kind()) {
        case boost::json::kind::null:
            return "null";
        case boost::json::kind::bool_:
            return "bool";
        case boost::json::kind::int64:
        case boost::json::kind::uint64:
            return "integer";
        case boost::json::kind::double_:
            return "number";
        case boost::json::kind::string:
            return "string";
        case boost::json::kind::array:
            return "array";
        case boost::json::kind::object:
            return "object";
    }
    return "";
}

}  // namespace tidemill::wire
