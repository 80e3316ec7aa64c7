#include "builder/detect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "builder/project_files.h"

namespace tidemill::builder {
namespace {

using base::Code;
using base::fail;
using Kind = Plan::Kind;
using Packages = Plan::Packages;
using Runtime = image::ImageConfig::Runtime;

// The order of the Python shim's own search (runtimes/README.md).
constexpr std::array python_functions{"handler.py", "main.py", "app.py", "function.py"};
constexpr std::array python_apps{"app.py", "main.py", "server.py", "run.py", "__main__.py"};
constexpr std::array node_functions{"index.js",   "index.mjs",   "index.cjs",
                                    "handler.js", "handler.mjs", "handler.cjs"};
constexpr std::array manifests{"tidemill.yaml",  "Procfile",     "requirements.txt",
                               "pyproject.toml", "package.json", "CMakeLists.txt"};
constexpr std::string_view system_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool in_root(std::string_view path) {
    return path.find('/') == std::string_view::npos;
}
bool is_python(std::string_view path) {
    return path.ends_with(".py");
}
bool is_javascript(std::string_view path) {
    return path.ends_with(".js") || path.ends_with(".mjs") || path.ends_with(".cjs");
}

class Detector {
public:
    Detector(const std::vector<SourceFile>& files, const Interpreters& interpreters)
        : files_(files), interpreters_(interpreters) {}

    base::Result<Plan> run() {
        if (files_.empty()) {
            return fail(Code::invalid,
                        "TM-401: the folder is empty, or everything in it is ignored; put a "
                        "handler.py, index.js, index.html or Procfile into it");
        }
        CHECK_OK(read_manifests());
        if (const auto* file = find("tidemill.yaml")) {
            return functions(file->content);
        }
        if (const auto* file = find("Procfile")) {
            return procfile(file->content);
        }
        auto python = python_plan();
        auto node = node_plan();
        if (python && node) {
            return fail(Code::invalid,
                        "TM-403: this may be {} ({}) or {} ({}); say which with a Procfile (`web: "
                        "COMMAND`) or deploy a folder that holds only one of them",
                        python->title, python->reason, node->title, node->reason);
        }
        if (python) {
            return *std::move(python);
        }
        if (node) {
            return *std::move(node);
        }
        if (find("CMakeLists.txt") != nullptr) {
            return Plan{.kind = Kind::native_source,
                        .title = "a native program",
                        .reason = "CMakeLists.txt is there",
                        .start = "the one executable that CMake builds"};
        }
        return program_or_site();
    }

private:
    const SourceFile* find(std::string_view path) const {
        const auto found = std::ranges::lower_bound(files_, path, {}, &SourceFile::path);
        return found != files_.end() && found->path == path ? &*found : nullptr;
    }

    base::Status read_manifests() {
        if (const auto* file = find("package.json")) {
            auto read = read_package_json(file->content);
            if (!read) {
                return fail(Code::invalid, "TM-404: package.json: {}", read.error().message);
            }
            package_ = *std::move(read);
        }
        return base::ok;
    }

    // What pip and npm would have to do, by the files that they know.
    void add_pip(Plan& plan) const {
        const auto* const requirements = find("requirements.txt");
        if (requirements != nullptr) {
            const auto read = read_requirements(requirements->content);
            if (read.has_any) {
                plan.packages.push_back(Packages::pip_requirements);
                if (!read.all_pinned) {
                    plan.warnings.emplace_back(
                        "requirements.txt does not pin every version (name==1.2.3): a later build "
                        "may install others");
                }
            }
        } else if (const auto* project = find("pyproject.toml");
                   project != nullptr &&
                   project->content.find("dependencies") != std::string::npos) {
            plan.packages.push_back(Packages::pip_project);
            plan.warnings.emplace_back(
                "pyproject.toml locks no versions: a later build may install others; a "
                "requirements.txt of pinned versions is used instead when it is there");
        }
    }
    void add_npm(Plan& plan) const {
        if (!package_ || !package_->has_dependencies) {
            return;
        }
        if (find("package-lock.json") != nullptr || find("npm-shrinkwrap.json") != nullptr) {
            plan.packages.push_back(Packages::npm_locked);
        } else {
            plan.packages.push_back(Packages::npm_unlocked);
            plan.warnings.emplace_back(
                "package-lock.json is not there: a later build may install other versions; run npm "
                "install and keep the file it writes");
        }
    }
    // What an app, which has no shim to do it, needs to find what was installed for it.
    static void add_app_environment(Plan& plan) {
        std::string path;
        const auto has = [&](Packages one, Packages other) {
            return std::ranges::find(plan.packages, one) != plan.packages.end() ||
                   std::ranges::find(plan.packages, other) != plan.packages.end();
        };
        auto& environment = plan.config.environment;
        environment.emplace_back("PYTHONUNBUFFERED", "1");
        environment.emplace_back("PYTHONDONTWRITEBYTECODE", "1");
        environment.emplace_back("NODE_ENV", "production");
        if (has(Packages::pip_requirements, Packages::pip_project)) {
            environment.emplace_back("PYTHONPATH", "/app/.tidemill/python");
            path += "/app/.tidemill/python/bin:";
        }
        if (has(Packages::npm_locked, Packages::npm_unlocked)) {
            path += "/app/node_modules/.bin:";
        }
        if (!path.empty()) {
            environment.emplace_back("PATH", path + std::string(system_path));
        }
    }
    static void seal(Plan& plan) { plan.config.title = plan.title; }
    bool has_python() const {
        return std::ranges::any_of(files_, [](const auto& each) { return is_python(each.path); });
    }

