// HTTP messages as values, for programs that are not a data plane: the API server, the CLI, probes,
// registries. The proxy works on wire's views instead.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemill::http {

// Fields in the order of arrival. Names compare without case.
class Headers {
public:
    Headers() = default;
    Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}

    void add(std::string name, std::string value) {
        fields_.emplace_back(std::move(name), std::move(value));
    }
    // Replaces all of that name.
    void set(std::string_view name, std::string value);
    // The first of that name, or an empty view. Valid while nothing is added.
    std::string_view get(std::string_view name) const;
    bool has(std::string_view name) const;

    auto begin() const { return fields_.begin(); }
    auto end() const { return fields_.end(); }
    std::size_t size() const { return fields_.size(); }

private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

// The parameters of a query string, percent-decoded, '+' as a space; a parameter without '=' has an
// empty value. Parts that are not well-formed percent encoding stay as they are.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);
// Text as it may stand in one path segment or query value.
std::string percent_encode(std::string_view text);
// Errors shown by an empty optional: not well-formed.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace tidemill::http
