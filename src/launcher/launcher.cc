#include "launcher/launcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "async/deadline.h"
#include "launcher/plan_frame.h"
#include "launcher/protocol.h"

namespace tidemill::launcher {
namespace {

// Collects what a Writer puts.
struct StringSink {
    std::string bytes;
    void append(const char* data, std::size_t size) { bytes.append(data, size); }
};

base::Code code_of(int error, std::string_view step) {
    switch (error) {
        case ENOENT:
            return step == "instance" ? base::Code::not_found : base::Code::invalid;
        case EEXIST:
        case EBUSY:
            return base::Code::conflict;
        case EAGAIN:
        case ENOMEM:
        case ENOSPC:
        case EMFILE:
        case ENFILE:
            return base::Code::exhausted;
        case EPERM:
            return base::Code::denied;
        case ECANCELED:
            return base::Code::cancelled;
        default:
            return base::Code::invalid;
    }
}

// The program's failure in words: what it was doing, to what, and what the system said.
base::Error error_of(std::string_view payload) {
    Reader reader(payload.data(), payload.size());
    const int error = reader.take<std::int32_t>();
    const std::string_view step = reader.text();
    const std::string_view path = reader.text();
    const char* reason = std::strerror(error);
    std::string message;
    if (step == "exec") {
        message = error == ENOENT    ? fmt::format("{}: there is no such program", path)
                  : error == EACCES  ? fmt::format("{}: not executable for this user", path)
                  : error == ENOEXEC ? fmt::format("{}: not a program of this machine", path)
                                     : fmt::format("{}: cannot be executed: {}", path, reason);
    } else if (step == "exec-interpreter") {
        message = fmt::format("the program is there, but not what must run it: {}", path);
    } else if (step == "instance") {
        message = fmt::format("{}: no such instance runs", path);
    } else if (step == "killed") {
        message = "killed before its program ran";
    } else if (step == "instances") {
        message = "as many instances run as the launcher may keep";
    } else {
        message = fmt::format("{}{}{}: {}", step, path.empty() ? "" : " ", path, reason);
    }
    return {code_of(error, step), std::move(message)};
}

std::string named(std::string_view instance) {
    StringSink sink;
    Writer(sink).text(instance);
    return std::move(sink.bytes);
}

host::InstanceExit exit_of(const Ending& ending) {
    host::InstanceExit exit;
    if (ending.how == Ending::How::exited) {
        exit.code = ending.number;
    } else if (ending.how == Ending::How::signalled) {
        exit.signal = ending.number;
    }
    exit.oom_kills = ending.oom_kills;
    exit.at = {ending.wall_ns};
    return exit;
}

constexpr auto u16(FrameType type) {
    return static_cast<std::uint16_t>(type);
}

base::Error malformed() {
    return {base::Code::unavailable, "launcher program: malformed answer"};
}

}  // namespace

ProgramLauncher::ProgramLauncher(host::Host& host, Options options, ProgramFile program)
    : host_(host),
      options_(std::move(options)),
      program_(std::move(program)),
      has_output_(host.loop),
      events_(host.loop, options_.events_max),
      keeper_(host.loop, 4) {}

ProgramLauncher::~ProgramLauncher() {
    keeper_.cancel();
    // Its stdin ends with the process object, and it with its stdin.
    drop_questions();
}

std::int32_t ProgramLauncher::program_pid() const {
    return process_ ? process_->pid() : 0;
}

async::Task<base::Result<std::unique_ptr<ProgramLauncher>>> ProgramLauncher::start(
    host::Host& host, Options options, base::Instant deadline) {
    CO_TRY(auto program, ProgramFile::make());
    std::unique_ptr<ProgramLauncher> launcher(
        new ProgramLauncher(host, std::move(options), std::move(program)));
    CO_CHECK_OK(launcher->spawn());
    CO_CHECK_OK(launcher->keeper_.spawn(launcher->keep_running()));
    CO_CHECK_OK(co_await async::with_deadline(host.loop, deadline, launcher->greet(deadline)));
    co_return std::move(launcher);
}

base::Status ProgramLauncher::spawn() {
    host::SpawnOptions options;
    options.argv = {program_.path()};
    options.in = host::SpawnOptions::Input::piped;
    options.out = host::SpawnOptions::Output::piped;
    options.err = host::SpawnOptions::Output::inherit;
    // It ends when its stdin does, after it has written down what it was doing.
    options.with_parent = host::SpawnOptions::WithParent::outlives;
    TRY(process_, host_.processes.spawn(options));
    return base::ok;
}

async::Task<base::Status> ProgramLauncher::greet(base::Instant) {
    StringSink sink;
    Writer writer(sink);
    writer.put(protocol_version);
    writer.text(options_.run_directory);
    writer.text(options_.cgroup_name);
    writer.put(options_.instances_max);
    CO_TRY(const auto parts, co_await ask(u16(FrameType::hello), std::move(sink.bytes)));
    const Answer& answer = parts.back();
    Reader reader(answer.payload.data(), answer.payload.size());
    const auto version = reader.take<std::uint32_t>();
    const auto found = reader.take<Capabilities>();
    const auto kernel = reader.text();
    if (!reader.at_end() || version != protocol_version) {
        co_return std::unexpected(malformed());
    }
    capabilities_ = {.uid = found.uid,
                     .namespaces = found.namespaces != 0,
                     .user_namespaces = found.user_namespaces != 0,
                     .cgroup_memory = found.cgroup_memory != 0,
                     .cgroup_memory_swap = found.cgroup_memory_swap != 0,
                     .cgroup_cpu = found.cgroup_cpu != 0,
                     .cgroup_pids = found.cgroup_pids != 0,
                     .cgroup_freezer = found.cgroup_freezer != 0,
                     .cgroup_version = found.cgroup_version,
                     .seccomp = found.seccomp != 0,
                     .mount_attributes = found.mount_attributes != 0,
                     .pidfd = found.pidfd != 0,
                     .overlay = found.overlay != 0,
                     .landlock_abi = found.landlock_abi,
                     .kernel = std::string(kernel)};
    ready_ = true;
    co_return base::ok;
}

// The program's life: frames in both directions until it ends, then another one.
async::Task<void> ProgramLauncher::keep_running() {
    base::Duration pause = std::chrono::milliseconds(10);
    for (;;) {
        if (process_) {
            async::Scope writer(host_.loop, 1);
            (void)writer.spawn(write_frames());
            const base::Instant began = host_.loop.now();
            co_await read_frames();
            writer.cancel();
            process_.reset();
            if (host_.loop.now() - began > std::chrono::seconds(10)) {
                pause = std::chrono::milliseconds(10);
            }
        }
        const bool was_ready = std::exchange(ready_, false);
        drop_questions();
        output_.clear();
        if (!was_ready) {
            // Never came up: whoever started it hears it from its greeting, and gives up.
            co_await async::sleep_for(host_.loop, pause);
        }
        co_await async::sleep_for(host_.loop, pause);
        pause = std::min<base::Duration>(pause * 2, std::chrono::seconds(1));
        if (!spawn()) {
            continue;
        }
        // The greeting needs frames to flow, which the next turn of this loop sees to.
        (void)keeper_.spawn([](ProgramLauncher& self) -> async::Task<void> {
            const auto limit = self.host_.loop.now() + std::chrono::seconds(30);
            if (co_await async::with_deadline(self.host_.loop, limit, self.greet(limit))) {
                self.push({.kind = host::LauncherEvent::Kind::lost, .instance = {}, .exit = {}});
            }
        }(*this));
    }
}

async::Task<void> ProgramLauncher::read_frames() {
    std::string input;
    host::Stream& out = *process_->out();
    for (;;) {
        const std::size_t had = input.size();
        input.resize(had + 16 * 1024);
        const auto got = out.try_read(input.data() + had, 16 * 1024);
        input.resize(had + (got.ok() ? got.bytes : 0));
        if (got.ok()) {
            if (!take_frames(input)) {
                co_return;
            }
        } else if (got.kind == host::IoResult::Kind::blocked) {
            if (input.empty()) {
                input.shrink_to_fit();
            }
            co_await out.readable();
        } else {
            co_return;
        }
    }
}

async::Task<void> ProgramLauncher::write_frames() {
    host::Stream& in = *process_->in();
    for (;;) {
        co_await has_output_.wait();
        while (!output_.empty()) {
            const auto put = in.try_write(output_);
            if (put.ok()) {
                output_.erase(0, put.bytes);
            } else if (put.kind == host::IoResult::Kind::blocked) {
                co_await in.writable();
            } else {
                co_return;  // the reader sees the end too
            }
        }
        output_.shrink_to_fit();
        has_output_.reset();
    }
}

bool ProgramLauncher::take_frames(std::string& input) {
    std::size_t at = 0;
    Header header;
    while (input.size() - at >= sizeof(header)) {
        std::memcpy(&header, input.data() + at, sizeof(header));
        if (header.payload_bytes > frame_bytes_max) {
            return false;
        }
        if (input.size() - at < sizeof(header) + header.payload_bytes) {
            break;
        }
        std::string payload = input.substr(at + sizeof(header), header.payload_bytes);
        at += sizeof(header) + header.payload_bytes;
        if (header.request == 0) {
            take_news(u16(header.type), payload);
            continue;
        }
        const auto found = questions_.find(header.request);
        if (found == questions_.end()) {
            continue;  // who asked went away
        }
        Question& question = *found->second;
        if (header.type == FrameType::failed) {
            question.error = error_of(payload);
        }
        question.parts.push_back({u16(header.type), std::move(payload)});
        if (header.type != FrameType::known && header.type != FrameType::listening) {
            question.answered.set();
        }
    }
    input.erase(0, at);
    return true;
}

void ProgramLauncher::take_news(std::uint16_t type, std::string_view payload) {
    Reader reader(payload.data(), payload.size());
    host::LauncherEvent event;
    event.instance = reader.text();
    switch (static_cast<FrameType>(type)) {
        case FrameType::news_ended:
            event.kind = host::LauncherEvent::Kind::ended;
            event.exit = exit_of(reader.take<Ending>());
            break;
        case FrameType::news_stopped:
            event.kind = host::LauncherEvent::Kind::stopped;
            break;
        case FrameType::news_resumed:
            event.kind = host::LauncherEvent::Kind::resumed;
            break;
        default:
            return;
    }
    if (reader.ok()) {
        push(std::move(event));
    }
}

void ProgramLauncher::push(host::LauncherEvent event) {
    if (!events_.try_send(std::move(event))) {
        // Nobody took events for long: all that is certain is that scan() must be asked.
        while (events_.try_receive()) {
        }
        (void)events_.try_send(
            {.kind = host::LauncherEvent::Kind::lost, .instance = {}, .exit = {}});
    }
}

void ProgramLauncher::drop_questions() {
    for (auto& [id, question] : questions_) {
        question->error = base::Error{base::Code::unavailable, "launcher program ended"};
        question->answered.set();
    }
    questions_.clear();
}

async::Task<base::Result<std::vector<ProgramLauncher::Answer>>> ProgramLauncher::ask(
    std::uint16_t type, std::string payload) {
    if (questions_.size() >= options_.requests_max) {
        co_return base::fail(base::Code::exhausted,
                             "launcher: {} requests wait, which is the limit", questions_.size());
    }
    if (payload.size() > frame_bytes_max) {
        co_return base::fail(base::Code::invalid, "launcher: a plan of {} bytes is larger than {}",
                             payload.size(), frame_bytes_max);
    }
    if (!process_ || (!ready_ && type != u16(FrameType::hello))) {
        co_return base::fail(base::Code::unavailable, "launcher program is being started again");
    }
    struct Entry {
        std::unordered_map<std::uint64_t, Question*>& questions;
        std::uint64_t id;
        ~Entry() { questions.erase(id); }
    };
    Question question(host_.loop);
    const Entry entry{questions_, ++last_request_};
    questions_.emplace(entry.id, &question);
    Header header{static_cast<std::uint32_t>(payload.size()), static_cast<FrameType>(type), 0,
                  entry.id};
    output_.append(reinterpret_cast<const char*>(&header), sizeof(header));
    output_.append(payload);
    has_output_.set();
    co_await question.answered.wait();
    if (question.error) {
        co_return std::unexpected(*std::move(question.error));
    }
    co_return std::move(question.parts);
}

async::Task<base::Status> ProgramLauncher::tell(std::uint16_t type, std::string payload) {
    CO_TRY(const auto parts, co_await ask(type, std::move(payload)));
    (void)parts;
    co_return base::ok;
}

async::Task<base::Result<host::Launched>> ProgramLauncher::launch(host::LaunchPlan plan,
                                                                  base::Instant deadline) {
    const std::string name = plan.instance;
    CO_TRY(auto payload, encode_plan(plan));
    auto answered = co_await async::with_deadline(host_.loop, deadline,
                                                  ask(u16(FrameType::launch), std::move(payload)));
    if (!answered) {
        if (answered.error().code == base::Code::deadline) {
            (void)co_await kill(name);
        }
        co_return base::wrap(name, std::move(answered).error());
    }
    const Answer& answer = answered->back();
    Reader reader(answer.payload.data(), answer.payload.size());
    host::Launched launched;
    launched.process.pid = reader.take<std::int32_t>();
    launched.process.start_ticks = reader.take<std::uint64_t>();
    base::Instant at{reader.take<std::int64_t>()};
    for (const char* stage : {"prepare", "clone", "root", "exec"}) {
        const base::Instant next{reader.take<std::int64_t>()};
        launched.stages.push_back({stage, at, next});
        at = next;
    }
    if (answer.type != u16(FrameType::launched) || !reader.at_end()) {
        co_return std::unexpected(malformed());
    }
    co_return launched;
}

async::Task<base::Status> ProgramLauncher::signal(std::string instance, int number) {
    StringSink sink;
    Writer writer(sink);
    writer.text(instance);
    writer.put(static_cast<std::int32_t>(number));
    co_return co_await tell(u16(FrameType::signal), std::move(sink.bytes));
}

async::Task<base::Status> ProgramLauncher::kill(std::string instance) {
    co_return co_await tell(u16(FrameType::kill), named(instance));
}

async::Task<base::Status> ProgramLauncher::freeze(std::string instance, Freeze wanted) {
    StringSink sink;
    Writer writer(sink);
    writer.text(instance);
    writer.put(static_cast<std::uint8_t>(wanted == Freeze::frozen));
    co_return co_await tell(u16(FrameType::freeze), std::move(sink.bytes));
}

async::Task<base::Status> ProgramLauncher::forget(std::string instance) {
    co_return co_await tell(u16(FrameType::forget), named(instance));
}

async::Task<base::Result<std::vector<host::KnownInstance>>> ProgramLauncher::scan() {
    CO_TRY(auto parts, co_await ask(u16(FrameType::scan), ""));
    std::vector<host::KnownInstance> found;
    for (const Answer& part : parts) {
        if (part.type != u16(FrameType::known)) {
            continue;
        }
        Reader reader(part.payload.data(), part.payload.size());
        host::KnownInstance& known = found.emplace_back();
        known.instance = reader.text();
        known.note = reader.blob();
        known.process.pid = reader.take<std::int32_t>();
        known.process.start_ticks = reader.take<std::uint64_t>();
        known.launched = {reader.take<std::int64_t>()};
        known.uid = reader.take<std::uint32_t>();
        known.is_frozen = reader.take<std::uint8_t>() != 0;
        const bool ended = reader.take<std::uint8_t>() != 0;
        const auto ending = reader.take<Ending>();
        if (!reader.at_end()) {
            co_return std::unexpected(malformed());
        }
        if (ended) {
            known.exit = exit_of(ending);
        }
    }
    co_return found;
}

async::Task<base::Result<host::Inspection>> ProgramLauncher::inspect(std::string instance) {
    CO_TRY(auto parts, co_await ask(u16(FrameType::inspect), named(instance)));
    host::Inspection inspection;
    for (const Answer& part : parts) {
        Reader reader(part.payload.data(), part.payload.size());
        if (part.type == u16(FrameType::listening)) {
            auto& socket = inspection.listening.emplace_back();
            const auto family = reader.take<std::uint8_t>();
            socket.family = family == 4   ? host::ListeningSocket::Family::ipv4
                            : family == 6 ? host::ListeningSocket::Family::ipv6
                                          : host::ListeningSocket::Family::unix_path;
            socket.port = reader.take<std::uint16_t>();
            socket.address = reader.text();
        } else {
            inspection.processes = reader.take<std::uint32_t>();
            inspection.memory_bytes = reader.take<std::uint64_t>();
            inspection.cpu_usec = reader.take<std::uint64_t>();
            inspection.oom_kills = reader.take<std::uint64_t>();
        }
        if (!reader.at_end()) {
            co_return std::unexpected(malformed());
        }
    }
    co_return inspection;
}

async::Task<base::Result<host::PortHolder>> ProgramLauncher::port_holder(std::string instance,
                                                                         std::uint16_t port) {
    StringSink sink;
    Writer writer(sink);
    writer.text(instance);
    writer.put(port);
    CO_TRY(const auto parts, co_await ask(u16(FrameType::port_holder), std::move(sink.bytes)));
    const Answer& answer = parts.back();
    Reader reader(answer.payload.data(), answer.payload.size());
    host::PortHolder holder;
    switch (reader.take<HolderKind>()) {
        case HolderKind::nobody:
            holder.who = host::PortHolder::Who::nobody;
            break;
        case HolderKind::instance:
            holder.who = host::PortHolder::Who::instance;
            break;
        case HolderKind::other:
            holder.who = host::PortHolder::Who::other;
            break;
        case HolderKind::unknown:
            holder.who = host::PortHolder::Who::unknown;
            break;
    }
    holder.pid = reader.take<std::int32_t>();
    holder.name = reader.text();
    if (answer.type != u16(FrameType::held) || !reader.at_end()) {
        co_return std::unexpected(malformed());
    }
    co_return holder;
}

async::Task<host::LauncherEvent> ProgramLauncher::next_event() {
    // The channel is never closed while we live.
    co_return *co_await events_.receive();
}

}  // namespace tidemill::launcher
