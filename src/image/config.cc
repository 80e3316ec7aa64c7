#include "image/config.h"

#include <array>

#include "base/text.h"
#include "image/platform.h"
#include "wire/json.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;
using Runtime = ImageConfig::Runtime;

constexpr std::string_view label = "dev.tidemill.image";
constexpr std::int64_t version_now = 1;
constexpr std::array runtimes{Runtime::python, Runtime::node, Runtime::static_site,
                              Runtime::program};

wire::JsonArray pairs_json(const NamedTexts& pairs) {
    wire::JsonArray array;
    for (const auto& [name, value] : pairs) {
        array.push_back(wire::JsonArray{wire::Json(name), wire::Json(value)});
    }
    return array;
}

base::Result<NamedTexts> read_pairs(const wire::JsonReader& from) {
    NamedTexts pairs;
    TRY(const auto elements, from.elements());
    for (const auto& each : elements) {
        TRY(const auto name, each.at(std::size_t{0}).string());
        TRY(const auto value, each.at(std::size_t{1}).string());
        pairs.emplace_back(name, value);
    }
    return pairs;
}

std::string path_inside(std::string_view runtime) {
    return std::string(runtimes_directory) + "/" + std::string(runtime);
}

// What starts the image where /opt/tidemill/runtimes is: here, and in a cluster on a base that has
// it.
std::vector<std::string> command_inside(const ImageConfig& config, const std::string& python,
                                        const std::string& node) {
    switch (config.runtime) {
        case Runtime::python:
            return {python, "-I", "-S", path_inside("python") + "/shim.py"};
        case Runtime::node:
            return {node, path_inside("node") + "/shim.js"};
        case Runtime::static_site:
            return {path_inside("static") + "/tidemill-static"};
        case Runtime::program:
            return config.command;
    }
    return {};
}

NamedTexts environment_inside(const ImageConfig& config) {
    auto environment = config.environment;
    if (!config.handler.empty()) {
        environment.emplace_back("TIDEMILL_HANDLER", config.handler);
    }
    if (!config.functions.empty()) {
        wire::JsonObject functions;
        for (const auto& [prefix, handler] : config.functions) {
            functions[prefix] = handler;
        }
        environment.emplace_back("TIDEMILL_FUNCTIONS", wire::write_json(functions));
    }
    return environment;
}

}  // namespace

std::string_view runtime_name(Runtime runtime) {
    switch (runtime) {
        case Runtime::python:
            return "python";
        case Runtime::node:
            return "node";
        case Runtime::static_site:
            return "static";
        case Runtime::program:
            return "native";
    }
    return "";
}

std::string write_config(const ImageConfig& config, std::string_view diff_id) {
    wire::JsonArray command;
    for (const auto& each : config.command) {
        command.push_back(wire::Json(each));
    }
    const wire::JsonObject ours{{"version", version_now},
                                {"runtime", runtime_name(config.runtime)},
                                {"title", config.title},
                                {"command", std::move(command)},
                                {"environment", pairs_json(config.environment)},
                                {"handler", config.handler},
                                {"functions", pairs_json(config.functions)},
                                {"base", config.base}};
    wire::JsonArray start;
    for (const auto& each : command_inside(config, "/usr/bin/python3", "/usr/bin/node")) {
        start.push_back(wire::Json(each));
    }
    wire::JsonArray environment;
    for (const auto& [name, value] : environment_inside(config)) {
        environment.push_back(wire::Json(name + "=" + value));
    }
    const wire::JsonObject whole{
        {"architecture", host_architecture},
        {"os", "linux"},
        {"config", wire::JsonObject{{"Env", std::move(environment)},
                                    {"Cmd", std::move(start)},
                                    {"WorkingDir", app_directory},
                                    {"Labels", wire::JsonObject{{label, wire::write_json(ours)}}}}},
        {"rootfs", wire::JsonObject{{"type", "layers"}, {"diff_ids", wire::JsonArray{diff_id}}}}};
    return wire::write_json(whole);
}

base::Result<ImageConfig> read_config(std::string_view text) {
    TRY(const auto whole, wire::parse_json(text));
    TRY(const auto ours_text, wire::JsonReader(whole).at("config").at("Labels").at(label).string());
    TRY(const auto ours, wire::parse_json(ours_text));
    const wire::JsonReader reader(ours);
    TRY(const auto version, reader.at("version").integer());
    if (version > version_now) {
        return fail(Code::invalid, "image configuration: version {}, but this build reads up to {}",
                    version, version_now);
    }
    ImageConfig config;
    TRY(const auto runtime, reader.at("runtime").string());
    bool known = false;
    for (const auto each : runtimes) {
        if (runtime_name(each) == runtime) {
            config.runtime = each;
            known = true;
        }
    }
    if (!known) {
        return reader.at("runtime").fail("is not known");
    }
    TRY(config.title, reader.at("title").string());
    TRY(const auto command, reader.at("command").elements());
    for (const auto& each : command) {
        TRY(const auto word, each.string());
        config.command.emplace_back(word);
    }
    TRY(config.environment, read_pairs(reader.at("environment")));
    TRY(config.handler, reader.at("handler").string());
    TRY(config.functions, read_pairs(reader.at("functions")));
    TRY(config.base, reader.at("base").string());
    return config;
}

base::Result<StartPlan> plan_start(const ImageConfig& config, const std::string& tree,
                                   const Toolbox& tools, const std::vector<std::string>& command,
                                   const std::vector<std::string>& arguments) {
    StartPlan plan;
    plan.runtime = runtime_name(config.runtime);
    plan.working_directory = app_directory;
    plan.mounts.push_back({.source = tree, .target = std::string(app_directory)});
    plan.environment = environment_inside(config);
    if (!command.empty()) {
        plan.runtime = runtime_name(Runtime::program);
        plan.command = command;
    } else {
        plan.command = command_inside(config, tools.python, tools.node);
        if (config.runtime != Runtime::program) {
            if (!arguments.empty()) {
                return fail(Code::invalid,
                            "args: {} takes none; give command too, or leave args out",
                            config.title);
            }
            plan.listen = StartPlan::Listen::unix_socket;
            if (config.runtime == Runtime::static_site) {
                plan.mounts.push_back(
                    {.source = tools.static_server, .target = plan.command.front()});
            } else {
                plan.mounts.push_back({.source = tools.runtimes + "/" + plan.runtime,
                                       .target = path_inside(plan.runtime)});
                plan.readiness_path = "/.well-known/tidemill/ready";
            }
        }
    }
    plan.command.insert(plan.command.end(), arguments.begin(), arguments.end());
    if (plan.command.empty()) {
        return fail(Code::invalid, "image of {}: says no command", config.title);
    }
    if (!plan.command.front().starts_with('/')) {
        // The user's own words: found as a shell would, in the instance's PATH.
        plan.command.insert(plan.command.begin(), {"/usr/bin/env", "--"});
    }
    return plan;
}

}  // namespace tidemill::image
