#include "cli/api/services.h"

#include <fmt/format.h>

#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/paths.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr int attempts_max = 5;

}  // namespace

async::Task<Result<wire::Json>> get_service(Session& session, std::string space, std::string name) {
    CO_TRY(auto* const api, session.api());
    auto service = co_await api->json("GET", paths::serving(space, "services", name), "", {});
    if (service || service.error().code != Code::not_found) {
        co_return service;
    }
    const auto others = co_await api->json("GET", paths::serving(space, "services"), "", {});
    std::vector<std::string> names;
    if (others) {
        for (const auto& each : list_at(*others, "items")) {
            names.push_back(name_of(each));
        }
    }
    const std::vector<std::string_view> views(names.begin(), names.end());
    const auto meant = nearest(name, views);
    co_return fail(
        Code::not_found, "there is no service \"{}\" in namespace {}{}", name, space,
        meant.empty() ? ". See: tidemill ls -A" : fmt::format(". Did you mean {}?", meant));
}

async::Task<Result<wire::Json>> change_service(
    Session& session, std::string space, std::string name,
    std::function<Result<wire::Json>(const wire::Json&)> patch_of, std::string query) {
    CO_TRY(auto* const api, session.api());
    for (int attempt = 1;; ++attempt) {
        CO_TRY(const auto service, co_await get_service(session, space, name));
        CO_TRY(const auto patch, patch_of(service));
        client::CallOptions options;
        options.content_type = paths::merge_patch;
        auto changed = co_await api->json("PATCH", paths::serving(space, "services", name) + query,
                                          wire::write_json(patch), std::move(options));
        if (changed || changed.error().code != Code::conflict || attempt == attempts_max) {
            co_return changed;
        }
    }
}

async::Task<Result<wire::Json>> change_traffic(Session& session, std::string space,
                                               std::string name, TrafficWish wish) {
    auto patch_of = [&wish](const wire::Json& service) -> Result<wire::Json> {
        TRY(auto traffic, plan_traffic(list_at(service, "spec.traffic"), wish));
        wire::JsonObject patch;
        patch["metadata"] =
            wire::JsonObject{{"resourceVersion", text_at(service, "metadata.resourceVersion")}};
        patch["spec"] = wire::JsonObject{{"traffic", std::move(traffic)}};
        return patch;
    };
    co_return co_await change_service(session, std::move(space), std::move(name),
                                      std::move(patch_of));
}

async::Task<Result<wire::Json>> get_revisions(Session& session, std::string space,
                                              std::string name) {
    CO_TRY(auto* const api, session.api());
    co_return co_await api->json(
        "GET", paths::serving(space, "revisions") + paths::with_label(paths::service_label, name),
        "", {});
}

async::Task<std::string> proxy_address(Session& session, std::string url) {
    if (session.given().has("--proxy")) {
        co_return session.given().text("--proxy");
    }
    if (auto named = session.context().variable("TIDEMILL_PROXY"); !named.empty()) {
        co_return named;
    }
    const auto begin = url.find("://");
    const auto authority = std::string_view(url).substr(begin == std::string::npos ? 0 : begin + 3);
    const auto colon = authority.substr(0, authority.find('/')).find(':');
    if (colon != std::string_view::npos) {
        co_return fmt::format("127.0.0.1{}", authority.substr(colon, authority.find('/') - colon));
    }
    if (auto api = session.api()) {
        const auto platform = co_await (*api)->json("GET", paths::platform("", "platform"), "", {});
        if (platform) {
            if (const auto& addresses = list_at(*platform, "status.http"); !addresses.empty()) {
                co_return cell_text(addresses[0]);
            }
        }
    }
    co_return "127.0.0.1:8080";
}

}  // namespace tidemill::cli
