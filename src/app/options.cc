#include "app/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/text.h"

namespace tidemill::app {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

struct Flag {
    std::string_view name;
    std::string_view value;  // what stands in the help; empty for a switch
    std::string_view help;
    std::function<Status(Options&, const std::string&)> set;
};

std::vector<std::string> comma_list(const std::string& text) {
    std::vector<std::string> parts;
    for (const auto part : base::split(text, ',')) {
        parts.emplace_back(part);
    }
    return parts;
}

const std::vector<Flag>& flags() {
    static const std::vector<Flag> all{
        {"--data", "DIR", "everything that is kept (default /var/lib/tidemill, or $TIDEMILL_DATA)",
         [](Options& o, const std::string& v) {
             o.data = v;
             return Status(base::ok);
         }},
        {"--run", "DIR", "sockets and records of this boot (default: derived from DIR)",
         [](Options& o, const std::string& v) {
             o.run = v;
             return Status(base::ok);
         }},
        {"--http", "ADDR[,ADDR]", "where requests come in (default 127.0.0.1:8080,[::1]:8080)",
         [](Options& o, const std::string& v) {
             o.http = comma_list(v);
             return Status(base::ok);
         }},
        {"--api", "ADDR[,ADDR]", "the Kubernetes API over TLS (default 127.0.0.1:6443,[::1]:6443)",
         [](Options& o, const std::string& v) {
             o.api = comma_list(v);
             return Status(base::ok);
         }},
        {"--metrics", "ADDR", "the proxy's /metrics and /healthz (default 127.0.0.1:9090)",
         [](Options& o, const std::string& v) {
             o.metrics = v;
             return Status(base::ok);
         }},
        {"--domain", "NAME", "services are NAME.NAMESPACE.DOMAIN (default localhost)",
         [](Options& o, const std::string& v) {
             o.domain = base::lower(v);
             return Status(base::ok);
         }},
        {"--public", "", "allow addresses other than loopback",
         [](Options& o, const std::string&) {
             o.exposure = Options::Exposure::any;
             return Status(base::ok);
         }},
        {"--log-format", "human|json", "how the log is written to stderr (default human)",
         [](Options& o, const std::string& v) {
             if (v != "human" && v != "json") {
                 return Status(
                     fail(Code::invalid, "--log-format: expected human or json, got {}", v));
             }
             o.log_format = v == "json" ? Options::LogFormat::json : Options::LogFormat::human;
             return Status(base::ok);
         }},
        {"--fixed-routes", "FILE", "serve what FILE says instead of what the API is told",
         [](Options& o, const std::string& v) {
             o.fixed_routes = v;
             return Status(base::ok);
         }},
        {"--runtimes", "DIR", "the language runtimes (default: beside the binary)",
         [](Options& o, const std::string& v) {
             o.runtimes = v;
             return Status(base::ok);
         }},
    };
    return all;
}

}  // namespace

std::string up_help() {
    std::string text =
        "Usage: tidemill up [FLAG...]\n\nStarts the platform on this machine and stays in the "
        "foreground. Ctrl-C stops it and all\ninstances; after a crash or kill -9 instances keep "
        "running and are adopted.\n\nExamples:\n  tidemill up --data ./data\n  tidemill up --data "
        "./data --http 127.0.0.1:9000 --api 127.0.0.1:9443\n\nFlags:\n";
    for (const auto& flag : flags()) {
        text +=
            fmt::format("  {:<28} {}\n", fmt::format("{} {}", flag.name, flag.value), flag.help);
    }
    return text;
}

Result<Options> parse_options(const std::vector<std::string>& words) {
    Options options;
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string name = words[i];
        std::string value;
        bool inline_value = false;
        if (const auto equals = name.find('='); equals != std::string::npos) {
            value = name.substr(equals + 1);
            name.resize(equals);
            inline_value = true;
        }
        const auto flag = std::ranges::find(flags(), name, &Flag::name);
        if (flag == flags().end()) {
            const auto nearest = std::ranges::min_element(
                flags(), {}, [&](const Flag& f) { return base::edit_distance(f.name, name); });
            return fail(Code::invalid, "up: no flag \"{}\" (did you mean {}?)", name,
                        nearest->name);
        }
        if (!flag->value.empty() && !inline_value) {
            if (i + 1 == words.size()) {
                return fail(Code::invalid, "up: {} wants a value: {} {}", name, name, flag->value);
            }
            value = words[++i];
        }
        if (auto set = flag->set(options, value); !set) {
            return base::wrap("up: ", set.error());
        }
    }
    return options;
}

std::vector<std::string> to_words(const Options& options) {
    std::vector<std::string> words{
        "--data",       options.data,
        "--run",        options.run,
        "--http",       fmt::format("{}", fmt::join(options.http, ",")),
        "--api",        fmt::format("{}", fmt::join(options.api, ",")),
        "--metrics",    options.metrics,
        "--domain",     options.domain,
        "--runtimes",   options.runtimes,
        "--log-format", options.log_format == Options::LogFormat::json ? "json" : "human"};
    if (!options.fixed_routes.empty()) {
        words.insert(words.end(), {"--fixed-routes", options.fixed_routes});
    }
    if (options.exposure == Options::Exposure::any) {
        words.emplace_back("--public");
    }
    return words;
}

Status validate(const Options& options) {
    std::set<std::string> seen;
    const auto check = [&](const std::string& flag, const std::string& text) -> Status {
        TRY(const auto address, host::parse_address(text));
        const auto* const ip = std::get_if<host::IpAddress>(&address);
        if (ip == nullptr) {
            return fail(Code::invalid, "{} {}: expected an IP address and a port", flag, text);
        }
        if (!ip->is_loopback() && options.exposure == Options::Exposure::loopback) {
            return fail(
                Code::invalid,
                "{} {}: this address can be reached by others; say --public if that is meant", flag,
                text);
        }
        if (ip->port != 0 && !seen.insert(text).second) {
            return fail(Code::invalid, "{} {}: this address is given twice", flag, text);
        }
        return base::ok;
    };
    for (const auto& text : options.http) {
        CHECK_OK(check("--http", text));
    }
    for (const auto& text : options.api) {
        CHECK_OK(check("--api", text));
    }
    CHECK_OK(check("--metrics", options.metrics));
    if (options.data.empty() || options.data.front() != '/') {
        return fail(Code::invalid, "--data {}: expected an absolute path", options.data);
    }
    return base::ok;
}

}  // namespace tidemill::app
