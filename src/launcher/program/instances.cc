#include "launcher/program/instances.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "launcher/program/init.h"
#include "launcher/program/root.h"

namespace tidemill::launcher {
namespace {

Failure make_record(const Plan& plan, const RunDirectory& run, Fd& into) {
    Record record{};
    record.magic = Record::magic_now;
    record.version = Record::version_now;
    fill_boot_id(record.boot_id);
    record.uid = plan.uid;
    record.launched_wall_ns = wall_ns();
    record.note_bytes = static_cast<std::uint32_t>(plan.note.size());
    if (std::strlen(plan.listen_path) >= sizeof(sockaddr_un::sun_path)) {
        return {"listen", ENAMETOOLONG, plan.listen_path};
    }
    std::strncpy(record.listen_path, plan.listen_path, sizeof(record.listen_path) - 1);
    const Path path = run.record_path(plan.name);
    into.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!into.open()) {
        return failure("record", plan.name.data());
    }
    if (::write(into.get(), &record, sizeof(record)) != sizeof(record) ||
        ::write(into.get(), plan.note.data(), plan.note.size()) !=
            static_cast<ssize_t>(plan.note.size())) {
        return failure("record", plan.name.data());
    }
    return {};
}

Failure make_listener(const Plan& plan, Fd& into) {
    if (plan.listen_path[0] == '\0') {
        return {};
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, plan.listen_path, sizeof(address.sun_path) - 1);
    ::unlink(plan.listen_path);
    into.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!into.open() ||
        ::bind(into.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
        ::chmod(plan.listen_path, plan.listen_mode & 0777) != 0 ||
        ::listen(into.get(), static_cast<int>(plan.listen_backlog)) != 0) {
        return failure("listen", plan.listen_path);
    }
    return {};
}

// In a user namespace the plan's user is who we are; nobody else is mapped.
Failure map_ids(const Plan& plan, std::int32_t pid) {
    const auto number = static_cast<std::uint64_t>(pid);
    if (!write_file(Path("/proc/", number, "/setgroups").c_str(), "deny") ||
        !write_file(Path("/proc/", number, "/uid_map").c_str(),
                    Path(std::uint64_t{plan.uid}, " ", std::uint64_t{::getuid()}, " 1").view()) ||
        !write_file(Path("/proc/", number, "/gid_map").c_str(),
                    Path(std::uint64_t{plan.gid}, " ", std::uint64_t{::getgid()}, " 1").view())) {
        return failure("map-ids", "/proc/PID/uid_map");
    }
    return {};
}

Failure clone_init(const Plan& plan, const RunDirectory& run, const Cgroup& cgroup, int record,
                   int listener, Instance& into) {
    int report[2];
    int mapped[2] = {-1, -1};
    if (::pipe2(report, O_CLOEXEC) != 0) {
        return failure("pipe", "");
    }
    into.report.reset(report[0]);
    const Fd report_end(report[1]);
    ::fcntl(report[0], F_SETFL, O_NONBLOCK);
    if (plan.isolation == Isolation::user_namespace && ::pipe2(mapped, O_CLOEXEC) != 0) {
        return failure("pipe", "");
    }
    Fd mapped_read(mapped[0]);
    const Fd mapped_write(mapped[1]);
    Fd joins[Cgroup::joins_max];
    cgroup.open_joins(joins);

    int process = -1;
    clone_args arguments{};
    arguments.flags = CLONE_PIDFD;
    if (plan.isolation != Isolation::none) {
        arguments.flags |= CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
    }
    // Only its owner may enter the empty one; in a user namespace init is not that.
    const int empty = plan.isolation == Isolation::namespaces && plan.mount_count != 0
                          ? run.empty_namespace()
                          : -1;
    if (plan.isolation != Isolation::none && empty < 0) {
        arguments.flags |= CLONE_NEWNS;
    }
    if (plan.isolation == Isolation::user_namespace) {
        arguments.flags |= CLONE_NEWUSER;
    }
    arguments.pidfd = reinterpret_cast<std::uint64_t>(&process);
    arguments.exit_signal = SIGCHLD;
    const Fd group = cgroup.open_directory();
    if (group.open()) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = static_cast<std::uint64_t>(group.get());
    }
    into.cloning_ns = monotonic_ns();
    const long pid = ::syscall(SYS_clone3, &arguments, sizeof(arguments));
    if (pid == 0) {
        run_init({plan, run.stage(), empty, report[1], record, listener, mapped_read.get(), joins});
    }
    if (pid < 0) {
        return failure("clone", plan.name.data());
    }
    into.pid = static_cast<std::int32_t>(pid);
    into.process.reset(process);
    if (plan.isolation == Isolation::user_namespace) {
        if (const Failure why = map_ids(plan, into.pid)) {
            ::kill(into.pid, SIGKILL);
            ::waitpid(into.pid, nullptr, 0);
            return why;
        }
        [[maybe_unused]] const ssize_t written = ::write(mapped_write.get(), "", 1);
    }
    return {};
}

}  // namespace

std::string_view Instance::name_view() const {
    return {name, std::strlen(name)};
}

