// Which kinds the server has, and what they may be called.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "client/api_client.h"

namespace tidemill::cli {

struct KindEntry {
    std::string group;  // empty for the core group
    std::string version;
    std::string kind;      // "Service"
    std::string plural;    // "services"
    std::string singular;  // "service"
    std::vector<std::string> short_names;
    std::vector<std::string> categories = {};  // "all", "knative": words for several kinds at once
    enum class Scope : std::uint8_t { cluster, spaced } scope = Scope::spaced;

    std::string api_version() const { return group.empty() ? version : group + "/" + version; }
    // "service.serving.knative.dev", as `-o name` and `apply` print it.
    std::string print_name() const { return group.empty() ? singular : singular + "." + group; }
    // Of one object, or of the list when `name` is empty; `space` empty: of all namespaces.
    std::string path(std::string_view space, std::string_view name) const;
};

class Kinds {
public:
    // Asks the server, for at most `limit` each of two times. `api` outlives the task. Errors:
    // those of the call.
    static async::Task<base::Result<Kinds>> discover(
        client::ApiClient& api, base::Duration limit = std::chrono::seconds(30));
    explicit Kinds(std::vector<KindEntry> entries) : entries_(std::move(entries)) {}

    // By plural, singular, kind or short name, with or without ".group" behind it; where several
    // groups have one of that name, the serving group wins: a service is a Knative service, and the
    // core one is `svc`. Errors: invalid (with the nearest).
    base::Result<const KindEntry*> find(std::string_view word) const;
    // Errors: invalid (the server has no such kind).
    base::Result<const KindEntry*> find_exact(std::string_view api_version,
                                              std::string_view kind) const;
    bool has(std::string_view word) const;
    // Every kind that a word means: those of a category, else the one of that name. Errors:
    // invalid.
    base::Result<std::vector<const KindEntry*>> find_all(std::string_view word) const;
    const std::vector<KindEntry>& entries() const { return entries_; }

private:
    const KindEntry* look_up(std::string_view word) const;

    std::vector<KindEntry> entries_;
};

}  // namespace tidemill::cli
