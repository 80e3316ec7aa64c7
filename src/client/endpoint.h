// Where the API is and how to prove who we are.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "host/disk.h"

namespace tidemill::client {

// One way to the API server.
struct Endpoint {
    std::string socket_path;  // DATA/api.sock: no TLS, the kernel says who we are
    std::string address;      // or "127.0.0.1:6443"
    std::string server_name;  // what the certificate must say
    std::string ca_pem;
    std::string token;
    std::string certificate_pem;
    std::string key_pem;
    std::string space;   // the namespace of commands that name none; empty: "default"
    std::string origin;  // for messages: "--data ./data", "KUBECONFIG=…"
};

// What the user said about where to look, strongest first.
struct EndpointWish {
    std::string data;                 // --data
    std::string kubeconfig;           // --kubeconfig
    std::string data_from_env;        // $TIDEMILL_DATA
    std::string kubeconfig_from_env;  // $KUBECONFIG
    std::string default_data = "/var/lib/tidemill";
};

// Errors: not_found (nothing of that is there: the message says what was looked at and how to
// start), invalid (a kubeconfig that is none).
base::Result<Endpoint> find_endpoint(host::Disk& disk, const EndpointWish& wish);

// Reads the current context of a kubeconfig. `directory`: what its relative paths are relative to.
// Errors: invalid, not_found (a file that it names).
base::Result<Endpoint> parse_kubeconfig(host::Disk& disk, const std::string& text,
                                        const std::string& directory);

}  // namespace tidemill::client
