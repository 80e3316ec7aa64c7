#include "control/revision/instance_spec.h"

#include <map>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "model/serving/annotations.h"
#include "model/serving/serving.h"

namespace tidemill::control {

namespace {

using link::InstanceSpec;
using model::KindId;
using Variables = std::map<std::string, std::string, std::less<>>;

std::string_view kind_name(KindId kind) {
    return kind == KindId::secret ? "Secret" : "ConfigMap";
}

// The keys of a ConfigMap or Secret with their bytes.
Variables data_of(const model::Object& object) {
    Variables data;
    const auto each = [&](std::string_view member, bool encoded) {
        const auto* map = model::find_member(object.body, {member});
        if (map == nullptr || !map->is_object()) {
            return;
        }
        for (const auto& entry : map->get_object()) {
            if (!entry.value().is_string()) {
                continue;
            }
            const auto text = model::as_view(entry.value().get_string());
            data[std::string(entry.key())] =
                encoded ? base::from_base64(text).value_or("") : std::string(text);
        }
    };
    each("data", object.kind == KindId::secret);
    each("stringData", false);
    each("binaryData", true);
    return data;
}

// What Kubernetes puts in place of $(NAME); $$ is a dollar, unknown names stay as they are.
std::string expand(std::string_view text, const Variables& variables) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '$' || i + 1 == text.size()) {
            out += text[i];
        } else if (text[i + 1] == '$') {
            out += '$';
            ++i;
        } else if (const auto end = text.find(')', i);
                   text[i + 1] == '(' && end != std::string_view::npos) {
            const auto found = variables.find(text.substr(i + 2, end - i - 2));
            out += found == variables.end() ? text.substr(i, end - i + 1)
                                            : std::string_view(found->second);
            i = end;
        } else {
            out += text[i];
        }
    }
    return out;
}

class SpecMaker {
public:
    SpecMaker(const model::RevisionSpec& spec, const model::Container& container,
              const FindObject& find, InstanceSpec base)
        : spec_(spec), container_(container), find_(find), out_(std::move(base)) {}

    base::Result<InstanceSpec> make(const model::Object& revision, const ImageFacts& image,
                                    base::Duration progress_deadline) && {
        CHECK_OK(environment(revision));
        command(image);
        CHECK_OK(volumes());
        limits();
        probes();
        out_.grace = std::chrono::seconds(spec_.timeout_seconds.value_or(300));
        out_.startup_deadline = progress_deadline;
        out_.keep_frozen = keep_frozen_default;
        if (const auto asked =
                model::find_annotation(revision.metadata.annotations, model::keep_frozen);
            asked && !asked->value.empty()) {
            TRY(out_.keep_frozen, base::parse_duration(asked->value));
        }
        if (!container_.working_dir.empty()) {
            out_.working_directory = container_.working_dir;
        }
        if (container_.security_context) {
            CHECK_OK(security(*container_.security_context));
        }
        if (out_.command.empty()) {
            return base::fail(base::Code::invalid,
                              "TM-427: image {}: names no command; give the container one",
                              container_.image);
        }
        return std::move(out_);
    }

private:
    // The data of a ConfigMap or Secret; nothing when it is optional and not there.
    base::Result<std::optional<Variables>> data(KindId kind, const std::string& name,
                                                bool optional) const {
        if (const auto object = find_(kind, name)) {
            return data_of(*object);
        }
        if (optional) {
            return std::optional<Variables>();
        }
        return base::fail(base::Code::not_found, "{} \"{}\" is not there", kind_name(kind), name);
    }

    void set(const std::string& name, std::string value) {
        for (auto& [known, old] : out_.environment) {
            if (known == name) {
                variables_[name] = old = std::move(value);
                return;
            }
        }
        variables_[name] = value;
        out_.environment.emplace_back(name, std::move(value));
    }

    base::Status from_key(const std::string& name, KindId kind,
                          const model::KeySelector& selector) {
        TRY(const auto found, data(kind, selector.name, selector.optional));
        if (found && found->contains(selector.key)) {
            set(name, found->at(selector.key));
        } else if (!selector.optional) {
            return base::fail(base::Code::not_found, "{} \"{}\" has no key \"{}\"", kind_name(kind),
                              selector.name, selector.key);
        }
        return base::ok;
    }

    base::Status environment(const model::Object& revision) {
        for (const auto& [name, value] : out_.environment) {
            variables_[name] = value;
        }
        for (const auto& source : container_.environment_from) {
            const auto& reference = source.secret ? source.secret : source.config_map;
            if (!reference) {
                continue;
            }
            TRY(const auto found, data(source.secret ? KindId::secret : KindId::config_map,
                                       reference->name, reference->optional));
            for (const auto& [key, value] : found.value_or(Variables())) {
                set(source.prefix + key, value);
            }
        }
        for (const auto& variable : container_.environment) {
            if (variable.config_map_key) {
                CHECK_OK(from_key(variable.name, KindId::config_map, *variable.config_map_key));
            } else if (variable.secret_key) {
                CHECK_OK(from_key(variable.name, KindId::secret, *variable.secret_key));
            } else {
                set(variable.name, expand(variable.value, variables_));
            }
        }
        const auto& labels = revision.metadata.labels;
        set("K_REVISION", revision.metadata.name);
        set("K_CONFIGURATION", std::string(text_of(labels, serving::configuration)));
        set("K_SERVICE", std::string(text_of(labels, serving::service)));
        return base::ok;
    }

