// What tests of the launcher program share: the program as a child, and plans for it.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "launcher/plan_frame.h"
#include "launcher/program_bytes.h"
#include "launcher/protocol.h"

namespace tidemill::launcher {
namespace {

namespace fs = std::filesystem;

struct StringSink {
    std::string bytes;
    void append(const char* data, std::size_t size) { bytes.append(data, size); }
};

struct Received {
    FrameType type{};
    std::uint64_t request = 0;
    std::string payload;
    Reader reader() const { return Reader(payload.data(), payload.size()); }
};

// The program as a child, spoken to with a limit on every wait.
class Running {
public:
    explicit Running(const std::string& directory, std::uint32_t instances_max = 64) {
        int in[2];
        int out[2];
        EXPECT_EQ(::pipe2(in, O_CLOEXEC), 0);
        EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
        auto file = ProgramFile::make();
        EXPECT_TRUE(file);
        const std::string path = file->path();
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(in[0], 0);
            ::dup2(out[1], 1);
            const char* argv[] = {path.c_str(), nullptr};
            const char* environment[] = {nullptr};
            ::execve(path.c_str(), const_cast<char**>(argv), const_cast<char**>(environment));
            ::_exit(127);
        }
        ::close(in[0]);
        ::close(out[1]);
        in_ = in[1];
        out_ = out[0];
        StringSink sink;
        Writer writer(sink);
        writer.put(protocol_version);
        writer.text(directory);
        writer.text("tidemill-test/" + std::to_string(::getpid()));
        writer.put(instances_max);
        const auto id = send(FrameType::hello, sink.bytes);
        const auto welcome = await(id);
        EXPECT_TRUE(welcome && welcome->type == FrameType::welcome);
        if (welcome) {
            auto reader = welcome->reader();
            reader.take<std::uint32_t>();
            capabilities = reader.take<Capabilities>();
        }
    }
    ~Running() { end(); }

    // Lets it end in order, as its owner's end does.
    void end() {
        if (pid_ > 0) {
            ::close(in_);
            ::waitpid(pid_, nullptr, 0);
            ::close(out_);
            pid_ = -1;
        }
    }

    // Ends the program; instances live on.
    void stop(int number) {
        if (pid_ > 0) {
            ::close(in_);
            ::close(out_);
            ::kill(pid_, number);
            ::waitpid(pid_, nullptr, 0);
            pid_ = -1;
        }
    }

    std::uint64_t send(FrameType type, const std::string& payload) {
        const Header header{static_cast<std::uint32_t>(payload.size()), type, 0, ++last_};
        const std::string bytes =
            std::string(reinterpret_cast<const char*>(&header), sizeof(header)) + payload;
        EXPECT_EQ(::write(in_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
        return last_;
    }
    std::uint64_t send_name(FrameType type, const std::string& name) {
        StringSink sink;
        Writer(sink).text(name);
        return send(type, sink.bytes);
    }
    // The next frame with this request's number (0: news); others are kept.
    std::optional<Received> await(std::uint64_t request, int timeout_ms = 10'000) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
        for (;;) {
            const auto found = std::ranges::find(kept_, request, &Received::request);
            if (found != kept_.end()) {
                Received frame = std::move(*found);
                kept_.erase(found);
                return frame;
            }
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                until - std::chrono::steady_clock::now());
            pollfd wait{out_, POLLIN, 0};
            if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) <= 0) {
                return std::nullopt;
            }
            char bytes[65'536];
            const ssize_t got = ::read(out_, bytes, sizeof(bytes));
            if (got <= 0) {
                return std::nullopt;
            }
            input_.append(bytes, static_cast<std::size_t>(got));
            Header header;
            while (input_.size() >= sizeof(header)) {
                std::memcpy(&header, input_.data(), sizeof(header));
                if (input_.size() < sizeof(header) + header.payload_bytes) {
                    break;
                }
                kept_.push_back({header.type, header.request,
                                 input_.substr(sizeof(header), header.payload_bytes)});
                input_.erase(0, sizeof(header) + header.payload_bytes);
            }
        }
    }
    std::optional<Received> launch(const host::LaunchPlan& plan) {
        const auto payload = encode_plan(plan);
        EXPECT_TRUE(payload) << payload.error().message;
        return await(send(FrameType::launch, *payload));
    }
    std::optional<Ending> await_ended(const std::string& name, int timeout_ms = 10'000) {
        while (auto news = await(0, timeout_ms)) {
            auto reader = news->reader();
            if (news->type == FrameType::news_ended && reader.text() == name) {
                return reader.take<Ending>();
            }
        }
        return std::nullopt;
    }

