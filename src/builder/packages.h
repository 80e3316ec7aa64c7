// How packages are installed: what decides the result, which commands do it, what to say when they
// fail. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "builder/build_runner.h"
#include "builder/detect.h"
#include "sandbox/workload.h"

namespace tidemill::builder {

// What package clients must know of this site: an index, a proxy, certificates. Passed in whole: a
// build sees nothing of the platform's own environment.
struct PackageClients {
    image::NamedTexts environment;
    std::vector<sandbox::Mount> files;  // read-only, where the environment says that they are
};

// Of an environment, the variables that package clients understand and that name no secret of the
// platform: indexes, proxies, certificates, timeouts. Files that they name are mounted if they are
// not below /usr or /etc/ssl, which every build sees; `system_files` (such as /etc/pip.conf) too.
PackageClients choose_package_clients(const image::NamedTexts& environment,
                                      const std::vector<std::string>& system_files);

// Programs of this machine that build; empty where there is none. See survey_tools().
struct Tools {
    std::string python;
    std::string node;
    std::string npm;
    std::string cmake;
    std::string c_compiler;
    std::string cxx_compiler;
    // What makes an installation of another version of an interpreter another one.
    std::string python_version;
    std::string node_version;
};

// One installation.
struct Installation {
    std::string title;               // "pip install"
    std::vector<std::string> files;  // of the source, those that are there: all it may read
    std::vector<BuildStep> steps;    // with the project at /app, a writable /build
    std::string result;              // below /app, what is made: ".tidemill/python"
    // Its result depends on nothing but `files` and the settings; else all of the source is there.
    enum class Reads : std::uint8_t { files, source } reads = Reads::files;
    std::string kind;  // part of the cache's key
};
// Errors: invalid (TM-409: the tool is not on this machine).
base::Result<Installation> plan_installation(Plan::Packages packages,
                                             const std::vector<SourceFile>& files,
                                             const Tools& tools);

// The steps that give Python's bytecode to /app without what was installed there.
BuildStep compile_step(const Plan& plan, const Tools& tools);
// The steps that build /app with CMake in /build/cmake. Errors: invalid (TM-409).
base::Result<std::vector<BuildStep>> cmake_steps(const Tools& tools);

// What a person can do about a step that failed, from its name and its last lines.
std::string advise(std::string_view step, const StepEnd& end,
                   const std::vector<std::string>& last_lines);

}  // namespace tidemill::builder
