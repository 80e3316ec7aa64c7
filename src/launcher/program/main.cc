// The launcher: starts instances for the agent, watches them, and is not needed by those that run.
// Speaks launcher/protocol.h over stdin and stdout; ends when stdin does.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "launcher/program/confine.h"
#include "launcher/program/init.h"
#include "launcher/program/inspect.h"
#include "launcher/program/instances.h"
#include "launcher/program/probe.h"

namespace tidemill::launcher {
namespace {

[[noreturn]] void die(const char* what) {
    std::fprintf(stderr, "tidemill-launcher: %s: %s\n", what, std::strerror(errno));
    ::_exit(1);
}

// One frame on its way out.
class Frame {
public:
    explicit Frame(FrameType type, std::uint64_t request) {
        header_.type = type;
        header_.request = request;
    }
    void append(const char* data, std::size_t size) {
        if (size > sizeof(payload_) - header_.payload_bytes) {
            die("frame too long");
        }
        std::memcpy(payload_ + header_.payload_bytes, data, size);
        header_.payload_bytes += static_cast<std::uint32_t>(size);
    }
    void send() {
        char* at = reinterpret_cast<char*>(&header_);
        std::size_t left = sizeof(header_) + header_.payload_bytes;
        while (left > 0) {
            const ssize_t written = ::write(STDOUT_FILENO, at, left);
            if (written < 0 && errno == EINTR) {
                continue;
            }
            if (written <= 0) {
                ::_exit(0);  // nobody listens any more
            }
            at += written;
            left -= static_cast<std::size_t>(written);
        }
    }

private:
    Header header_{};
    char payload_[note_bytes_max + 4096];
};

class Program {
public:
    void run() {
        ::prctl(PR_SET_NAME, "tidemill-launch");
        for (int number = 1; number < NSIG; ++number) {
            ::signal(number, SIG_DFL);
        }
        for (const int number : ignored_signals) {
            ::signal(number, SIG_IGN);
        }
        ::fcntl(STDIN_FILENO, F_SETFL, ::fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
        events_.reset(::epoll_create1(EPOLL_CLOEXEC));
        watch(STDIN_FILENO, nullptr, 0);
        for (;;) {
            epoll_event ready[64];
            // Groups that could not be removed yet are tried again; else nothing has a time.
            const int pause = groups_left_ > 0 ? sweep_pause_ms_ : -1;
            const int count = ::epoll_wait(events_.get(), ready, 64, pause);
            if (count < 0 && errno != EINTR) {
                die("epoll");
            }
            for (int i = 0; i < count; ++i) {
                take(ready[i]);
            }
            sweep();
        }
    }

private:
    static constexpr std::uint64_t report_tag = 1;

    void watch(int fd, Instance* instance, std::uint64_t tag) {
        epoll_event wanted{};
        wanted.events = EPOLLIN;
        wanted.data.u64 = reinterpret_cast<std::uint64_t>(instance) | tag;
        if (::epoll_ctl(events_.get(), EPOLL_CTL_ADD, fd, &wanted) != 0) {
            die("epoll_ctl");
        }
    }

    void take(const epoll_event& event) {
        auto* instance = reinterpret_cast<Instance*>(event.data.u64 & ~report_tag);
        if (instance == nullptr) {
            read_frames();
        } else if (instance->leaving) {
            return;
        } else if ((event.data.u64 & report_tag) != 0) {
            read_reports(*instance);
        } else {
            process_ended(*instance);
        }
    }

    // Frames ------------------------------------------------------------------------------------

    void read_frames() {
        for (;;) {
            if (had_ == room_) {
                room_ = room_ == 0 ? 16 * 1024 : room_ * 2;
                input_ = static_cast<char*>(std::realloc(input_, room_));
                if (input_ == nullptr) {
                    die("memory");
                }
            }
            const ssize_t got = ::read(STDIN_FILENO, input_ + had_, room_ - had_);
            if (got == 0) {
                end();
            }
            if (got < 0) {
                if (errno == EAGAIN) {
                    return;
                }
                if (errno == EINTR) {
                    continue;
                }
                die("stdin");
            }
            had_ += static_cast<std::size_t>(got);
            std::size_t at = 0;
            Header header;
            while (had_ - at >= sizeof(header)) {
                std::memcpy(&header, input_ + at, sizeof(header));
                if (header.payload_bytes > frame_bytes_max) {
                    errno = EMSGSIZE;
                    die("frame");
                }
                if (had_ - at < sizeof(header) + header.payload_bytes) {
                    break;
                }
                handle(header, Reader(input_ + at + sizeof(header), header.payload_bytes));
                at += sizeof(header) + header.payload_bytes;
            }
            had_ -= at;
            std::memmove(input_, input_ + at, had_);
            if (had_ == 0 && room_ > 64 * 1024) {
                std::free(input_);
                input_ = nullptr;
                room_ = 0;
            }
        }
    }

    // Nobody needs this program any more. What runs goes on; what does not leaves nothing.
    [[noreturn]] void end() {
        constexpr int sweeps_max = 200;
        for (int i = 0; i < sweeps_max && groups_left_ > 0; ++i) {
            ::usleep(5000);
            sweep();
        }
        home_.remove();
        ::_exit(0);
    }

    void handle(const Header& header, Reader reader) {
        request_ = header.request;
        if (header.type == FrameType::hello) {
            return hello(reader);
        }
        if (!greeted_) {
            errno = EPROTO;
            die("no hello");
        }
        switch (header.type) {
            case FrameType::launch:
                return launch(reader);
            case FrameType::scan:
                return scan();
            case FrameType::signal:
            case FrameType::kill:
            case FrameType::freeze:
            case FrameType::inspect:
            case FrameType::port_holder:
            case FrameType::forget: {
                Instance* instance = find(reader.text());
                if (!reader.ok() || instance == nullptr) {
                    return fail({"instance", ENOENT, ""});
                }
                return with_instance(header.type, reader, *instance);
            }
            default:
                // A later client's word: said to be unknown, not fatal.
                return fail({"frame", ENOSYS, ""});
        }
    }

    void fail(const Failure& why) { fail(request_, why.error, why.step, why.path); }
    static void fail(std::uint64_t request, int error, const char* step, const char* path) {
        Frame frame(FrameType::failed, request);
        Writer writer(frame);
        writer.put(static_cast<std::int32_t>(error));
        writer.text(step);
        writer.text(path);
        frame.send();
    }
    void done() { Frame(FrameType::done, request_).send(); }

    void hello(Reader& reader) {
        const auto version = reader.take<std::uint32_t>();
        const auto directory = reader.text();
        const auto group = reader.text();
        instances_max_ = reader.take<std::uint32_t>();
        if (!reader.at_end() || version != protocol_version || greeted_) {
            return fail({"hello", EPROTO, ""});
        }
        if (const Failure why = run_.open(directory)) {
            return fail(why);
        }
        home_.find(group);
        greeted_ = true;
        recover();
        Frame frame(FrameType::welcome, request_);
        Writer writer(frame);
        writer.put(protocol_version);
        writer.put(probe(home_, run_.stage()));
        utsname system{};
        ::uname(&system);
        writer.text({system.release, std::strlen(system.release)});
        frame.send();
    }

    void recover() {
        DIR* all = ::opendir(run_.instances_path().c_str());
        if (all == nullptr) {
            die("instances");
        }
        while (const dirent* entry = ::readdir(all)) {
            if (entry->d_name[0] == '.') {
                continue;
            }
            Instance* instance = make();
            if (!recover_instance(entry->d_name, run_, *instance)) {
                // Cut short by a crash before anything was started.
                ::unlink(run_.record_path(entry->d_name).c_str());
                ::free(instance);
                continue;
            }
            add(instance);
            if (instance->state == Instance::State::running) {
                watch(instance->process.get(), instance, 0);
            } else {
                settle_ending(*instance, run_, home_);
                ++groups_left_;
            }
        }
        ::closedir(all);
        home_.for_each([this](const CgroupHome::Place& place) { recover_groups(place.directory); });
    }

    // Groups without a record: their launcher died between removing the two, or the run directory
    // is gone. Nobody can ask for what runs there, so it is ended.
    void recover_groups(const char* directory) {
        DIR* all = ::opendir(directory);
        if (all == nullptr) {
            return;
        }
        while (const dirent* entry = ::readdir(all)) {
            const std::string_view name(entry->d_name, std::strlen(entry->d_name));
            if (entry->d_type != DT_DIR || name.front() == '.' || name.size() > name_bytes_max ||
                known(name)) {
                continue;
            }
            Instance* instance = make();
            std::memcpy(instance->name, name.data(), name.size());
            instance->state = Instance::State::ended;
            const Cgroup group(home_, instance->name_view());
            group.kill_all();
            group.freeze(false);
            add(instance);
            leave(*instance);
            ++groups_left_;
        }
        ::closedir(all);
    }

    void launch(Reader reader) {
        const std::int64_t received = monotonic_ns();
        Plan plan;
        if (!read_plan(reader, plan)) {
            return fail({"plan", EINVAL, ""});
        }
        if (count_ >= instances_max_) {
            return fail({"instances", EAGAIN, ""});
        }
        if (find(plan.name) != nullptr) {
            return fail({"record", EEXIST, plan.name.data()});
        }
        Instance* instance = make();
        instance->request = request_;
        instance->received_ns = received;
        if (const Failure why = start_instance(plan, run_, home_, *instance)) {
            fail(why);
            instance->~Instance();
            std::free(instance);
            return;
        }
        add(instance);
        watch(instance->report.get(), instance, report_tag);
        watch(instance->process.get(), instance, 0);
    }

    void scan() {
        static char note[note_bytes_max];
        for (Instance* at = first_; at != nullptr; at = at->next) {
            Record record;
            if (at->leaving || at->state == Instance::State::launching ||
                !load_record(at->name_view(), run_, record, note)) {
                continue;
            }
            Frame frame(FrameType::known, request_);
            Writer writer(frame);
            writer.text(at->name_view());
            writer.blob({note, record.note_bytes});
            writer.put(record.pid);
            writer.put(record.start_ticks);
            writer.put(record.launched_wall_ns);
            writer.put(record.uid);
            const bool ended = at->state == Instance::State::ended;
            writer.put(
                static_cast<std::uint8_t>(!ended && Cgroup(home_, at->name_view()).is_frozen()));
            writer.put(static_cast<std::uint8_t>(ended));
            writer.put(at->ending);
            frame.send();
        }
        done();
    }

    void with_instance(FrameType type, Reader reader, Instance& instance) {
        const bool ended = instance.state == Instance::State::ended;
        if (type == FrameType::forget) {
            if (!ended) {
                return fail({"forget", EBUSY, instance.name});
            }
            remove_record(instance, run_);
            leave(instance);
            return done();
        }
        if (ended) {
            return fail({"instance", ENOENT, instance.name});
        }
        if (type == FrameType::kill) {
            kill_instance(instance, home_);
            return done();
        }
        if (type == FrameType::signal) {
            const auto number = reader.take<std::int32_t>();
            // Those two cannot be forwarded by init.
            if (!reader.at_end() || number == SIGKILL || number == SIGSTOP ||
                ::syscall(SYS_pidfd_send_signal, instance.process.get(), number, nullptr, 0) != 0) {
                return fail({"signal", EINVAL, instance.name});
            }
            return done();
        }
        const Cgroup cgroup(home_, instance.name_view());
        if (type == FrameType::freeze) {
            const bool wanted = reader.take<std::uint8_t>() != 0;
            if (!reader.at_end() || !cgroup.freeze(wanted)) {
                return fail(failure("freeze", instance.name));
            }
            return done();
        }
        if (type == FrameType::port_holder) {
            const auto port = reader.take<std::uint16_t>();
            Holder holder;
            find_holder(cgroup, instance.pid, port, holder);
            Frame frame(FrameType::held, request_);
            Writer writer(frame);
            writer.put(holder.kind);
            writer.put(holder.pid);
            writer.text({holder.name, std::strlen(holder.name)});
            return frame.send();
        }
        inspect(instance, cgroup);
    }

    void inspect(const Instance& instance, const Cgroup& cgroup) {
        Sockets found;
        find_listening(cgroup, instance.pid, found);
        for (std::uint32_t i = 0; i < found.count; ++i) {
            Frame frame(FrameType::listening, request_);
            Writer writer(frame);
            writer.put(found.items[i].family);
            writer.put(found.items[i].port);
            writer.text({found.items[i].address, std::strlen(found.items[i].address)});
            frame.send();
        }
        Frame frame(FrameType::inspected, request_);
        Writer writer(frame);
        writer.put(found.processes);
        writer.put(cgroup.memory_bytes());
        writer.put(cgroup.cpu_usec());
        writer.put(cgroup.oom_kills());
        frame.send();
    }

    // Instances ---------------------------------------------------------------------------------

    static Instance* make() {
        void* memory = std::malloc(sizeof(Instance));
        if (memory == nullptr) {
            die("memory");
        }
        return new (memory) Instance();
    }
    void add(Instance* instance) {
        instance->next = first_;
        first_ = instance;
        ++count_;
    }
    Instance* find(std::string_view name) {
        for (Instance* at = first_; at != nullptr; at = at->next) {
            if (!at->leaving && at->name_view() == name) {
                return at;
            }
        }
        return nullptr;
    }
    // Also one that only its group is left of.
    bool known(std::string_view name) const {
        for (const Instance* at = first_; at != nullptr; at = at->next) {
            if (at->name_view() == name) {
                return true;
            }
        }
        return false;
    }
    void leave(Instance& instance) {
        instance.leaving = true;
        instance.report.reset(-1);
        instance.process.reset(-1);
        any_leaving_ = true;
    }

    void read_reports(Instance& instance) {
        Report report;
        while (::read(instance.report.get(), &report, sizeof(report)) == sizeof(report)) {
            switch (report.kind) {
                case Report::Kind::failed:
                    instance.error = report.error;
                    std::memcpy(instance.step, report.step, sizeof(instance.step));
                    std::memcpy(instance.path, report.path, sizeof(instance.path));
                    break;
                case Report::Kind::running: {
                    instance.state = Instance::State::running;
                    instance.start_ticks = report.start_ticks;
                    Frame frame(FrameType::launched, instance.request);
                    Writer writer(frame);
                    writer.put(instance.pid);
                    writer.put(instance.start_ticks);
                    writer.put(instance.received_ns);
                    writer.put(instance.cloning_ns);
                    writer.put(report.began_ns);
                    writer.put(report.root_done_ns);
                    writer.put(report.exec_done_ns);
                    frame.send();
                    break;
                }
                case Report::Kind::stopped:
                    news(instance, FrameType::news_stopped);
                    break;
                case Report::Kind::resumed:
                    news(instance, FrameType::news_resumed);
                    break;
            }
        }
        if (errno != EAGAIN) {
            instance.report.reset(-1);
        }
    }

    static void news(const Instance& instance, FrameType type) {
        Frame frame(type, 0);
        Writer writer(frame);
        writer.text(instance.name_view());
        if (type == FrameType::news_ended) {
            writer.put(instance.ending);
        }
        frame.send();
    }

    void process_ended(Instance& instance) {
        if (instance.report.open()) {
            read_reports(instance);
        }
        settle_ending(instance, run_, home_);
        instance.process.reset(-1);
        instance.report.reset(-1);
        if (instance.state == Instance::State::launching) {
            if (instance.step[0] == '\0') {
                std::strcpy(instance.step, "killed");
                instance.error = ECANCELED;
            }
            fail(instance.request, instance.error, instance.step, instance.path);
            remove_record(instance, run_);
            leave(instance);
        } else {
            news(instance, FrameType::news_ended);
        }
        instance.state = Instance::State::ended;
        ++groups_left_;
        sweep_pause_ms_ = sweep_pause_least_ms;
    }

    void sweep() {
        if (groups_left_ == 0 && !any_leaving_) {
            return;
        }
        // One that cannot be removed at all must not cost a core.
        sweep_pause_ms_ = sweep_pause_ms_ < 1000 ? sweep_pause_ms_ + sweep_pause_ms_ / 8 : 1000;
        groups_left_ = 0;
        any_leaving_ = false;
        for (Instance** at = &first_; *at != nullptr;) {
            Instance* instance = *at;
            if (instance->state == Instance::State::ended && !instance->cgroup_gone) {
                instance->cgroup_gone = Cgroup(home_, instance->name_view()).remove();
                groups_left_ += instance->cgroup_gone ? 0U : 1U;
            }
            if (instance->leaving && instance->cgroup_gone) {
                *at = instance->next;
                --count_;
                instance->~Instance();
                std::free(instance);
            } else {
                at = &instance->next;
            }
        }
    }

    Fd events_;
    RunDirectory run_;
    CgroupHome home_;
    bool greeted_ = false;
    std::uint32_t instances_max_ = 0;
    std::uint64_t request_ = 0;
    char* input_ = nullptr;
    std::size_t room_ = 0;
    std::size_t had_ = 0;
    Instance* first_ = nullptr;
    std::uint32_t count_ = 0;
    static constexpr int sweep_pause_least_ms = 10;
    int sweep_pause_ms_ = sweep_pause_least_ms;
    std::uint32_t groups_left_ = 0;
    bool any_leaving_ = false;
};

}  // namespace
}  // namespace tidemill::launcher

int main() {
    static tidemill::launcher::Program program;
    program.run();
}
