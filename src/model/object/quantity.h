// Amounts of CPU, memory and storage as Kubernetes writes them.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/object/json_fields.h"

namespace tidemill::model {

// An exact number from nano to exa: "1000m" CPUs, "128Mi" bytes, "1.5", "1e3". Finer parts than a
// nano are rounded away from zero, larger magnitudes than 2^63-1 are capped. Source:
// kubernetes/apimachinery pkg/api/resource/quantity.go.
class Quantity {
public:
    // How it was written, which is how it is written again.
    enum class Format : std::uint8_t { decimal_si, binary_si, decimal_exponent };

    Quantity() = default;  // 0
    // Errors: invalid.
    static base::Result<Quantity> parse(std::string_view text);
    // From a JSON string or number. Errors: invalid.
    static base::Result<Quantity> from_json(const Json& value);

    // The canonical text: no fraction, the largest suffix that keeps every digit ("1536Mi",
    // "1500m").
    std::string text() const;
    // In whole units, rounded up, so that a limit never turns into less than was asked for.
    std::int64_t value() const;
    // In thousandths, rounded up; capped at 2^63-1.
    std::int64_t milli_value() const;
    bool is_negative() const { return nanos_ < 0; }

    // By amount: "1" equals "1000m".
    friend bool operator==(const Quantity& a, const Quantity& b) { return a.nanos_ == b.nanos_; }
    friend std::strong_ordering operator<=>(const Quantity& a, const Quantity& b) {
        return a.nanos_ <=> b.nanos_;
    }

private:
    __extension__ using Wide = __int128;

    Wide nanos_ = 0;
    Format format_ = Format::decimal_si;
};

}  // namespace tidemill::model
