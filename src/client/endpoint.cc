#include "client/endpoint.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "wire/json.h"
#include "wire/yaml.h"

namespace tidemill::client {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::uint64_t file_bytes_max = 1U << 20;

// The entry of a kubeconfig's list whose name is `name`.
Result<wire::JsonReader> named(const wire::JsonReader& list, std::string_view name) {
    TRY(const auto* const entries, list.array());
    for (std::size_t i = 0; i < entries->size(); ++i) {
        const auto entry = list.at(i);
        if (const auto found = entry.at("name").string(); found && *found == name) {
            return entry;
        }
    }
    return fail(Code::invalid, "kubeconfig: {} has no entry called \"{}\"", list.path(), name);
}

std::string text_of(const wire::JsonReader& reader) {
    const auto text = reader.string();
    return text ? std::string(*text) : std::string();
}

// PEM given inline as base64, or as a path.
Result<std::string> pem(host::Disk& disk, const wire::JsonReader& entry, std::string_view data_key,
                        std::string_view path_key, const std::string& directory) {
    if (const auto data = text_of(entry.at(data_key)); !data.empty()) {
        return base::from_base64(data);
    }
    auto path = text_of(entry.at(path_key));
    if (path.empty()) {
        return std::string();
    }
    if (path.front() != '/') {
        path = directory + "/" + path;
    }
    return host::read_file(disk, path, file_bytes_max);
}

}  // namespace

Result<Endpoint> parse_kubeconfig(host::Disk& disk, const std::string& text,
                                  const std::string& directory) {
    TRY(const auto documents, wire::parse_yaml(text));
    if (documents.size() != 1) {
        return fail(Code::invalid, "kubeconfig: expected one YAML document, got {}",
                    documents.size());
    }
    const wire::JsonReader root(documents.front());
    TRY(const auto context_name, root.at("current-context").string());
    TRY(const auto context_entry, named(root.at("contexts"), context_name));
    const auto context = context_entry.at("context");
    TRY(const auto cluster_name, context.at("cluster").string());
    TRY(const auto cluster_entry, named(root.at("clusters"), cluster_name));
    const auto cluster = cluster_entry.at("cluster");
    TRY(const auto server, cluster.at("server").string());
    if (!server.starts_with("https://")) {
        return fail(Code::invalid, "kubeconfig: server {}: expected https://HOST:PORT", server);
    }
    Endpoint endpoint;
    auto address = server.substr(8);
    while (address.ends_with('/')) {
        address.remove_suffix(1);
    }
    endpoint.address = address;
    endpoint.server_name = address.substr(0, address.rfind(':'));
    if (endpoint.server_name.starts_with('[')) {
        endpoint.server_name = endpoint.server_name.substr(1, endpoint.server_name.size() - 2);
    }
    endpoint.space = text_of(context.at("namespace"));
    TRY(endpoint.ca_pem,
        pem(disk, cluster, "certificate-authority-data", "certificate-authority", directory));
    if (const auto user_name = text_of(context.at("user")); !user_name.empty()) {
        TRY(const auto user_entry, named(root.at("users"), user_name));
        const auto user = user_entry.at("user");
        endpoint.token = text_of(user.at("token"));
        TRY(endpoint.certificate_pem,
            pem(disk, user, "client-certificate-data", "client-certificate", directory));
        TRY(endpoint.key_pem, pem(disk, user, "client-key-data", "client-key", directory));
    }
    return endpoint;
}

namespace {

Result<Endpoint> from_file(host::Disk& disk, const std::string& path, std::string origin) {
    auto text = host::read_file(disk, path, file_bytes_max);
    if (!text) {
        return base::wrap(origin + ": ", std::move(text).error());
    }
    const auto slash = path.rfind('/');
    auto endpoint =
        parse_kubeconfig(disk, *text, slash == std::string::npos ? "." : path.substr(0, slash));
    if (!endpoint) {
        return base::wrap(origin + ": ", std::move(endpoint).error());
    }
    endpoint->origin = std::move(origin);
    return endpoint;
}

// The socket if it is there, else the kubeconfig that `up` wrote: who may not open the one may have
// been given the other.
Result<Endpoint> from_data(host::Disk& disk, const std::string& data, const std::string& origin) {
    Endpoint endpoint;
    endpoint.socket_path = data + "/api.sock";
    endpoint.origin = origin;
    if (disk.info(endpoint.socket_path)) {
        return endpoint;
    }
    if (disk.info(data + "/kubeconfig")) {
        return from_file(disk, data + "/kubeconfig", origin);
    }
    return fail(Code::not_found,
                "{}: no tidemill has run there ({}/api.sock is missing). Start one: tidemill up "
                "--data {}",
                origin, data, data);
}

}  // namespace

Result<Endpoint> find_endpoint(host::Disk& disk, const EndpointWish& wish) {
    if (!wish.kubeconfig.empty()) {
        return from_file(disk, wish.kubeconfig, "--kubeconfig " + wish.kubeconfig);
    }
    if (!wish.data.empty()) {
        return from_data(disk, wish.data, "--data " + wish.data);
    }
    if (!wish.data_from_env.empty()) {
        return from_data(disk, wish.data_from_env, "TIDEMILL_DATA=" + wish.data_from_env);
    }
    if (disk.info(wish.default_data + "/api.sock")) {
        return from_data(disk, wish.default_data, wish.default_data);
    }
    if (!wish.kubeconfig_from_env.empty()) {
        return from_file(disk, wish.kubeconfig_from_env, "KUBECONFIG=" + wish.kubeconfig_from_env);
    }
    return fail(
        Code::not_found,
        "no tidemill was named: give --data DIR (or set TIDEMILL_DATA), or --kubeconfig FILE; "
        "{}/api.sock is not there either. Start one: tidemill up --data DIR",
        wish.default_data);
}

}  // namespace tidemill::client
