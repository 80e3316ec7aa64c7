#include "model/object/selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "model/object/names.h"

namespace tidemill::model {
namespace {

using base::Code;
using base::fail;

enum class Token : std::uint8_t {
    identifier,
    comma,
    open,
    close,
    bang,
    equals,
    double_equals,
    not_equals,
    greater,
    less,
    in,
    not_in,
    bad,
    end,
};

struct Lexeme {
    Token token;
    std::string_view text;
};

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_special(char c) {
    return std::string_view("=!(),><").find(c) != std::string_view::npos;
}

std::vector<Lexeme> scan(std::string_view text) {
    static constexpr std::pair<std::string_view, Token> symbols[] = {
        {"==", Token::double_equals}, {"!=", Token::not_equals}, {"=", Token::equals},
        {"!", Token::bang},           {",", Token::comma},       {"(", Token::open},
        {")", Token::close},          {">", Token::greater},     {"<", Token::less}};
    std::vector<Lexeme> out;
    while (true) {
        while (!text.empty() && is_space(text.front())) {
            text.remove_prefix(1);
        }
        if (text.empty()) {
            out.push_back({Token::end, ""});
            return out;
        }
        if (is_special(text.front())) {
            // Runs of special characters are one lexeme, so that "=!" is refused, not split.
            std::size_t length = 1;
            Token token = Token::bad;
            for (const auto& [symbol, its_token] : symbols) {
                if (text.starts_with(symbol)) {
                    token = its_token;
                    length = symbol.size();
                    break;
                }
            }
            out.push_back({token, text.substr(0, length)});
            text.remove_prefix(length);
            continue;
        }
        std::size_t length = 0;
        while (length < text.size() && !is_space(text[length]) && !is_special(text[length])) {
            ++length;
        }
        const auto word = text.substr(0, length);
        out.push_back(
            {word == "in" ? Token::in : (word == "notin" ? Token::not_in : Token::identifier),
             word});
        text.remove_prefix(length);
    }
}

class LabelParser {
public:
    explicit LabelParser(std::string_view text) : lexemes_(scan(text)) {}

    base::Result<std::vector<LabelSelector::Requirement>> parse() {
        std::vector<LabelSelector::Requirement> out;
        while (true) {
            const auto first = peek_value();
            if (first.token == Token::end) {
                return out;
            }
            if (first.token != Token::identifier && first.token != Token::bang) {
                return fail(Code::invalid,
                            "found '{}', expected: !, identifier, or 'end of string'", first.text);
            }
            auto requirement = parse_requirement();
            if (!requirement) {
                return base::wrap("unable to parse requirement: ", requirement.error());
            }
            out.push_back(*std::move(requirement));
            const auto after = take_value();
            if (after.token == Token::end) {
                return out;
            }
            if (after.token != Token::comma) {
                return fail(Code::invalid, "found '{}', expected: ',' or 'end of string'",
                            after.text);
            }
            const auto next = peek_value();
            if (next.token != Token::identifier && next.token != Token::bang) {
                return fail(Code::invalid, "found '{}', expected: identifier after ','", next.text);
            }
        }
    }

private:
    using Operator = LabelSelector::Operator;

    // `in` and `notin` are words like others except where an operator is due.
    static Lexeme as_value(Lexeme lexeme) {
        if (lexeme.token == Token::in || lexeme.token == Token::not_in) {
            lexeme.token = Token::identifier;
        }
        return lexeme;
    }
    Lexeme peek_value() const { return as_value(lexemes_[at_]); }
    Lexeme take() { return lexemes_[at_ + 1 < lexemes_.size() ? at_++ : at_]; }
    Lexeme take_value() { return as_value(take()); }

