#include "image/oci/oci_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "image/oci/tree_path.h"
#include "image/platform.h"
#include "wire/json.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;

constexpr std::size_t words_max = 4096;
constexpr std::uint64_t passwd_bytes_max = 4U << 20;

base::Result<std::vector<std::string>> read_words(const wire::JsonReader& from) {
    TRY(const auto elements, from.elements());
    if (elements.size() > words_max) {
        return from.fail("holds too many words");
    }
    std::vector<std::string> words;
    for (const auto& each : elements) {
        TRY(const auto word, each.string());
        if (word.find('\0') != std::string_view::npos) {
            return each.fail("holds a zero byte");
        }
        words.emplace_back(word);
    }
    return words;
}

base::Status read_environment(const wire::JsonReader& from, NamedTexts& into) {
    TRY(const auto variables, read_words(from));
    for (const auto& each : variables) {
        const auto equals = each.find('=');
        if (equals == 0) {
            return from.fail("holds a variable without a name");
        }
        // Docker takes a bare name too; it sets nothing.
        if (equals == std::string::npos) {
            continue;
        }
        auto name = each.substr(0, equals);
        std::erase_if(into, [&](const auto& known) { return known.first == name; });
        into.emplace_back(std::move(name), each.substr(equals + 1));
    }
    return base::ok;
}

base::Result<OciConfig> read_members(const wire::JsonReader& root) {
    OciConfig config;
    const auto from = root.at("config");
    TRY(config.entrypoint, read_words(from.at("Entrypoint")));
    TRY(config.command, read_words(from.at("Cmd")));
    CHECK_OK(read_environment(from.at("Env"), config.environment));
    TRY(const auto directory, from.at("WorkingDir").string_or(""));
    TRY(const auto user, from.at("User").string_or(""));
    config.working_directory = directory;
    config.user = user;
    TRY(const auto ports, from.at("ExposedPorts").members());
    for (const auto& [name, nothing] : ports) {
        const auto slash = std::min(name.find('/'), name.size());
        const auto protocol = name.substr(slash);
        const auto port = base::parse_number<std::uint16_t>(name.substr(0, slash));
        if (port && (protocol.empty() || protocol == "/tcp")) {
            config.exposed_ports.push_back(*port);
        }
    }
    std::ranges::sort(config.exposed_ports);
    TRY(config.diff_ids, read_words(root.at("rootfs").at("diff_ids")));
    return config;
}

// The fields of the first line of a passwd or group file whose field `by` is `wanted`.
std::optional<std::vector<std::string>> find_line(std::string_view text, std::size_t by,
                                                  std::string_view wanted) {
    for (const auto line : base::split(text, '\n')) {
        const auto fields = base::split(line, ':');
        if (fields.size() > std::max<std::size_t>(by, 2) && fields[by] == wanted) {
            return std::vector<std::string>(fields.begin(), fields.end());
        }
    }
    return std::nullopt;
}

std::optional<std::uint32_t> number(std::string_view text) {
    const auto value = base::parse_number<std::uint32_t>(text);
    return value && *value <= INT32_MAX ? value : std::nullopt;
}

}  // namespace

base::Result<OciConfig> read_oci_config(std::string_view text) {
    const auto malformed = [](const base::Error& error) {
        return fail(error.code, "TM-423: the image's configuration is malformed: {}",
                    error.message);
    };
    const auto document = wire::parse_json(text);
    if (!document) {
        return malformed(document.error());
    }
    const wire::JsonReader root(*document);
    const auto os = root.at("os").string_or("linux");
    const auto architecture = root.at("architecture").string_or(host_architecture);
    if (!os || !architecture) {
        return malformed(os ? architecture.error() : os.error());
    }
    if ((!os->empty() && *os != "linux") ||
        (!architecture->empty() && *architecture != host_architecture)) {
        return fail(Code::invalid, "TM-425: the image is for {}/{}, and this machine is linux/{}",
                    *os, *architecture, host_architecture);
    }
    auto config = read_members(root);
    if (!config) {
        return malformed(config.error());
    }
    if (!config->working_directory.empty() && !config->working_directory.starts_with('/')) {
        return fail(Code::invalid, "TM-427: the image's working directory \"{}\" is not absolute",
                    config->working_directory);
    }
    return config;
}

base::Result<OciUser> find_user(host::Disk& disk, const std::string& tree, std::string_view user) {
    const auto colon = user.find(':');
    const auto name = user.substr(0, colon);
    const auto group =
        colon == std::string_view::npos ? std::string_view() : user.substr(colon + 1);
    const auto passwd = read_in_tree(disk, tree, "/etc/passwd", passwd_bytes_max).value_or("");
    OciUser found;
    std::optional<std::vector<std::string>> line;
    if (const auto uid = number(name.empty() ? "0" : name)) {
        found.uid = *uid;
        line = find_line(passwd, 2, fmt::format("{}", *uid));
    } else {
        line = find_line(passwd, 0, name);
        const auto named = line ? number((*line)[2]) : std::nullopt;
        if (!named) {
            return fail(Code::invalid,
                        "TM-427: the image runs as user \"{}\", who is not in its /etc/passwd",
                        name);
        }
        found.uid = *named;
    }
    if (line && line->size() > 3) {
        found.gid = number((*line)[3]).value_or(0);
    }
    if (line && line->size() > 5) {
        found.home = (*line)[5];
    }
    if (!group.empty()) {
        if (const auto gid = number(group)) {
            found.gid = *gid;
            return found;
        }
        const auto groups = read_in_tree(disk, tree, "/etc/group", passwd_bytes_max).value_or("");
        const auto entry = find_line(groups, 0, group);
        const auto named = entry ? number((*entry)[2]) : std::nullopt;
        if (!named) {
            return fail(Code::invalid,
                        "TM-427: the image runs as group \"{}\", which is not in its /etc/group",
                        group);
        }
        found.gid = *named;
    }
    return found;
}

}  // namespace tidemill::image