    base::Status security(const model::SecurityContext& wanted) {
        if (wanted.run_as_user) {
            out_.run_as_user = static_cast<std::uint32_t>(*wanted.run_as_user);
            // A user that the image does not name has the group that container engines give.
            out_.run_as_group = out_.run_as_group ? std::optional(0U) : std::nullopt;
        }
        if (wanted.run_as_non_root.value_or(false) && out_.run_as_user == 0U) {
            return base::fail(base::Code::invalid,
                              "TM-427: image {}: runs as root, but runAsNonRoot is set; give "
                              "securityContext.runAsUser",
                              container_.image);
        }
        for (auto& mount : out_.mounts) {
            if (mount.target == "/" && wanted.read_only_root_filesystem) {
                mount.access = link::FileMount::Access::read_only;
            }
        }
        return base::ok;
    }

    // As Kubernetes: a command replaces the image's entrypoint and arguments, arguments alone only
    // the arguments.
    void command(const ImageFacts& image) {
        const bool replaced = !container_.command.empty();
        out_.command = replaced ? container_.command : image.entrypoint;
        const auto& arguments =
            replaced || !container_.args.empty() ? container_.args : image.arguments;
        out_.command.insert(out_.command.end(), arguments.begin(), arguments.end());
        for (auto& word : out_.command) {
            word = expand(word, variables_);
        }
    }

    base::Status add_files(KindId kind, const model::VolumeFiles& files,
                           const std::string& directory) {
        TRY(const auto found, data(kind, files.name, files.optional));
        if (!found) {
            return base::ok;
        }
        const auto mode = static_cast<std::uint32_t>(files.default_mode.value_or(0644));
        if (files.items.empty()) {
            for (const auto& [key, value] : *found) {
                out_.files.push_back({directory + "/" + key, value, mode});
            }
        }
        for (const auto& item : files.items) {
            const auto value = found->find(item.key);
            if (value == found->end()) {
                if (files.optional) {
                    continue;
                }
                return base::fail(base::Code::not_found, "{} \"{}\" has no key \"{}\"",
                                  kind_name(kind), files.name, item.key);
            }
            out_.files.push_back(
                {directory + "/" + item.path, value->second,
                 static_cast<std::uint32_t>(item.mode.value_or(static_cast<std::int64_t>(mode)))});
        }
        return base::ok;
    }

    base::Status volumes() {
        for (const auto& mount : container_.volume_mounts) {
            for (const auto& volume : spec_.volumes) {
                if (volume.name != mount.name) {
                    continue;
                }
                if (volume.secret) {
                    CHECK_OK(add_files(KindId::secret, *volume.secret, mount.mount_path));
                }
                if (volume.config_map) {
                    CHECK_OK(add_files(KindId::config_map, *volume.config_map, mount.mount_path));
                }
                for (const auto& projection : volume.projected) {
                    if (projection.secret) {
                        CHECK_OK(add_files(KindId::secret, *projection.secret, mount.mount_path));
                    }
                    if (projection.config_map) {
                        CHECK_OK(add_files(KindId::config_map, *projection.config_map,
                                           mount.mount_path));
                    }
                }
            }
        }
        return base::ok;
    }

    void limits() {
        const auto& [limits, requests] = container_.resources;
        if (const auto found = limits.find("memory"); found != limits.end()) {
            out_.memory_bytes_max = static_cast<std::uint64_t>(found->second.value());
        }
        if (const auto found = limits.find("cpu"); found != limits.end()) {
            out_.cpu_milli_max = static_cast<std::uint32_t>(found->second.milli_value());
        }
        if (const auto found = requests.find("cpu"); found != requests.end()) {
            out_.cpu_milli_request = static_cast<std::uint32_t>(found->second.milli_value());
        }
    }

    static link::ProbeSpec probe(const model::Probe& from) {
        link::ProbeSpec to;
        if (from.http_get) {
            to.kind = link::ProbeSpec::Kind::http;
            to.path = from.http_get->path.empty() ? "/" : from.http_get->path;
            to.host = from.http_get->host;
            for (const auto& header : from.http_get->headers) {
                to.headers.emplace_back(header.name, header.value);
            }
        } else if (from.exec) {
            to.kind = link::ProbeSpec::Kind::exec;
            to.command = from.exec->command;
        }
        const auto at_least_one = [](std::int64_t count) {
            return static_cast<std::uint32_t>(count > 0 ? count : 1);
        };
        to.period = std::chrono::seconds(from.period_seconds);
        to.timeout = std::chrono::seconds(from.timeout_seconds > 0 ? from.timeout_seconds : 1);
        to.initial_delay = std::chrono::seconds(from.initial_delay_seconds);
        to.success_threshold = at_least_one(from.success_threshold);
        to.failure_threshold =
            at_least_one(from.failure_threshold > 0 ? from.failure_threshold : 3);
        return to;
    }

    void probes() {
        if (container_.readiness_probe) {
            out_.readiness = probe(*container_.readiness_probe);
        }
        if (container_.liveness_probe) {
            out_.liveness = probe(*container_.liveness_probe);
        }
    }

    const model::RevisionSpec& spec_;
    const model::Container& container_;
    const FindObject& find_;
    InstanceSpec out_;
    Variables variables_;
};

}  // namespace

base::Result<InstanceSpec> make_instance_spec(const model::Object& revision,
                                              const ImageFacts& image,
                                              base::Duration progress_deadline,
                                              const FindObject& find) {
    TRY(const auto spec, model::read_revision_spec(revision));
    const auto* container = spec.serving_container();
    if (container == nullptr) {
        return base::fail(base::Code::invalid, "revision {}: no container serves",
                          revision.metadata.name);
    }
    return SpecMaker(spec, *container, find, image.base).make(revision, image, progress_deadline);
}

}  // namespace tidemill::control
