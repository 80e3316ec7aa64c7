// Which objects a list or a watch asks for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/object/json_fields.h"
#include "model/object/object.h"

namespace tidemill::model {

// The labelSelector grammar: `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x)`, `a`, `!a`, `a>1`,
// `a<1`, joined by commas, all of which must hold. Source: kubernetes/apimachinery
// pkg/labels/selector.go.
class LabelSelector {
public:
    enum class Operator : std::uint8_t { in, not_in, exists, absent, greater, less };
    struct Requirement {
        std::string key;
        Operator op = Operator::exists;
        std::vector<std::string> values;  // sorted, each once

        friend bool operator==(const Requirement&, const Requirement&) = default;
    };

    // Selects everything.
    LabelSelector() = default;
    // Errors: invalid, with the sentence of Kubernetes.
    static base::Result<LabelSelector> parse(std::string_view text);
    // Selects what carries all of these labels.
    static LabelSelector of(const TextMap& labels);

    bool matches(const TextMap& labels) const;
    bool selects_everything() const { return requirements_.empty(); }
    const std::vector<Requirement>& requirements() const { return requirements_; }

private:
    std::vector<Requirement> requirements_;
};

// The fieldSelector grammar: `path=text`, `path==text`, `path!=text`, joined by commas; `\`, `,`
// and `=` are written `\\`, `\,` and `\=` inside a text. Source: kubernetes/apimachinery
// pkg/fields/selector.go.
class FieldSelector {
public:
    enum class Operator : std::uint8_t { equals, differs };
    struct Term {
        std::string path;
        Operator op = Operator::equals;
        std::string value;

        friend bool operator==(const Term&, const Term&) = default;
    };

    // Selects everything.
    FieldSelector() = default;
    // Errors: invalid (bad grammar, or a field that this kind cannot be selected by).
    static base::Result<FieldSelector> parse(const Kind& kind, std::string_view text);

    bool matches(const Object& object) const;
    bool selects_everything() const { return terms_.empty(); }
    const std::vector<Term>& terms() const { return terms_; }
    // The text that metadata.name must equal, or nothing: lets a list become a single read.
    std::optional<std::string> wanted_name() const;

private:
    std::vector<Term> terms_;
};

}  // namespace tidemill::model
