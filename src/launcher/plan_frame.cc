#include "launcher/plan_frame.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "launcher/protocol.h"

namespace tidemill::launcher {
namespace {

struct StringSink {
    std::string bytes;
    void append(const char* data, std::size_t size) { bytes.append(data, size); }
};

class PlanWriter {
public:
    // Texts end with a zero on the other side, so none may hold one.
    void text(std::string_view value) {
        has_zero_ = has_zero_ || value.find('\0') != std::string_view::npos;
        writer_.text(value);
    }
    void texts(std::span<const std::string> values) {
        put(static_cast<std::uint32_t>(values.size()));
        for (const auto& value : values) {
            text(value);
        }
    }
    template <typename T>
    void put(T value) {
        writer_.put(value);
    }
    void blob(std::string_view value) { writer_.blob(value); }

    bool has_zero() const { return has_zero_; }
    std::string take() { return std::move(sink_.bytes); }

private:
    StringSink sink_;
    Writer<StringSink> writer_{sink_};
    bool has_zero_ = false;
};

base::Status check(const host::LaunchPlan& plan) {
    const auto refuse = [&](std::string_view why) {
        return base::fail(base::Code::invalid, "{}: {}", plan.instance, why);
    };
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '_';
    };
    if (plan.instance.empty() || plan.instance.size() > name_bytes_max ||
        plan.instance.front() == '.' || !std::ranges::all_of(plan.instance, good)) {
        return refuse("not a name for an instance");
    }
    if (plan.note.size() > note_bytes_max) {
        return refuse("the note is too long");
    }
    if (plan.argv.empty() || plan.argv[0].empty()) {
        return refuse("there is no program to run");
    }
    if (!plan.directory.starts_with('/')) {
        return refuse("the working directory is not absolute");
    }
    if (plan.argv.size() > arguments_max || plan.environment.size() >= arguments_max) {
        return refuse("too many arguments or variables");
    }
    if (plan.root.mounts.size() > mounts_max || plan.root.masked.size() > mounts_max ||
        plan.root.read_only.size() > mounts_max) {
        return refuse("too many mounts");
    }
    for (const auto& mount : plan.root.mounts) {
        if (mount.kind == host::MountPlan::Kind::root && &mount != &plan.root.mounts.front()) {
            return refuse("a root that is not the first of the mounts");
        }
        if (!mount.target.starts_with('/')) {
            return base::fail(base::Code::invalid, "{}: mount target {}: not absolute",
                              plan.instance, mount.target);
        }
    }
    // With sockaddr_un's 108 bytes, zero included.
    if (plan.listen_path.size() > 107) {
        return refuse("the socket's path is too long");
    }
    return base::ok;
}

}  // namespace

base::Result<std::string> encode_plan(const host::LaunchPlan& plan) {
    CHECK_OK(check(plan));
    PlanWriter writer;
    writer.text(plan.instance);
    writer.blob(plan.note);
    writer.texts(plan.argv);
    auto environment = plan.environment;
    if (!plan.listen_path.empty()) {
        environment.emplace_back("TIDEMILL_LISTEN_FD=3");
    }
    writer.texts(environment);
    writer.text(plan.directory);
    writer.put(static_cast<std::uint8_t>(plan.isolation));
    writer.text(plan.host_name);
    writer.put(plan.uid);
    writer.put(plan.gid);
    writer.put(plan.umask);
    writer.put(plan.limits.memory_bytes_max);
    writer.put(plan.limits.cpu_milli_max);
    writer.put(plan.limits.cpu_milli_weight);
    writer.put(plan.limits.processes_max);
    writer.put(plan.open_files_max);
    writer.put(plan.stack_bytes_max);
    writer.put(plan.oom_score_adjust);
    writer.put(static_cast<std::uint8_t>(plan.seccomp));
    writer.text(plan.listen_path);
    writer.put(plan.listen_mode);
    writer.put(plan.listen_backlog);
    writer.text(plan.log_directory);
    writer.put(plan.log_bytes_max);
    writer.put(static_cast<std::uint32_t>(plan.root.mounts.size()));
    for (const auto& mount : plan.root.mounts) {
        writer.put(static_cast<std::uint8_t>(mount.kind));
        writer.text(mount.source);
        writer.text(mount.target);
        writer.put(static_cast<std::uint8_t>(mount.access == host::MountPlan::Access::read_write));
        writer.put(
            static_cast<std::uint8_t>(mount.presence == host::MountPlan::Presence::optional));
        writer.put(mount.bytes_max);
        writer.put(mount.mode);
        writer.blob(mount.content);
    }
    writer.texts(plan.root.masked);
    writer.texts(plan.root.read_only);
    if (writer.has_zero()) {
        return base::fail(base::Code::invalid, "{}: a text with a zero byte inside", plan.instance);
    }
    return writer.take();
}

}  // namespace tidemill::launcher
