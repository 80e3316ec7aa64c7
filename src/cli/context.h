// What a command line is run with: everything outside of it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "client/api_client.h"
#include "host/host.h"
#include "host/launcher.h"

namespace tidemill::cli {

// Where text goes.
struct Outlet {
    std::function<void(std::string_view)> write;
    enum class Kind : std::uint8_t { file, terminal } kind = Kind::file;
};

// What this machine can give to instances; app asks the launcher.
class HostReport {
public:
    HostReport() = default;
    HostReport(const HostReport&) = delete;
    HostReport& operator=(const HostReport&) = delete;
    virtual ~HostReport() = default;
    virtual async::Task<base::Result<host::LauncherCapabilities>> capabilities() = 0;
};

// Outlives the run.
struct Context {
    host::Host& host;
    std::map<std::string, std::string> environment;
    Outlet out;
    Outlet err;
    // All of standard input. Errors: exhausted (more than `bytes_max`), unavailable.
    std::function<base::Result<std::string>(std::uint64_t bytes_max)> read_input;
    client::ApiClient::MakeTls make_tls;
    std::string version;
    // Null: doctor says nothing of this machine's sandboxes.
    HostReport* host_report = nullptr;

    // Empty when not set.
    std::string variable(const std::string& name) const {
        const auto found = environment.find(name);
        return found == environment.end() ? std::string() : found->second;
    }
};

}  // namespace tidemill::cli
