// What the small files in a project's root say. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/config.h"

namespace tidemill::builder {

// tidemill.yaml: path prefix and handler, in its order. Errors: invalid.
base::Result<image::NamedTexts> read_functions(std::string_view yaml);

// The command of the line "web:" of a Procfile. Errors: invalid.
base::Result<std::string> read_procfile(std::string_view text);

struct PackageJson {
    std::string start;  // scripts.start
    std::string main;
    bool has_dependencies = false;  // any that `npm ci --omit=dev` would install
    // Something beside package.json and its lock decides what an installation does: scripts of its
    // own, workspaces, packages from paths.
    bool needs_source = false;
};
// Errors: invalid.
base::Result<PackageJson> read_package_json(std::string_view text);

struct Requirements {
    bool has_any = false;
    bool all_pinned = true;     // each is name==version, or has hashes
    bool needs_source = false;  // names other files: -r, -c, -e, a path
};
Requirements read_requirements(std::string_view text);

// True when a Python file defines or imports a top-level `handle`, as far as its lines tell.
bool python_defines_handle(std::string_view text);
// True when a JavaScript file exports `handle`, as far as its lines tell.
bool javascript_exports_handle(std::string_view text);

// What starts the words of a Procfile or a start script: a shell, replaced by the program where the
// line is one simple command, so that signals reach it.
std::vector<std::string> shell_command(std::string_view line);

}  // namespace tidemill::builder
