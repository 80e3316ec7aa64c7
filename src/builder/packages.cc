#include "builder/packages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "builder/project_files.h"
#include "image/tar.h"

namespace tidemill::builder {
namespace {

using base::Code;
using base::fail;
using Packages = Plan::Packages;

// Lower case; both clients and curl read either case of the proxies.
constexpr std::array settings{"pip_index_url",
                              "pip_extra_index_url",
                              "pip_find_links",
                              "pip_trusted_host",
                              "pip_cert",
                              "pip_proxy",
                              "pip_default_timeout",
                              "pip_retries",
                              "pip_no_index",
                              "pip_config_file",
                              "npm_config_registry",
                              "npm_config_cafile",
                              "npm_config_proxy",
                              "npm_config_https_proxy",
                              "npm_config_noproxy",
                              "npm_config_strict_ssl",
                              "npm_config_globalconfig",
                              "http_proxy",
                              "https_proxy",
                              "no_proxy",
                              "all_proxy",
                              "ssl_cert_file",
                              "ssl_cert_dir",
                              "requests_ca_bundle",
                              "curl_ca_bundle",
                              "node_extra_ca_certs"};
// Those whose value is a path.
constexpr std::array path_settings{"pip_cert",
                                   "pip_config_file",
                                   "npm_config_cafile",
                                   "npm_config_globalconfig",
                                   "ssl_cert_file",
                                   "ssl_cert_dir",
                                   "requests_ca_bundle",
                                   "curl_ca_bundle",
                                   "node_extra_ca_certs",
                                   "pip_find_links"};

bool is_seen_anyway(std::string_view path) {
    return path.starts_with("/usr/") || path.starts_with("/etc/ssl/certs");
}

// Dependencies of a project in the standard form (PEP 621) as requirements.
constexpr std::string_view project_requirements = R"py(
import sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)
found = project.get("project", {}).get("dependencies")
if found is None and "poetry" in project.get("tool", {}):
    sys.exit("pyproject.toml: [tool.poetry] is not read; write a requirements.txt "
             "(poetry export -o requirements.txt)")
with open(sys.argv[2], "w") as file:
    file.write("".join(line + "\n" for line in found or []))
)py";

// Bytecode that is read without looking at the source's time, and so the same in each build. Paths
// inside are those of the instance.
constexpr std::string_view compile_program = R"py(
import compileall, os, py_compile, re, sys
root, mode = sys.argv[1], py_compile.PycInvalidationMode.UNCHECKED_HASH
inside = "/".join(("", "app"))
for entry in sys.argv[2:]:
    try:
        py_compile.compile(os.path.join(root, entry), dfile=inside + "/" + entry, doraise=True,
                           invalidation_mode=mode)
    except py_compile.PyCompileError as error:
        sys.exit(error.msg)
skipped = re.compile(r"/(\.tidemill|node_modules)/")
compileall.compile_dir(root, quiet=1, rx=skipped, stripdir=root, prependdir=inside,
                       invalidation_mode=mode)
)py";
constexpr std::string_view compile_packages_program = R"py(
import compileall, os, py_compile, shutil, sys
root = sys.argv[1]
packages = os.path.join(root, ".tidemill", "python")
os.makedirs(packages, exist_ok=True)
for name in os.listdir(packages):
    if name.endswith(".dist-info"):
        # Where it was installed from, by path and time: of no use in an image.
        for each in ("direct_url.json", "REQUESTED"):
            path = os.path.join(packages, name, each)
            if os.path.exists(path):
                os.remove(path)
compileall.compile_dir(packages, quiet=2, stripdir=root, prependdir="/".join(("", "app")),
                       invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
)py";

image::NamedTexts build_environment() {
    return {
        {"HOME", "/build/home"},  {"TMPDIR", "/build/tmp"},
        {"LANG", "C.UTF-8"},      {"SOURCE_DATE_EPOCH", std::to_string(image::source_date_epoch)},
        {"PYTHONHASHSEED", "0"},  {"PYTHONDONTWRITEBYTECODE", "1"},
        {"PYTHONUNBUFFERED", "1"}};
}

BuildStep step(std::string name, std::vector<std::string> command) {
    return {.name = std::move(name),
            .command = std::move(command),
            .environment = build_environment(),
            .directory = "/app"};
}

std::unexpected<base::Error> no_tool(std::string_view what, std::string_view package) {
    return fail(Code::invalid,
                "TM-409: {} is not on this machine, and the folder needs it: apt-get install {}",
                what, package);
}

const SourceFile* find(const std::vector<SourceFile>& files, std::string_view path) {
    const auto found = std::ranges::find(files, path, &SourceFile::path);
    return found == files.end() ? nullptr : &*found;
}

base::Result<Installation> plan_pip(Packages packages, const std::vector<SourceFile>& files,
                                    const Tools& tools) {
    if (tools.python.empty()) {
        return no_tool("python3", "python3 python3-pip");
    }
    Installation made{.title = "pip install", .result = ".tidemill/python"};
    std::string requirements = "/app/requirements.txt";
    if (packages == Packages::pip_requirements) {
        made.files = {"requirements.txt"};
        const auto* const file = find(files, "requirements.txt");
        if (file != nullptr && read_requirements(file->content).needs_source) {
            made.reads = Installation::Reads::source;
        }
    } else {
        made.files = {"pyproject.toml"};
        requirements = "/build/requirements.txt";
        made.steps.push_back(step("read pyproject.toml",
                                  {tools.python, "-I", "-c", std::string(project_requirements),
                                   "/app/pyproject.toml", requirements}));
    }
    made.steps.push_back(step(
        "pip install",
        {tools.python, "-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check",
         "--no-warn-script-location", "--no-cache-dir", "--no-compile", "--progress-bar", "off",
         "--target", "/app/.tidemill/python", "-r", requirements}));
    made.steps.push_back(step("compile packages", {tools.python, "-I", "-S", "-c",
                                                   std::string(compile_packages_program), "/app"}));
    made.kind = fmt::format("pip 1 {}", tools.python_version);
    return made;
}

