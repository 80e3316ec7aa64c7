#include "app/control/trust.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "auth/seal.h"
#include "base/bytes.h"

namespace tidemill::app {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::uint64_t file_bytes_max = 1U << 20;
constexpr auto renew_before = std::chrono::hours(24 * 30);

Result<auth::Identity> read_identity(host::Host& host, const std::string& stem) {
    auth::Identity identity;
    TRY(identity.certificate_pem, host::read_file(host.disk, stem + ".crt", file_bytes_max));
    TRY(identity.key_pem, host::read_file(host.disk, stem + ".key", file_bytes_max));
    return identity;
}

// The key first: a certificate without its key is of no use, a key alone is made again.
Status write_identity(host::Host& host, const std::string& stem, const auth::Identity& identity) {
    CHECK_OK(host::write_file_durably(host.disk, stem + ".key", identity.key_pem, 0600));
    return host::write_file_durably(host.disk, stem + ".crt", identity.certificate_pem, 0644);
}

Result<auth::Identity> api_certificate(host::Host& host, const auth::Identity& authority,
                                       const std::string& stem) {
    const auto now = host.clock.wall_now();
    if (auto kept = read_identity(host, stem)) {
        const auto ends = auth::expiry(kept->certificate_pem);
        if (ends && *ends - now > renew_before) {
            return kept;
        }
    }
    auth::LeafRequest request;
    request.common_name = "tidemill-api";
    request.dns_names = {"localhost", "tidemill", "kubernetes", "kubernetes.default",
                         "kubernetes.default.svc"};
    request.ip_addresses = {"127.0.0.1", "::1"};
    TRY(auto made, auth::issue(authority, request, now));
    CHECK_OK(write_identity(host, stem, made));
    return made;
}

}  // namespace

Result<Trust> load_trust(host::Host& host, const Options& options) {
    const std::string pki = options.data + "/pki";
    CHECK_OK(host.disk.make_directories(pki, 0700));
    Trust trust;
    auto authority = read_identity(host, pki + "/ca");
    if (authority) {
        trust.authority = *std::move(authority);
    } else if (authority.error().code == Code::not_found) {
        TRY(trust.authority, auth::make_authority("tidemill", host.clock.wall_now()));
        CHECK_OK(write_identity(host, pki + "/ca", trust.authority));
    } else {
        return std::unexpected(std::move(authority).error());
    }
    TRY(trust.api, api_certificate(host, trust.authority, pki + "/api"));

    const std::string key_path = options.data + "/secret.key";
    auto key = host::read_file(host.disk, key_path, file_bytes_max);
    if (!key && key.error().code == Code::not_found) {
        std::string made(auth::sealing_key_bytes, '\0');
        host.random.fill(std::as_writable_bytes(std::span(made.data(), made.size())));
        CHECK_OK(host::write_file_durably(host.disk, key_path, made, 0600));
        key = std::move(made);
    }
    if (!key) {
        return std::unexpected(std::move(key).error());
    }
    if (key->size() != auth::sealing_key_bytes) {
        return base::fail(Code::invalid,
                          "{}: expected {} bytes, found {}; without the key that was there secrets "
                          "cannot be read: restore it from a backup",
                          key_path, auth::sealing_key_bytes, key->size());
    }
    trust.sealing_key = *std::move(key);
    return trust;
}

Status write_kubeconfig(host::Host& host, const Options& options, const Trust& trust,
                        const std::string& server, const std::string& token) {
    const std::string text = fmt::format(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: tidemill\n  cluster:\n    server: "
        "https://{}\n    certificate-authority-data: {}\ncontexts:\n- name: tidemill\n  context:\n "
        " "
        "  cluster: tidemill\n    user: admin\n    namespace: default\ncurrent-context: "
        "tidemill\nusers:\n- name: admin\n  user:\n    token: {}\n",
        server, base::to_base64(base::as_bytes(trust.authority.certificate_pem)), token);
    return host::write_file_durably(host.disk, options.data + "/kubeconfig", text, 0600);
}

Result<std::string> KeySealer::seal(std::string_view plain, std::string_view context) {
    return auth::seal(key_, context, plain);
}

Result<std::string> KeySealer::unseal(std::string_view sealed, std::string_view context) {
    return auth::unseal(key_, context, sealed);
}

}  // namespace tidemill::app
