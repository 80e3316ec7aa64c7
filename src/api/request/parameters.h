// The query of a request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/request/refusal.h"
#include "base/time.h"
#include "store/store.h"

namespace tidemill::api {

// Parameters by name; unknown ones are ignored, as Kubernetes ignores them.
class Parameters {
public:
    Parameters() = default;
    // Errors: 400 (a broken escape, more than 100 of them).
    static Answered<Parameters> parse(std::string_view query);

    // The first of that name; empty when absent.
    std::string_view text(std::string_view name) const;
    bool has(std::string_view name) const;
    // Absent and empty are false. Errors: 400.
    Answered<bool> flag(std::string_view name) const;
    // Errors: 400 (no number, or below 0).
    Answered<std::optional<std::uint64_t>> number(std::string_view name) const;

private:
    std::vector<std::pair<std::string, std::string>> pairs_;
};

// What every mutation may be told.
enum class FieldValidation : std::uint8_t { ignore, warn, strict };
struct WriteParameters {
    store::Effect effect = store::Effect::write;
    FieldValidation validation = FieldValidation::warn;
    std::string field_manager;
    bool force = false;

    // Errors: 400.
    static Answered<WriteParameters> parse(const Parameters& parameters);
};

// What LIST and WATCH may be told, beside selectors.
struct ListParameters {
    std::size_t limit = 0;
    std::string continue_token;
    // As given; nothing when absent. 0 means "any version will do".
    std::optional<std::uint64_t> resource_version;
    enum class Match : std::uint8_t { unset, exact, not_older_than } match = Match::unset;
    bool watch = false;
    bool bookmarks = false;
    std::optional<bool> initial_events;
    std::optional<base::Duration> timeout;

    // Errors: 400, 422, with Kubernetes' sentences.
    static Answered<ListParameters> parse(const Parameters& parameters, const model::Kind& kind);
};

}  // namespace tidemill::api
