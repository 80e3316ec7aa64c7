// What an image from source says about itself, and how an instance of it is started.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tidemill::image {

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

// Part of the image, and so of its digest: no path of a machine, no time.
struct ImageConfig {
    // Who serves: the shim of a language, the static server, or the image's own command.
    enum class Runtime : std::uint8_t { python, node, static_site, program };
    Runtime runtime = Runtime::program;
    // What it is, for people: "a Python function".
    std::string title;
    // For Runtime::program, as inside: "/app/.tidemill/bin/server". Empty otherwise.
    std::vector<std::string> command;
    NamedTexts environment;  // beside what the runtime sets
    std::string handler;     // TIDEMILL_HANDLER; empty: the shim's own search
    NamedTexts functions;    // path prefix, handler; empty: one function
    // What the app layer lies on. "host": the read-only system of the machine, the only one so far.
    std::string base = "host";

    friend bool operator==(const ImageConfig&, const ImageConfig&) = default;
};

std::string_view runtime_name(
    ImageConfig::Runtime runtime);  // "python", "node", "static", "native"

// Where the app's tree is inside an instance, and where runtimes are.
inline constexpr std::string_view app_directory = "/app";
inline constexpr std::string_view runtimes_directory = "/opt/tidemill/runtimes";

// The OCI image configuration (image-spec v1.1, config.md) with ours in the label
// "dev.tidemill.image", versioned. Deterministic.
std::string write_config(const ImageConfig& config, std::string_view diff_id);
// Errors: invalid (not ours, or of a newer version).
base::Result<ImageConfig> read_config(std::string_view text);

// What of this machine starts an image; app fills it in, once.
struct Toolbox {
    std::string runtimes;  // the directory of the repository's runtimes/: python, node below it
    std::string static_server;  // the program tidemill-static
    std::string python = "/usr/bin/python3";
    std::string node = "/usr/bin/node";
};

// How an instance starts and where it listens, in the terms of link::InstanceSpec, which this room
// may not name: control copies field by field.
struct StartPlan {
    struct Mount {
        std::string source;  // of the host
        std::string target;  // inside; read-only
        friend bool operator==(const Mount&, const Mount&) = default;
    };
    std::string runtime;               // runtime_name()
    std::vector<std::string> command;  // absolute path first
    NamedTexts environment;
    std::string working_directory;
    std::vector<Mount> mounts;
    enum class Listen : std::uint8_t { unix_socket, port } listen = Listen::port;
    // GET here is answered 200 by the runtime itself once it is ready; empty: probe the port.
    std::string readiness_path;

    friend bool operator==(const StartPlan&, const StartPlan&) = default;
};

// Pure. `tree`: where the image's tree lies on this machine (ImageStore::resolve). `command`, then
// `arguments`, as the user's container gives them, replace the image's own if `command` is not
// empty; `arguments` alone follow it. Errors: invalid (arguments for a runtime that takes none).
base::Result<StartPlan> plan_start(const ImageConfig& config, const std::string& tree,
                                   const Toolbox& tools,
                                   const std::vector<std::string>& command = {},
                                   const std::vector<std::string>& arguments = {});

}  // namespace tidemill::image
