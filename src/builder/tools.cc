#include "builder/tools.h"

#include <fmt/format.h>

#include <initializer_list>

namespace tidemill::builder {
namespace {

std::string find_program(host::Disk& disk, std::initializer_list<std::string_view> names) {
    for (const auto name : names) {
        for (const std::string_view directory : {"/usr/bin/", "/usr/local/bin/"}) {
            auto path = std::string(directory) + std::string(name);
            if (disk.info(path)) {
                return path;
            }
        }
    }
    return {};
}

// Changes when another build of the program is installed; asks no program for its version, which
// would cost its start.
std::string fingerprint(host::Disk& disk, std::string path) {
    std::string text;
    for (int links = 0; !path.empty() && links < 8; ++links) {
        const auto info = disk.info(path);
        if (!info) {
            break;
        }
        if (info->type != host::FileInfo::Type::link) {
            return fmt::format("{}{} {} {}", text, path, info->size, info->modified.ns);
        }
        const auto target = disk.read_link(path);
        if (!target) {
            break;
        }
        text += path + " ";
        path = target->starts_with('/') ? *target : path.substr(0, path.rfind('/') + 1) + *target;
    }
    return text;
}

}  // namespace

Tools survey_tools(host::Disk& disk) {
    Tools tools;
    tools.python = find_program(disk, {"python3"});
    tools.node = find_program(disk, {"node", "nodejs"});
    tools.npm = find_program(disk, {"npm"});
    tools.cmake = find_program(disk, {"cmake"});
    tools.c_compiler = find_program(disk, {"cc", "gcc", "clang", "clang-19"});
    tools.cxx_compiler = find_program(disk, {"c++", "g++", "clang++", "clang++-19"});
    tools.python_version = fingerprint(disk, tools.python);
    tools.node_version = fingerprint(disk, tools.node);
    return tools;
}

}  // namespace tidemill::builder