    base::Result<Plan> functions(std::string_view yaml) const {
        auto read = read_functions(yaml);
        if (!read) {
            return fail(Code::invalid, "TM-404: tidemill.yaml: {}", read.error().message);
        }
        Plan plan;
        std::optional<bool> python;
        for (const auto& [prefix, handler] : *read) {
            auto file = handler.substr(0, handler.find(':'));
            if (!is_python(file) && !is_javascript(file)) {
                // A module: "shop.orders:handle".
                std::ranges::replace(file, '.', '/');
                file += find(file + ".py") != nullptr ? ".py" : ".js";
            }
            if (find(file) == nullptr) {
                return fail(Code::invalid,
                            "TM-404: tidemill.yaml: functions[{}]: handler \"{}\": there is no "
                            "file {}",
                            prefix, handler, file);
            }
            if (python.value_or(is_python(file)) != is_python(file)) {
                return fail(Code::invalid,
                            "TM-404: tidemill.yaml: functions[{}]: {} is of another language than "
                            "the functions before it; deploy one folder per language",
                            prefix, file);
            }
            python = is_python(file);
            if (std::ranges::find(plan.entry_files, file) == plan.entry_files.end()) {
                plan.entry_files.push_back(file);
            }
        }
        plan.config.functions = *std::move(read);
        plan.kind = *python ? Kind::python_functions : Kind::node_functions;
        plan.config.runtime = *python ? Runtime::python : Runtime::node;
        plan.title =
            fmt::format("{} {} function{} in one project", plan.config.functions.size(),
                        *python ? "Python" : "Node", plan.config.functions.size() == 1 ? "" : "s");
        plan.reason = "tidemill.yaml names functions";
        plan.start = fmt::format("the {} runtime", *python ? "Python" : "Node");
        if (*python) {
            add_pip(plan);
            plan.bytecode = Plan::Bytecode::compile;
        } else {
            plan.entry_files.clear();
            add_npm(plan);
        }
        seal(plan);
        return plan;
    }

    base::Result<Plan> procfile(std::string_view text) const {
        const auto command = read_procfile(text);
        if (!command) {
            return fail(Code::invalid, "TM-404: Procfile: {}", command.error().message);
        }
        Plan plan{.kind = Kind::procfile_app,
                  .title = "an app with a Procfile",
                  .reason = "Procfile has a line web:",
                  .start = *command};
        plan.config.command = shell_command(*command);
        add_pip(plan);
        add_npm(plan);
        add_app_environment(plan);
        plan.bytecode = has_python() ? Plan::Bytecode::compile : Plan::Bytecode::none;
        seal(plan);
        return plan;
    }

    Plan python_function(const std::string& file) const {
        Plan plan{.kind = Kind::python_function,
                  .title = "a Python function",
                  .reason = file + " defines handle",
                  .start = "the Python runtime with " + file,
                  .bytecode = Plan::Bytecode::compile,
                  .entry_files = {file}};
        plan.config.runtime = Runtime::python;
        plan.config.handler = file + ":handle";
        add_pip(plan);
        seal(plan);
        return plan;
    }

    std::optional<Plan> python_plan() const {
        for (const auto* name : python_functions) {
            const auto* const file = find(name);
            if (file != nullptr && python_defines_handle(file->content)) {
                return python_function(file->path);
            }
        }
        std::vector<const SourceFile*> in_the_root;
        for (const auto& file : files_) {
            if (in_root(file.path) && is_python(file.path)) {
                in_the_root.push_back(&file);
            }
        }
        if (in_the_root.size() == 1 && python_defines_handle(in_the_root[0]->content)) {
            return python_function(in_the_root[0]->path);
        }
        for (const auto* name : python_apps) {
            if (find(name) == nullptr) {
                continue;
            }
            Plan plan{.kind = Kind::python_app,
                      .title = "a Python app",
                      .reason = fmt::format("{} is there and defines no handle", name),
                      .start = fmt::format("python3 {}", name),
                      .bytecode = Plan::Bytecode::compile,
                      .entry_files = {name}};
            plan.config.command = {interpreters_.python, name};
            add_pip(plan);
            add_app_environment(plan);
            seal(plan);
            return plan;
        }
        return std::nullopt;
    }

