// What `tidemill up` was told, and how it tells its roles.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/address.h"

namespace tidemill::app {

struct Options {
    std::string data = "/var/lib/tidemill";
    // Sockets and what else must not survive a reboot. Derived from `data` unless given.
    std::string run;
    std::vector<std::string> http = {"127.0.0.1:8080", "[::1]:8080"};
    std::vector<std::string> api = {"127.0.0.1:6443", "[::1]:6443"};
    std::string metrics = "127.0.0.1:9090";
    std::string domain = "localhost";
    enum class LogFormat : std::uint8_t { human, json } log_format = LogFormat::human;
    enum class Exposure : std::uint8_t { loopback, any } exposure = Exposure::loopback;
    // A file of routes and instances instead of the API's objects; for trying the data plane alone.
    std::string fixed_routes;
    // Where the runtimes (runtimes/python and so on) lie.
    std::string runtimes;
};

// Reads the words behind `tidemill up` or `tidemill role NAME`. Errors: invalid, with what was
// expected.
base::Result<Options> parse_options(const std::vector<std::string>& words);
// The words from which parse_options() makes the same Options again.
std::vector<std::string> to_words(const Options& options);
std::string up_help();

// Checks what cannot work or would surprise: addresses that are none, a public address without
// being asked for, one address twice. Errors: invalid.
base::Status validate(const Options& options);

}  // namespace tidemill::app
