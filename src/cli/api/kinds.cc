#include "cli/api/kinds.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/flags.h"
#include "wire/url.h"

namespace tidemill::cli {

using base::Code;
using base::fail;
using base::Result;

namespace {

constexpr std::string_view serving_group = "serving.knative.dev";

void read_group(const wire::Json& group, std::vector<KindEntry>& out) {
    for (const auto& version : list_at(group, "versions")) {
        for (const auto& resource : list_at(version, "resources")) {
            KindEntry entry{.group = name_of(group),
                            .version = text_at(version, "version"),
                            .kind = text_at(resource, "responseKind.kind"),
                            .plural = text_at(resource, "resource"),
                            .singular = text_at(resource, "singularResource"),
                            .short_names = {},
                            .scope = text_at(resource, "scope") == "Namespaced"
                                         ? KindEntry::Scope::spaced
                                         : KindEntry::Scope::cluster};
            for (const auto& name : list_at(resource, "shortNames")) {
                entry.short_names.push_back(cell_text(name));
            }
            for (const auto& name : list_at(resource, "categories")) {
                entry.categories.push_back(cell_text(name));
            }
            out.push_back(std::move(entry));
        }
    }
}

}  // namespace

std::string KindEntry::path(std::string_view space, std::string_view name) const {
    std::string out =
        group.empty() ? "/api/" + version : fmt::format("/apis/{}/{}", group, version);
    if (!space.empty() && scope == Scope::spaced) {
        out += "/namespaces/" + wire::percent_encode(space);
    }
    out += "/" + plural;
    if (!name.empty()) {
        out += "/" + wire::percent_encode(name);
    }
    return out;
}

async::Task<Result<Kinds>> Kinds::discover(client::ApiClient& api, base::Duration limit) {
    std::vector<KindEntry> entries;
    for (const std::string root : {"/apis", "/api"}) {
        client::CallOptions options;
        options.accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        options.limit = limit;
        CO_TRY(const auto document, co_await api.json("GET", root, "", std::move(options)));
        for (const auto& group : list_at(document, "items")) {
            read_group(group, entries);
        }
    }
    co_return Kinds(std::move(entries));
}

const KindEntry* Kinds::look_up(std::string_view word) const {
    const auto lowered = base::lower(word);
    const KindEntry* best = nullptr;
    for (const auto& entry : entries_) {
        const bool called =
            lowered == entry.plural || lowered == entry.singular ||
            lowered == base::lower(entry.kind) ||
            std::ranges::find(entry.short_names, lowered) != entry.short_names.end() ||
            lowered == entry.plural + "." + entry.group ||
            lowered == entry.singular + "." + entry.group;
        if (called &&
            (best == nullptr || (entry.group == serving_group && best->group != serving_group))) {
            best = &entry;
        }
    }
    return best;
}

bool Kinds::has(std::string_view word) const {
    return look_up(word) != nullptr;
}

Result<const KindEntry*> Kinds::find(std::string_view word) const {
    if (const auto* const found = look_up(word)) {
        return found;
    }
    std::vector<std::string_view> names;
    for (const auto& entry : entries_) {
        names.push_back(entry.plural);
        names.push_back(entry.singular);
    }
    const auto meant = nearest(word, names);
    return fail(Code::invalid, "the server has no kind \"{}\"{}", word,
                meant.empty() ? "" : fmt::format(". Did you mean {}?", meant));
}

Result<std::vector<const KindEntry*>> Kinds::find_all(std::string_view word) const {
    std::vector<const KindEntry*> out;
    const auto lowered = base::lower(word);
    for (const auto& entry : entries_) {
        if (std::ranges::find(entry.categories, lowered) != entry.categories.end()) {
            out.push_back(&entry);
        }
    }
    if (out.empty()) {
        TRY(const auto* const one, find(word));
        out.push_back(one);
    }
    return out;
}

Result<const KindEntry*> Kinds::find_exact(std::string_view api_version,
                                           std::string_view kind) const {
    for (const auto& entry : entries_) {
        if (entry.kind == kind && entry.api_version() == api_version) {
            return &entry;
        }
    }
    return fail(Code::invalid, "the server has no kind \"{}\" in {}", kind, api_version);
}

}  // namespace tidemill::cli
