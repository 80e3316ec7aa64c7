#include <algorithm>

#include "wire/http_scan.h"
#include "wire/yaml.h"

namespace tidemill::wire {
namespace {

bool is_letter(char c) {
    return scan::is_letter(c) || static_cast<unsigned char>(c) >= 0x80;
}

// The run of digits around `at`, or an empty view.
std::string_view digits_around(std::string_view text, std::size_t at) {
    std::size_t begin = std::min(at, text.size());
    while (begin > 0 && scan::is_digit(text[begin - 1])) {
        --begin;
    }
    std::size_t end = begin;
    while (end < text.size() && scan::is_digit(text[end])) {
        ++end;
    }
    return text.substr(begin, end - begin);
}

// The order of keys that kubectl prints: numbers inside of keys by value, letters after other
// characters.
bool key_less(std::string_view a, std::string_view b) {
    const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (in_a == a.end() || in_b == b.end()) {
        return a.size() < b.size();
    }
    const auto at = static_cast<std::size_t>(in_a - a.begin());
    if (is_letter(*in_a) != is_letter(*in_b)) {
        return is_letter(*in_b);
    }
    if (!is_letter(*in_a)) {
        auto number_a = digits_around(a, at);
        auto number_b = digits_around(b, at);
        if (!number_a.empty() && !number_b.empty()) {
            number_a.remove_prefix(std::min(number_a.find_first_not_of('0'), number_a.size()));
            number_b.remove_prefix(std::min(number_b.find_first_not_of('0'), number_b.size()));
            if (number_a.size() != number_b.size()) {
                return number_a.size() < number_b.size();
            }
            if (number_a != number_b) {
                return number_a < number_b;
            }
        }
    }
    return static_cast<unsigned char>(*in_a) < static_cast<unsigned char>(*in_b);
}

// What the characters of a text allow.
struct Shape {
    bool plain = true;     // may stand without quotes
    bool literal = true;   // may stand as a block
    bool escapes = false;  // needs double quotes
};

bool is_blank_at(std::string_view text, std::size_t at) {
    return at >= text.size() || text[at] == ' ' || text[at] == '\t' || text[at] == '\n';
}

// U+0085, U+2028, U+2029 and U+FEFF break lines or vanish for some readers.
bool is_odd_character(std::string_view rest) {
    return rest.starts_with("\xc2\x85") || rest.starts_with("\xe2\x80\xa8") ||
           rest.starts_with("\xe2\x80\xa9") || rest.starts_with("\xef\xbb\xbf") ||
           // C1 controls and the two non-characters of the basic plane
           (rest.size() > 1 && rest[0] == '\xc2' && static_cast<unsigned char>(rest[1]) < 0xa0) ||
           rest.starts_with("\xef\xbf\xbe") || rest.starts_with("\xef\xbf\xbf");
}

Shape shape_of(std::string_view text) {
    Shape shape;
    if (text.empty()) {
        return {.plain = false, .literal = false, .escapes = true};
    }
    if (text.starts_with("---") || text.starts_with("...") || text.front() == ' ' ||
        text.back() == ' ' ||
        std::string_view("#,[]{}&*!|>'\"%@`").find(text.front()) != std::string_view::npos ||
        (std::string_view("?:-").find(text.front()) != std::string_view::npos &&
         is_blank_at(text, 1))) {
        shape.plain = false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c == '\n') {
            shape.plain = false;
            if (i > 0 && text[i - 1] == ' ') {
                shape.escapes = true;
            }
        } else if (c < 0x20 || c == 0x7f || (c >= 0x80 && is_odd_character(text.substr(i)))) {
            shape.escapes = true;
        } else if ((c == ':' && is_blank_at(text, i + 1)) ||
                   (c == '#' && i > 0 && is_blank_at(text, i - 1))) {
            shape.plain = false;
        }
    }
    if (text.back() == ' ') {
        shape.literal = false;
    }
    if (shape.escapes) {
        shape.plain = false;
        shape.literal = false;
    }
    return shape;
}

// "12:30" is a number to readers of YAML 1.1 other than kubectl.
bool is_base_60(std::string_view text) {
    text.remove_prefix(text.starts_with('-') || text.starts_with('+') ? 1 : 0);
    return !text.empty() && scan::is_digit(text.front()) && text.contains(':') &&
           text.find_first_not_of("0123456789_:.") == std::string_view::npos;
}

// A date, which YAML 1.1 makes a timestamp: "2001-01-01" and longer.
bool is_date(std::string_view text) {
    return text.size() >= 8 && std::all_of(text.begin(), text.begin() + 4, scan::is_digit) &&
           text[4] == '-' && scan::is_digit(text[5]);
}

class Writer {
public:
    explicit Writer(std::string& out) : out_(out) {}

    // `indent`: where the lines of this value begin; the first is indented already.
    void write(const Json& value, std::size_t indent) {
        if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
            write_object(*object, indent);
        } else if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
            write_array(*array, indent);
        } else {
            write_scalar(value, indent);
            out_ += '\n';
        }
    }

    void write_quoted(std::string_view text) {
        out_ += '"';
        for (std::size_t i = 0; i < text.size(); ++i) {
            const auto c = static_cast<unsigned char>(text[i]);
            if (c == '"' || c == '\\') {
                out_ += '\\';
                out_ += text[i];
            } else if (c == '\n') {
                out_ += "\\n";
            } else if (c == '\t') {
                out_ += "\\t";
            } else if (c == '\r') {
                out_ += "\\r";
            } else if (c == 0) {
                out_ += "\\0";
            } else if (c < 0x20 || c == 0x7f) {
                fmt::format_to(std::back_inserter(out_), "\\x{:02X}", c);
            } else if (c >= 0x80 && is_odd_character(text.substr(i))) {
                i += write_escaped_character(text.substr(i)) - 1;
            } else {
                out_ += text[i];
            }
        }
        out_ += '"';
    }