    std::optional<Plan> node_plan() const {
        if (package_ && !package_->start.empty()) {
            return node_app(fmt::format("package.json has a start script"), package_->start);
        }
        std::vector<std::string> candidates;
        if (package_ && !package_->main.empty()) {
            candidates.push_back(package_->main);
            candidates.push_back(package_->main + ".js");
        }
        candidates.insert(candidates.end(), node_functions.begin(), node_functions.end());
        for (const auto& name : candidates) {
            const auto* const file = find(name);
            if (file == nullptr || !javascript_exports_handle(file->content)) {
                continue;
            }
            Plan plan{.kind = Kind::node_function,
                      .title = "a Node function",
                      .reason = name + " exports handle",
                      .start = "the Node runtime with " + name};
            plan.config.runtime = Runtime::node;
            plan.config.handler = name + ":handle";
            add_npm(plan);
            seal(plan);
            return plan;
        }
        // What npm start runs without a script; an app's main only where it says that it is one.
        if (find("server.js") != nullptr) {
            return node_app("server.js is there", "node server.js");
        }
        if (package_ && !package_->main.empty() && find(package_->main) != nullptr) {
            return node_app("package.json names a main file, which exports no handle",
                            "node " + package_->main);
        }
        return std::nullopt;
    }

    Plan node_app(std::string reason, const std::string& line) const {
        Plan plan{.kind = Kind::node_app,
                  .title = "a Node app",
                  .reason = std::move(reason),
                  .start = line};
        plan.config.command = shell_command(line);
        if (line.starts_with("node ") &&
            line.find_first_of(";|&()<>{}`\n\"'$*?\\~") == std::string::npos) {
            plan.config.command = {interpreters_.node};
            for (const auto word : base::split(std::string_view(line).substr(5), ' ')) {
                if (!word.empty()) {
                    plan.config.command.emplace_back(word);
                }
            }
        }
        add_npm(plan);
        add_app_environment(plan);
        seal(plan);
        return plan;
    }

    base::Result<Plan> program_or_site() const {
        std::vector<std::string> programs;
        for (const auto& file : files_) {
            if (file.mode == SourceFile::Mode::executable && (file.content.starts_with("\x7f"
                                                                                       "ELF") ||
                                                              file.content.starts_with("#!"))) {
                programs.push_back(file.path);
            }
        }
        if (find("index.html") != nullptr) {
            Plan plan{.kind = Kind::static_site,
                      .title = "a static site",
                      .reason = "index.html is there and no program",
                      .start = "the static server"};
            if (!programs.empty()) {
                plan.reason = "index.html is there";
                plan.warnings.push_back(
                    fmt::format("{} is executable but not run: it is served as a file; name it in "
                                "a Procfile if "
                                "it is the server",
                                programs.front()));
            }
            plan.config.runtime = Runtime::static_site;
            seal(plan);
            return plan;
        }
        if (programs.size() == 1) {
            Plan plan{.kind = Kind::native_program,
                      .title = "a native program",
                      .reason = programs.front() + " is the one executable",
                      .start = programs.front()};
            plan.config.command = {"/app/" + programs.front()};
            seal(plan);
            return plan;
        }
        if (!programs.empty()) {
            programs.resize(std::min<std::size_t>(programs.size(), 5));
            return fail(Code::invalid,
                        "TM-403: several files are executable ({}…); say which is the server with "
                        "a Procfile: `web: ./{}`",
                        fmt::join(programs, ", "), programs.front());
        }
        return nothing_found();
    }

    std::unexpected<base::Error> nothing_found() const {
        std::vector<std::string_view> there;
        std::string hint;
        for (const auto& file : files_) {
            if (there.size() < 8) {
                there.push_back(file.path);
            }
            if (std::ranges::find(manifests, file.path) != manifests.end()) {
                hint = fmt::format(
                    "; {} is there, but nothing says what to start: add a Procfile with `web: "
                    "COMMAND`",
                    file.path);
            }
        }
        return fail(Code::invalid,
                    "TM-402: cannot tell what this folder is. Looked for: tidemill.yaml; Procfile; "
                    "{} with `def handle(request, context)`; {}; package.json with a start script; "
                    "index.js, handler.js or package.json's main exporting handle; server.js; "
                    "CMakeLists.txt; one executable; index.html. There is: {}{}{}",
                    fmt::join(python_functions, ", "), fmt::join(python_apps, ", "),
                    fmt::join(there, ", "), files_.size() > there.size() ? ", …" : "", hint);
    }

    const std::vector<SourceFile>& files_;
    const Interpreters& interpreters_;
    std::optional<PackageJson> package_;
};

}  // namespace

bool wants_content(std::string_view path, SourceFile::Mode mode) {
    return mode == SourceFile::Mode::executable ||
           std::ranges::find(manifests, path) != manifests.end() ||
           (in_root(path) && (is_python(path) || is_javascript(path))) || is_javascript(path);
}

base::Result<Plan> detect(const std::vector<SourceFile>& files, const Interpreters& interpreters) {
    return Detector(files, interpreters).run();
}

}  // namespace tidemill::builder