Failure RunDirectory::open(std::string_view path) {
    if (path.empty() || path.front() != '/' || path.size() + name_bytes_max + 16 > sizeof(path_)) {
        return {"run-directory", EINVAL, path.data()};
    }
    std::memcpy(path_, path.data(), path.size());
    const Path stage(path_, "/root");
    std::memcpy(stage_, stage.c_str(), stage.view().size() + 1);
    if (!make_directories(instances_path().c_str(), 0700) || !make_directories(stage_, 0700)) {
        return failure("run-directory", path_);
    }
    lock_.reset(::open(Path(path_, "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    while (!lock_.open() || ::flock(lock_.get(), LOCK_EX) != 0) {
        if (!lock_.open() || errno != EINTR) {
            return failure("lock", path_);
        }
    }
    empty_namespace_ = make_empty_namespace(stage_);
    return {};
}

Failure start_instance(const Plan& plan, const RunDirectory& run, const CgroupHome& home,
                       Instance& into) {
    std::memcpy(into.name, plan.name.data(), plan.name.size());
    into.isolation = plan.isolation;
    Fd record;
    Fd listener;
    Cgroup cgroup(home, plan.name);
    Failure why = make_record(plan, run, record);
    if (why && why.error == EEXIST) {
        return why;
    }
    if (!why) {
        why = cgroup.create(plan);
    }
    if (!why) {
        why = make_listener(plan, listener);
    }
    if (!why) {
        why = clone_init(plan, run, cgroup, record.get(), listener.get(), into);
    }
    if (why) {
        cgroup.remove();
        if (plan.listen_path[0] != '\0') {
            ::unlink(plan.listen_path);
        }
        ::unlink(run.record_path(plan.name).c_str());
    }
    return why;
}

bool load_record(std::string_view name, const RunDirectory& run, Record& record,
                 char (&note)[note_bytes_max]) {
    const Fd file(::open(run.record_path(name).c_str(), O_RDONLY | O_CLOEXEC));
    return file.open() && ::read(file.get(), &record, sizeof(record)) == sizeof(record) &&
           record.magic == Record::magic_now && record.version == Record::version_now &&
           record.note_bytes <= note_bytes_max &&
           ::read(file.get(), note, record.note_bytes) == static_cast<ssize_t>(record.note_bytes);
}

bool recover_instance(std::string_view name, const RunDirectory& run, Instance& into) {
    static char note[note_bytes_max];
    Record record;
    if (name.size() > name_bytes_max || !load_record(name, run, record, note)) {
        return false;
    }
    std::memcpy(into.name, name.data(), name.size());
    into.pid = record.pid;
    into.start_ticks = record.start_ticks;
    into.ending = record.ending;
    into.state = Instance::State::ended;
    char boot_id[40];
    fill_boot_id(boot_id);
    if (record.ended != 0 || record.pid <= 1 ||
        std::memcmp(boot_id, record.boot_id, sizeof(boot_id)) != 0) {
        return true;
    }
    // Opened first, compared after: what the descriptor holds cannot change any more.
    into.process.reset(static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0)));
    ProcessStat stat;
    if (into.process.open() && read_stat(record.pid, stat) &&
        stat.start_ticks == record.start_ticks && stat.state != 'Z' && stat.state != 'X') {
        into.state = Instance::State::running;
    } else {
        into.process.reset(-1);
    }
    return true;
}

void settle_ending(Instance& instance, const RunDirectory& run, const CgroupHome& home) {
    int status = 0;
    const bool reaped =
        instance.pid > 1 && ::waitpid(instance.pid, &status, WNOHANG) == instance.pid;
    static char note[note_bytes_max];
    Record record;
    const std::uint64_t oom_kills = Cgroup(home, instance.name_view()).oom_kills();
    if (load_record(instance.name_view(), run, record, note) && record.ended != 0) {
        instance.ending = record.ending;
    } else {
        // Init was killed, and with it everything.
        instance.ending = {};
        instance.ending.how =
            reaped && WIFSIGNALED(status) ? Ending::How::signalled : Ending::How::unknown;
        instance.ending.number = reaped && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        instance.ending.wall_ns = wall_ns();
    }
    instance.ending.oom_kills = oom_kills;
    const Fd file(::open(run.record_path(instance.name_view()).c_str(), O_WRONLY | O_CLOEXEC));
    if (file.open()) {
        write_ending(file.get(), instance.ending);
    }
    if (record.listen_path[0] != '\0') {
        ::unlink(record.listen_path);
    }
}

void remove_record(const Instance& instance, const RunDirectory& run) {
    static char note[note_bytes_max];
    Record record;
    if (load_record(instance.name_view(), run, record, note) && record.listen_path[0] != '\0') {
        ::unlink(record.listen_path);
    }
    ::unlink(run.record_path(instance.name_view()).c_str());
}

void kill_instance(const Instance& instance, const CgroupHome& home) {
    const Cgroup cgroup(home, instance.name_view());
    if (instance.isolation == Isolation::none) {
        cgroup.kill_all();
    }
    ::syscall(SYS_pidfd_send_signal, instance.process.get(), SIGKILL, nullptr, 0);
    // The dead of a frozen version 1 group stay until it is thawed.
    cgroup.freeze(false);
}

}  // namespace tidemill::launcher