    base::Result<LabelSelector::Requirement> parse_requirement() {
        auto word = take_value();
        const bool absent = word.token == Token::bang;
        if (absent) {
            word = take_value();
        }
        if (word.token != Token::identifier) {
            return fail(Code::invalid, "found '{}', expected: identifier", word.text);
        }
        if (const auto reasons = check_label_key(word.text); !reasons.empty()) {
            return fail(Code::invalid, "<nil>: Invalid value: \"{}\": {}", word.text,
                        fmt::join(reasons, "; "));
        }
        LabelSelector::Requirement out{.key = std::string(word.text), .op = {}, .values = {}};
        const auto next = peek_value().token;
        if (absent || next == Token::end || next == Token::comma) {
            out.op = absent ? Operator::absent : Operator::exists;
            return out;
        }
        CHECK_OK(parse_operator(out));
        for (const auto& value : out.values) {
            if (const auto reasons = check_label_value(value); !reasons.empty()) {
                return fail(Code::invalid, "values[0][{}]: Invalid value: \"{}\": {}", out.key,
                            value, fmt::join(reasons, "; "));
            }
            if ((out.op == Operator::greater || out.op == Operator::less) &&
                !base::parse_number<std::int64_t>(value)) {
                return fail(Code::invalid,
                            "values[0]: Invalid value: \"{}\": for 'Gt', 'Lt' operators, the value "
                            "must be an integer",
                            value);
            }
        }
        return out;
    }

    base::Status parse_operator(LabelSelector::Requirement& out) {
        const auto lexeme = take();
        switch (lexeme.token) {
            case Token::in:
                out.op = Operator::in;
                return parse_values(out.values);
            case Token::not_in:
                out.op = Operator::not_in;
                return parse_values(out.values);
            case Token::equals:
            case Token::double_equals:
                out.op = Operator::in;
                return parse_exact(out.values);
            case Token::not_equals:
                out.op = Operator::not_in;
                return parse_exact(out.values);
            case Token::greater:
                out.op = Operator::greater;
                return parse_exact(out.values);
            case Token::less:
                out.op = Operator::less;
                return parse_exact(out.values);
            default:
                return fail(Code::invalid, "found '{}', expected: in, notin, =, ==, !=, gt, lt",
                            lexeme.text);
        }
    }

    base::Status parse_exact(std::vector<std::string>& values) {
        const auto next = peek_value().token;
        if (next == Token::end || next == Token::comma) {
            values.emplace_back();
            return base::ok;
        }
        const auto word = take_value();
        if (word.token != Token::identifier) {
            return fail(Code::invalid, "found '{}', expected: identifier", word.text);
        }
        values.emplace_back(word.text);
        return base::ok;
    }

    // "(a,b)"; an empty place between commas or brackets is the empty value.
    base::Status parse_values(std::vector<std::string>& values) {
        if (const auto open = take_value(); open.token != Token::open) {
            return fail(Code::invalid, "found '{}' expected: '('", open.text);
        }
        std::set<std::string> found;
        bool place_filled = false;
        while (true) {
            const auto word = take_value();
            if (word.token == Token::identifier && !place_filled) {
                found.emplace(word.text);
                place_filled = true;
            } else if (word.token == Token::comma || word.token == Token::close) {
                if (!place_filled) {
                    found.emplace();
                }
                place_filled = false;
                if (word.token == Token::close) {
                    values.assign(found.begin(), found.end());
                    return base::ok;
                }
            } else {
                return fail(Code::invalid, "found '{}', expected: {}", word.text,
                            place_filled ? "',' or ')'" : "',', ')' or identifier");
            }
        }
    }

