#include "launcher/program/plan.h"

#include <cstdlib>

namespace tidemill::launcher {
namespace {

bool read_texts(Reader& reader, std::uint32_t count_max, Texts& into) {
    const auto count = reader.take<std::uint32_t>();
    if (!reader.ok() || count > count_max) {
        return false;
    }
    into.items = static_cast<const char**>(std::calloc(count + 1, sizeof(char*)));
    if (into.items == nullptr) {
        return false;
    }
    for (into.count = 0; into.count < count; ++into.count) {
        into.items[into.count] = reader.text().data();
    }
    return reader.ok();
}

bool good_name(std::string_view name) {
    if (name.empty() || name.size() > name_bytes_max || name.front() == '.') {
        return false;
    }
    for (const char c : name) {
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
        if (!good) {
            return false;
        }
    }
    return true;
}

bool read_mounts(Reader& reader, Plan& into) {
    into.mount_count = reader.take<std::uint32_t>();
    if (!reader.ok() || into.mount_count > mounts_max) {
        return false;
    }
    into.mounts = static_cast<Mount*>(std::calloc(into.mount_count + 1, sizeof(Mount)));
    if (into.mounts == nullptr) {
        return false;
    }
    for (std::uint32_t i = 0; i < into.mount_count; ++i) {
        Mount& mount = into.mounts[i];
        mount.kind = static_cast<Mount::Kind>(reader.take<std::uint8_t>());
        mount.source = reader.text().data();
        mount.target = reader.text().data();
        mount.writable = reader.take<std::uint8_t>() != 0;
        mount.optional = reader.take<std::uint8_t>() != 0;
        mount.bytes_max = reader.take<std::uint64_t>();
        mount.mode = reader.take<std::uint32_t>();
        mount.content = reader.blob();
        // Everything else is put into it.
        const bool is_late_root = mount.kind == Mount::Kind::root && i != 0;
        if (!reader.ok() || is_late_root || mount.kind > Mount::Kind::root ||
            mount.target[0] != '/') {
            return false;
        }
    }
    return true;
}

}  // namespace

Plan::~Plan() {
    std::free(arguments.items);
    std::free(environment.items);
    std::free(mounts);
    std::free(masked.items);
    std::free(read_only.items);
}

bool read_plan(Reader reader, Plan& into) {
    into.name = reader.text();
    into.note = reader.blob();
    if (!good_name(into.name) || into.note.size() > note_bytes_max ||
        !read_texts(reader, arguments_max, into.arguments) ||
        !read_texts(reader, arguments_max, into.environment) || into.arguments.count == 0) {
        return false;
    }
    into.directory = reader.text().data();
    into.isolation = static_cast<Isolation>(reader.take<std::uint8_t>());
    into.host_name = reader.text().data();
    into.uid = reader.take<std::uint32_t>();
    into.gid = reader.take<std::uint32_t>();
    into.umask = reader.take<std::uint32_t>();
    into.memory_bytes_max = reader.take<std::uint64_t>();
    into.cpu_milli_max = reader.take<std::uint32_t>();
    into.cpu_milli_weight = reader.take<std::uint32_t>();
    into.processes_max = reader.take<std::uint32_t>();
    into.open_files_max = reader.take<std::uint64_t>();
    into.stack_bytes_max = reader.take<std::uint64_t>();
    into.oom_score_adjust = reader.take<std::int32_t>();
    into.seccomp = reader.take<std::uint8_t>();
    into.listen_path = reader.text().data();
    into.listen_mode = reader.take<std::uint32_t>();
    into.listen_backlog = reader.take<std::uint32_t>();
    into.log_directory = reader.text().data();
    into.log_bytes_max = reader.take<std::uint64_t>();
    return reader.ok() && into.isolation <= Isolation::none && read_mounts(reader, into) &&
           read_texts(reader, mounts_max, into.masked) &&
           read_texts(reader, mounts_max, into.read_only) && reader.at_end();
}

}  // namespace tidemill::launcher
