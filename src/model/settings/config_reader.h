// Reads the values of one ConfigMap, keeping the first thing that is wrong.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "model/object/json_fields.h"
#include "model/object/quantity.h"

namespace tidemill::model {

// Absent keys leave their target as it is. After the reads, status() has the first failure.
class ConfigReader {
public:
    // `data` must outlive the reader.
    explicit ConfigReader(const TextMap& data) : data_(data) {}

    void read(std::string_view key, std::string& into);
    // As Knative's strconv.ParseBool accepts them: 1, t, true and their opposites, in three cases.
    void read(std::string_view key, bool& into);
    void read(std::string_view key, double& into);
    void read(std::string_view key, std::int32_t& into);
    void read(std::string_view key, std::int64_t& into);
    void read(std::string_view key, base::Duration& into);
    void read(std::string_view key, std::optional<Quantity>& into);

    // The value under a key, or nullptr.
    const std::string* find(std::string_view key) const;

    template <typename... Args>
    void require(bool holds, fmt::format_string<Args...> message, Args&&... args) {
        if (!holds && status_) {
            status_ = std::unexpected(base::Error{
                base::Code::invalid, fmt::format(message, std::forward<Args>(args)...)});
        }
    }

    const base::Status& status() const { return status_; }

private:
    void refuse(std::string_view key, std::string_view value, std::string_view wanted);

    const TextMap& data_;
    base::Status status_;
};

// A floating-point number as Go's ParseFloat reads it, without infinities and NaN, which no setting
// here can mean; nothing for other text.
std::optional<double> parse_double(std::string_view text);
// A number as Go's %v prints it: "0.1", "100".
std::string format_double(double number);
// A span as Go prints it: "6s", "1h0m0s", "1m30s".
std::string format_go_duration(base::Duration span);

}  // namespace tidemill::model
