// What a folder is, and how it is built and started.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/config.h"

namespace tidemill::builder {

struct SourceFile {
    enum class Mode : std::uint8_t { plain, executable } mode = Mode::plain;
    std::string path;
    std::string content;  // its beginning, of those that wants_content() names; else empty
};

// Files whose content decides; at most content_bytes_max of each are looked at.
bool wants_content(std::string_view path, SourceFile::Mode mode);
inline constexpr std::size_t content_bytes_max = 256 << 10;

// What is to be done before the folder can run.
struct Plan {
    enum class Kind : std::uint8_t {
        python_function,
        python_functions,
        python_app,
        node_function,
        node_functions,
        node_app,
        static_site,
        procfile_app,
        native_source,   // CMakeLists.txt; the program is known after the build only
        native_program,  // is there already
    };
    Kind kind = Kind::static_site;
    // "a Python function, because handler.py defines handle": for people.
    std::string title;   // "a Python function"
    std::string reason;  // "handler.py defines handle"
    // What will be started, for people: "runtimes/python with handler.py", "python3 app.py".
    std::string start;
    image::ImageConfig config;

    enum class Packages : std::uint8_t {
        pip_requirements,  // requirements.txt
        pip_project,       // [project] dependencies of pyproject.toml
        npm_locked,        // npm ci
        npm_unlocked,      // npm install
    };
    std::vector<Packages> packages;  // at most one of each client
    enum class Bytecode : std::uint8_t { none, compile } bytecode = Bytecode::none;
    // Files that must compile; others that do not are only spoken of.
    std::vector<std::string> entry_files;
    std::vector<std::string> warnings;

    friend bool operator==(const Plan&, const Plan&) = default;
};

// Programs that the config of apps names; see Toolbox of image.
struct Interpreters {
    std::string python = "/usr/bin/python3";
    std::string node = "/usr/bin/node";
};

// Pure: names and beginnings of files in, decision out. `files` sorted by path, without what is
// ignored. Order: tidemill.yaml, Procfile, a function or app of a language, CMakeLists.txt, one
// executable, index.html. Errors: invalid with TM-401 (empty), TM-402 (nothing found: says what was
// looked for and what is there), TM-403 (ambiguous: says between what, and how to decide), TM-404
// (tidemill.yaml, Procfile or package.json is wrong).
base::Result<Plan> detect(const std::vector<SourceFile>& files, const Interpreters& interpreters);

}  // namespace tidemill::builder
