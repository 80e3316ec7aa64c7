// What this installation is trusted by and trusts: made at the first start, kept in DATA.
#pragma once

#include <memory>
#include <string>

#include "app/options.h"
#include "auth/certificate.h"
#include "base/result.h"
#include "host/host.h"
#include "store/sealer.h"

namespace tidemill::app {

struct Trust {
    auth::Identity authority;
    auth::Identity api;       // the API server's certificate
    std::string sealing_key;  // of secrets at rest
};

// Reads DATA/pki and DATA/secret.key, and makes what is missing: an authority and a key once, the
// API's certificate also when it ends within 30 days. Durable before it returns. Errors: those of
// the disk; invalid (a file that is damaged: says which).
base::Result<Trust> load_trust(host::Host& host, const Options& options);

// Writes DATA/kubeconfig, mode 0600, for the user of `token`. `server`: "127.0.0.1:6443".
base::Status write_kubeconfig(host::Host& host, const Options& options, const Trust& trust,
                              const std::string& server, const std::string& token);

// Secrets at rest by auth::seal.
class KeySealer final : public store::Sealer {
public:
    explicit KeySealer(std::string key) : key_(std::move(key)) {}
    base::Result<std::string> seal(std::string_view plain, std::string_view context) override;
    base::Result<std::string> unseal(std::string_view sealed, std::string_view context) override;

private:
    std::string key_;
};

}  // namespace tidemill::app