private:
    void write_array(const JsonArray& array, std::size_t indent) {
        bool first = true;
        for (const Json& element : array) {
            begin_line(indent, first);
            out_ += "- ";
            // A block of text is indented from the dash, a collection from behind it.
            write(element, element.is_structured() ? indent + 2 : indent);
        }
    }

    void write_object(const JsonObject& object, std::size_t indent) {
        std::vector<const boost::json::key_value_pair*> members;
        members.reserve(object.size());
        for (const auto& member : object) {
            members.push_back(&member);
        }
        std::sort(members.begin(), members.end(),
                  [](const auto* a, const auto* b) { return key_less(a->key(), b->key()); });
        bool first = true;
        for (const auto* member : members) {
            begin_line(indent, first);
            write_key(member->key());
            const Json& value = member->value();
            const auto* inner_object = value.if_object();
            const auto* inner_array = value.if_array();
            if (inner_object != nullptr && !inner_object->empty()) {
                out_ += '\n';
                out_.append(indent + 2, ' ');
                write(value, indent + 2);
            } else if (inner_array != nullptr && !inner_array->empty()) {
                out_ += '\n';
                out_.append(indent, ' ');
                write(value, indent);
            } else {
                out_ += ' ';
                write(value, indent);
            }
        }
    }

    // The caller has indented the first line.
    void begin_line(std::size_t indent, bool& first) {
        if (!first) {
            out_.append(indent, ' ');
        }
        first = false;
    }

    void write_key(std::string_view key) {
        // Readers need not look further than this for the colon of a simple key (YAML 1.1
        // section 7.3.3).
        static constexpr std::size_t simple_key_max = 128;
        if (key.size() > simple_key_max) {
            out_ += "? ";
            write_quoted(key);
            out_ += "\n";
            out_.append(indent_of_line(), ' ');
        } else if (key.contains('\n')) {
            write_quoted(key);
        } else {
            write_text(key, 0);
        }
        out_ += ':';
    }

    // Where the current line's text begins; used behind a long key only.
    std::size_t indent_of_line() const {
        const std::size_t line_end = out_.size() - 1;
        const std::size_t line = out_.rfind('\n', line_end - 1) + 1;
        return out_.find("? ", line) - line;
    }

    void write_scalar(const Json& value, std::size_t indent) {
        if (const auto* text = value.if_string()) {
            write_text(*text, indent);
        } else {
            out_ += write_json(value);
        }
    }

    void write_text(std::string_view text, std::size_t indent) {
        const Shape shape = shape_of(text);
        if (text.contains('\n') && shape.literal) {
            write_block(text, indent);
        } else if (shape.escapes || text.contains('\n') || !resolve_yaml_scalar(text).is_string() ||
                   is_base_60(text) || is_date(text)) {
            write_quoted(text);
        } else if (shape.plain) {
            out_ += text;
        } else {
            out_ += '\'';
            for (const char c : text) {
                out_ += c;
                if (c == '\'') {
                    out_ += c;
                }
            }
            out_ += '\'';
        }
    }

    void write_block(std::string_view text, std::size_t indent) {
        out_ += '|';
        if (text.front() == ' ' || text.front() == '\n') {
            out_ += '2';
        }
        if (!text.ends_with('\n')) {
            out_ += '-';
        } else if (text.ends_with("\n\n") || text == "\n") {
            out_ += '+';
        }
        while (true) {
            const std::size_t line_end = text.find('\n');
            const std::string_view line = text.substr(0, line_end);
            out_ += '\n';
            if (!line.empty()) {
                out_.append(indent + 2, ' ');
                out_ += line;
            }
            if (line_end == std::string_view::npos || line_end + 1 == text.size()) {
                return;
            }
            text.remove_prefix(line_end + 1);
        }
    }

    // Two or three bytes of UTF-8; returns how many.
    std::size_t write_escaped_character(std::string_view rest) {
        const auto bits = [&](std::size_t i) { return static_cast<unsigned>(rest[i]) & 0x3fU; };
        const bool two = (static_cast<unsigned char>(rest[0]) & 0xe0U) == 0xc0U;
        const unsigned code =
            two ? (bits(0) & 0x1fU) << 6U | bits(1)
                : (static_cast<unsigned>(rest[0]) & 0x0fU) << 12U | bits(1) << 6U | bits(2);
        fmt::format_to(std::back_inserter(out_), "\\u{:04X}", code);
        return two ? 2 : 3;
    }

    std::string& out_;
};

}  // namespace

std::string write_yaml(const Json& value) {
    std::string out;
    if (const auto* text = value.if_string();
        text != nullptr && text->find('\n') != boost::json::string::npos) {
        // Readers disagree on where a block begins that stands in no collection.
        Writer(out).write_quoted(*text);
        out += '\n';
    } else {
        Writer(out).write(value, 0);
    }
    return out;
}

}  // namespace tidemill::wire