    std::vector<Lexeme> lexemes_;
    std::size_t at_ = 0;
};

bool holds(const LabelSelector::Requirement& requirement, const TextMap& labels) {
    using Operator = LabelSelector::Operator;
    const auto found = labels.find(requirement.key);
    const bool present = found != labels.end();
    const auto listed = [&] {
        return std::ranges::find(requirement.values, found->second) != requirement.values.end();
    };
    switch (requirement.op) {
        case Operator::in:
            return present && listed();
        case Operator::not_in:
            return !present || !listed();
        case Operator::exists:
            return present;
        case Operator::absent:
            return !present;
        case Operator::greater:
        case Operator::less: {
            const auto have =
                present ? base::parse_number<std::int64_t>(found->second) : std::nullopt;
            const auto bound = base::parse_number<std::int64_t>(requirement.values.front());
            return have && bound &&
                   (requirement.op == Operator::greater ? *have > *bound : *have < *bound);
        }
    }
    return false;
}

std::vector<std::string_view> split_terms(std::string_view text) {
    std::vector<std::string_view> out;
    std::size_t start = 0;
    bool escaped = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (escaped) {
            escaped = false;
        } else if (text[i] == '\\') {
            escaped = true;
        } else if (text[i] == ',') {
            out.push_back(text.substr(start, i - start));
            start = i + 1;
        }
    }
    out.push_back(text.substr(start));
    return out;
}

base::Result<std::string> unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\') {
            if (i + 1 == text.size()) {
                return fail(Code::invalid, "invalid field selector: invalid escape sequence: \\");
            }
            ++i;
            if (text[i] != '\\' && text[i] != ',' && text[i] != '=') {
                return fail(Code::invalid, "invalid field selector: invalid escape sequence: \\{}",
                            text[i]);
            }
        } else if (text[i] == '=') {
            return fail(Code::invalid, "invalid field selector: unescaped character in value: {}",
                        text[i]);
        }
        out += text[i];
    }
    return out;
}

std::string field_text(const Object& object, std::string_view path) {
    if (path == "metadata.name") {
        return object.metadata.name;
    }
    if (path == "metadata.namespace") {
        return object.metadata.namespace_name;
    }
    if (object.kind == KindId::event && path == "source") {
        const auto component = text_at(object.body, {"source", "component"});
        return std::string(component.empty() ? text_at(object.body, {"reportingComponent"})
                                             : component);
    }
    const Json* at = nullptr;
    const JsonObject* in = &object.body;
    for (const auto part : base::split(path, '.')) {
        at = in == nullptr ? nullptr : find_member(*in, {part});
        in = at == nullptr ? nullptr : at->if_object();
    }
    const auto* text = at == nullptr ? nullptr : at->if_string();
    return text == nullptr ? std::string() : std::string(as_view(*text));
}

}  // namespace

base::Result<LabelSelector> LabelSelector::parse(std::string_view text) {
    TRY(auto requirements, LabelParser(text).parse());
    LabelSelector out;
    out.requirements_ = std::move(requirements);
    return out;
}

LabelSelector LabelSelector::of(const TextMap& labels) {
    LabelSelector out;
    for (const auto& [key, value] : labels) {
        out.requirements_.push_back({.key = key, .op = Operator::in, .values = {value}});
    }
    return out;
}

bool LabelSelector::matches(const TextMap& labels) const {
    return std::ranges::all_of(requirements_,
                               [&](const auto& requirement) { return holds(requirement, labels); });
}

base::Result<FieldSelector> FieldSelector::parse(const Kind& kind, std::string_view text) {
    FieldSelector out;
    for (const auto part : split_terms(text)) {
        if (part.empty()) {
            continue;
        }
        const auto at = part.find_first_of("!=");
        const bool differs = at != std::string_view::npos && part.substr(at).starts_with("!=");
        if (at == std::string_view::npos || (part[at] == '!' && !differs)) {
            return fail(Code::invalid, "invalid selector: '{}'; can't understand '{}'", text, part);
        }
        const auto path = part.substr(0, at);
        const bool two_characters = differs || part.substr(at).starts_with("==");
        if (path != "metadata.name" && path != "metadata.namespace" &&
            std::ranges::find(kind.selectable_fields, path) == kind.selectable_fields.end()) {
            return fail(Code::invalid, "field label not supported: {}", path);
        }
        TRY(auto value, unescape(part.substr(at + (two_characters ? 2 : 1))));
        out.terms_.push_back({.path = std::string(path),
                              .op = differs ? Operator::differs : Operator::equals,
                              .value = std::move(value)});
    }
    return out;
}

bool FieldSelector::matches(const Object& object) const {
    return std::ranges::all_of(terms_, [&](const Term& term) {
        return (field_text(object, term.path) == term.value) == (term.op == Operator::equals);
    });
}

std::optional<std::string> FieldSelector::wanted_name() const {
    for (const auto& term : terms_) {
        if (term.path == "metadata.name" && term.op == Operator::equals) {
            return term.value;
        }
    }
    return std::nullopt;
}

}  // namespace tidemill::model