    Capabilities capabilities{};

private:
    pid_t pid_ = -1;
    int in_ = -1;
    int out_ = -1;
    std::uint64_t last_ = 0;
    std::string input_;
    std::vector<Received> kept_;
};

class Program : public ::testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "NOT TESTED: namespaces and cgroups need root";
        }
        char name[] = "/tmp/tidemill-launcher-XXXXXX";
        directory_ = ::mkdtemp(name);
    }
    void TearDown() override {
        if (directory_.empty()) {
            return;
        }
        // Whatever a failed test left running ends here.
        Running sweeper(directory_ + "/run");
        const auto id = sweeper.send(FrameType::scan, "");
        std::vector<std::string> names;
        for (auto frame = sweeper.await(id); frame && frame->type == FrameType::known;
             frame = sweeper.await(id)) {
            names.emplace_back(frame->reader().text());
        }
        for (const auto& known : names) {
            sweeper.await(sweeper.send_name(FrameType::kill, known));
            for (int i = 0; i < 100; ++i) {
                const auto done = sweeper.await(sweeper.send_name(FrameType::forget, known));
                if (done && done->type == FrameType::done) {
                    break;
                }
                ::usleep(10'000);
            }
        }
        sweeper.end();
        fs::remove_all(directory_);
        EXPECT_EQ(groups(), std::vector<std::string>()) << "left in /sys/fs/cgroup";
    }
    // Of this test, in every hierarchy.
    static std::vector<std::string> groups() {
        std::vector<std::string> found;
        std::error_code ignored;
        for (const auto& mount : fs::directory_iterator("/sys/fs/cgroup", ignored)) {
            for (auto it = fs::recursive_directory_iterator(
                     mount.path(), fs::directory_options::skip_permission_denied, ignored);
                 it != fs::recursive_directory_iterator(); it.increment(ignored)) {
                if (it->path().filename() == std::to_string(::getpid()) &&
                    it->path().parent_path().filename() == "tidemill-test") {
                    found.push_back(it->path().string());
                }
            }
        }
        return found;
    }

    std::string run() const { return directory_ + "/run"; }

    host::LaunchPlan plan(const std::string& name, const std::string& shell) const {
        using Kind = host::MountPlan::Kind;
        host::LaunchPlan plan;
        plan.instance = name;
        plan.note = "note of " + name;
        plan.argv = {"/bin/sh", "-c", shell};
        plan.environment = {"PATH=/usr/bin:/bin"};
        plan.uid = plan.gid = 0x7000'0001;
        plan.host_name = "inside";
        plan.log_directory = directory_ + "/log-" + name;
        auto& mounts = plan.root.mounts;
        mounts.push_back({.kind = Kind::bind, .source = "/usr", .target = "/usr", .content = {}});
        for (const char* link : {"bin", "sbin", "lib", "lib64"}) {
            mounts.push_back({.kind = Kind::link,
                              .source = std::string("usr/") + link,
                              .target = std::string("/") + link,
                              .content = {}});
        }
        mounts.push_back({.kind = Kind::proc, .source = {}, .target = "/proc", .content = {}});
        mounts.push_back({.kind = Kind::sysfs, .source = {}, .target = "/sys", .content = {}});
        mounts.push_back({.kind = Kind::devices,
                          .source = {},
                          .target = "/dev",
                          .bytes_max = 1U << 20,
                          .content = {}});
        mounts.push_back({.kind = Kind::tmpfs,
                          .source = {},
                          .target = "/tmp",
                          .access = host::MountPlan::Access::read_write,
                          .bytes_max = 1U << 20,
                          .mode = 01777,
                          .content = {}});
        plan.root.masked = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"};
        plan.root.read_only = {"/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq",
                               "/proc/sysrq-trigger"};
        return plan;
    }
    std::string log(const std::string& name) const {
        std::ifstream file(directory_ + "/log-" + name + "/0.log");
        return {std::istreambuf_iterator<char>(file), {}};
    }
    // Runs `shell` to its end; its whole log.
    std::string output_of(const std::string& shell) {
        Running program(run());
        const auto launched = program.launch(plan("one", shell));
        EXPECT_TRUE(launched && launched->type == FrameType::launched) << text_of(launched);
        const auto ending = program.await_ended("one");
        EXPECT_TRUE(ending);
        return log("one");
    }
    static std::string text_of(const std::optional<Received>& frame) {
        if (!frame) {
            return "nothing came";
        }
        if (frame->type != FrameType::failed) {
            return "frame " + std::to_string(static_cast<int>(frame->type));
        }
        auto reader = frame->reader();
        const int error = reader.take<std::int32_t>();
        const std::string step(reader.text());
        return step + " " + std::string(reader.text()) + ": " + std::strerror(error);
    }

    std::string directory_;
};

}  // namespace
}  // namespace tidemill::launcher