base::Result<Installation> plan_npm(Packages packages, const std::vector<SourceFile>& files,
                                    const Tools& tools) {
    if (tools.npm.empty() || tools.node.empty()) {
        return no_tool(tools.node.empty() ? "node" : "npm", "nodejs npm");
    }
    const bool is_locked = packages == Packages::npm_locked;
    Installation made{
        .title = is_locked ? "npm ci" : "npm install",
        .files = {"package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc"},
        .result = "node_modules"};
    if (const auto* const file = find(files, "package.json")) {
        const auto package = read_package_json(file->content);
        if (!package || package->needs_source) {
            made.reads = Installation::Reads::source;
        }
    }
    made.steps.push_back(step(made.title, {tools.npm, is_locked ? "ci" : "install", "--omit=dev",
                                           "--no-audit", "--no-fund", "--no-update-notifier",
                                           "--loglevel=warn", "--cache", "/build/npm"}));
    made.kind = fmt::format("{} 1 {}", made.title, tools.node_version);
    return made;
}

}  // namespace

PackageClients choose_package_clients(const image::NamedTexts& environment,
                                      const std::vector<std::string>& system_files) {
    PackageClients chosen;
    const auto mount = [&](const std::string& path) {
        const auto is_there = [&](const auto& each) { return each.target == path; };
        if (path.starts_with('/') && !is_seen_anyway(path) &&
            std::ranges::none_of(chosen.files, is_there)) {
            chosen.files.push_back({.source = path, .target = path});
        }
    };
    for (const auto& [name, value] : environment) {
        const auto lower = base::lower(name);
        if (std::ranges::find(settings, lower) == settings.end()) {
            continue;
        }
        chosen.environment.emplace_back(name, value);
        if (std::ranges::find(path_settings, lower) != path_settings.end()) {
            mount(value);
        }
    }
    std::ranges::for_each(system_files, mount);
    return chosen;
}

base::Result<Installation> plan_installation(Packages packages,
                                             const std::vector<SourceFile>& files,
                                             const Tools& tools) {
    if (packages == Packages::pip_requirements || packages == Packages::pip_project) {
        return plan_pip(packages, files, tools);
    }
    return plan_npm(packages, files, tools);
}

BuildStep compile_step(const Plan& plan, const Tools& tools) {
    auto made =
        step("compile", {tools.python, "-I", "-S", "-c", std::string(compile_program), "/app"});
    made.command.insert(made.command.end(), plan.entry_files.begin(), plan.entry_files.end());
    return made;
}

base::Result<std::vector<BuildStep>> cmake_steps(const Tools& tools) {
    if (tools.cmake.empty()) {
        return no_tool("cmake", "cmake make");
    }
    if (tools.c_compiler.empty() || tools.cxx_compiler.empty()) {
        return no_tool("a C++ compiler", "g++");
    }
    return std::vector<BuildStep>{
        step("cmake", {tools.cmake, "-S", "/app", "-B", "/build/cmake",
                       "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_C_COMPILER=" + tools.c_compiler,
                       "-DCMAKE_CXX_COMPILER=" + tools.cxx_compiler}),
        step("cmake --build", {tools.cmake, "--build", "/build/cmake", "--parallel", "2"})};
}

std::string advise(std::string_view name, const StepEnd& end,
                   const std::vector<std::string>& last_lines) {
    const auto says = [&](std::string_view words) {
        return std::ranges::any_of(
            last_lines, [&](const auto& line) { return line.find(words) != std::string::npos; });
    };
    if (end.is_out_of_time) {
        return "make it smaller, or allow builds more time";
    }
    if (end.is_out_of_memory) {
        return "the build needs more memory than builds are given";
    }
    if (says("name resolution") || says("EAI_AGAIN") || says("ENOTFOUND") ||
        says("Connection refused") || says("ECONNREFUSED") || says("timed out") ||
        says("ETIMEDOUT") || says("Network is unreachable")) {
        return "the package registry cannot be reached from this machine: start tidemill up with "
               "PIP_INDEX_URL, NPM_CONFIG_REGISTRY or HTTPS_PROXY set as they are needed here";
    }
    if (says("CERTIFICATE_VERIFY_FAILED") || says("SELF_SIGNED_CERT") ||
        says("UNABLE_TO_GET_ISSUER") || says("self-signed certificate")) {
        return "the registry's certificate is not trusted here: start tidemill up with PIP_CERT, "
               "NODE_EXTRA_CA_CERTS or SSL_CERT_FILE naming the certificate authority";
    }
    if (says("No matching distribution found") || says("E404") || says("ETARGET")) {
        return "correct the package's name or version; the lines above name it";
    }
    if (says("No module named pip")) {
        return "apt-get install python3-pip on this machine";
    }
    if (says("in sync") && name.starts_with("npm")) {
        return "package.json and package-lock.json disagree: run npm install, then deploy again";
    }
    if (says("ERESOLVE")) {
        return "two packages want different versions of a third: run npm install until it "
               "succeeds, "
               "then deploy again with its package-lock.json";
    }
    if (name == "compile") {
        return "correct the Python file that the lines above name";
    }
    if (says("gcc") || says("Python.h")) {
        return "a package is built from C source: apt-get install g++ python3-dev, or pin a "
               "version "
               "that has a wheel";
    }
    return "the lines above say why; the same command in the folder on your machine shows it too";
}

}  // namespace tidemill::builder
