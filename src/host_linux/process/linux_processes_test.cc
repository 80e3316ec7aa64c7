#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "async/scope.h"
#include "base/text.h"
#include "host_linux/disk/scratch_directory.h"
#include "host_linux/linux_host.h"

namespace tidemill::host_linux {
namespace {

using base::Code;
using base::Instant;
using host::ExitStatus;
using host::IoResult;
using host::SpawnOptions;
using host::Stream;

async::Task<std::string> read_all(Stream& stream) {
    std::string all;
    char buffer[1000];
    for (;;) {
        const auto result = stream.try_read(buffer, sizeof buffer);
        if (result.kind == IoResult::Kind::blocked) {
            co_await stream.readable();
        } else if (result.ok()) {
            all.append(buffer, result.bytes);
        } else {
            EXPECT_EQ(result.kind, IoResult::Kind::eof);
            co_return all;
        }
    }
}

async::Task<std::string> read_line(Stream& stream) {
    std::string line;
    for (char byte = 0; byte != '\n';) {
        const auto result = stream.try_read(&byte, 1);
        if (result.kind == IoResult::Kind::blocked) {
            co_await stream.readable();
        } else if (!result.ok()) {
            break;
        } else if (byte != '\n') {
            line += byte;
        }
    }
    co_return line;
}

SpawnOptions shell(const std::string& script) {
    SpawnOptions options;
    options.argv = {"/bin/sh", "-c", script};
    return options;
}

class LinuxProcessesTest : public testing::Test {
protected:
    InheritedListeners inherited_;
    std::unique_ptr<LinuxHost> linux_ = *LinuxHost::create(inherited_);
    EpollLoop& loop_ = linux_->loop();
    host::Host host_ = linux_->host();

    std::unique_ptr<host::Process> spawn(const SpawnOptions& options) {
        auto process = host_.processes.spawn(options);
        EXPECT_TRUE(process) << process.error().message;
        return *std::move(process);
    }
    std::string output_of(SpawnOptions options) {
        options.out = SpawnOptions::Output::piped;
        const auto process = spawn(options);
        return loop_.run(read_all(*process->out()));
    }
};

TEST_F(LinuxProcessesTest, TellsHowAProcessEnded) {
    EXPECT_EQ(loop_.run(spawn(shell("exit 0"))->wait()), (ExitStatus{.code = 0, .signal = {}}));
    EXPECT_EQ(loop_.run(spawn(shell("exit 3"))->wait()), (ExitStatus{.code = 3, .signal = {}}));
    EXPECT_EQ(loop_.run(spawn(shell("kill -TERM $$"))->wait()),
              (ExitStatus{.code = {}, .signal = SIGTERM}));
}

TEST_F(LinuxProcessesTest, SignalsReachItAndAreNoErrorAfterItsEnd) {
    const auto process = spawn(shell("exec sleep 1000"));
    EXPECT_TRUE(process->signal(SIGUSR1));
    EXPECT_EQ(loop_.run(process->wait()), (ExitStatus{.code = {}, .signal = SIGUSR1}));
    EXPECT_TRUE(process->signal(SIGTERM));
    EXPECT_EQ(loop_.run(process->wait()), (ExitStatus{.code = {}, .signal = SIGUSR1}));
}

TEST_F(LinuxProcessesTest, PipesCarryBytesBothWays) {
    auto options = shell("tr a-z A-Z; echo talk >&2");
    options.in = SpawnOptions::Input::piped;
    options.out = SpawnOptions::Output::piped;
    options.err = SpawnOptions::Output::piped;
    const auto process = spawn(options);
    EXPECT_EQ(process->in()->try_write("hello").bytes, 5U);
    process->in()->shutdown_write();
    EXPECT_EQ(process->in()->try_write("more").kind, IoResult::Kind::failed);
    EXPECT_EQ(loop_.run(read_all(*process->out())), "HELLO");
    EXPECT_EQ(loop_.run(read_all(*process->err())), "talk\n");
    EXPECT_EQ(loop_.run(process->wait()).code, 0);
}

async::Task<std::size_t> write_until_broken(Stream& stream) {
    const std::string block(10'000, 'x');
    for (std::size_t total = 0;;) {
        const auto result = stream.try_write(block);
        if (result.kind == IoResult::Kind::blocked) {
            co_await stream.writable();
        } else if (!result.ok()) {
            co_return total;
        } else {
            total += result.bytes;
        }
    }
}

TEST_F(LinuxProcessesTest, AReaderThatEndsBreaksThePipeAndNotUs) {
    auto options = shell("head -c 200000 >/dev/null");
    options.in = SpawnOptions::Input::piped;
    const auto process = spawn(options);
    EXPECT_GE(loop_.run(write_until_broken(*process->in())), 200'000U);
}

TEST_F(LinuxProcessesTest, NothingIsInheritedButWhatIsGiven) {
    ::setenv("TIDEMILL_TEST_SECRET", "1", 1);
    SpawnOptions options;
    options.argv = {"/usr/bin/env"};
    options.environment = {"A=1", "B=two words"};
    EXPECT_EQ(output_of(options), "A=1\nB=two words\n");
    ::unsetenv("TIDEMILL_TEST_SECRET");

    const UniqueFd leaky(::dup(1));  // not close-on-exec, as a library's might be
    options.argv = {"/bin/ls", "/proc/self/fd"};
    EXPECT_EQ(output_of(options), "0\n1\n2\n3\n") << "3 is the directory that ls reads";

    ::signal(SIGUSR2, SIG_IGN);
    options.argv = {"/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"};
    EXPECT_EQ(output_of(options), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    ::signal(SIGUSR2, SIG_DFL);
}

TEST_F(LinuxProcessesTest, ItStartsInTheDirectoryGivenAndLeadsAGroup) {
    auto options = shell("pwd");
    options.directory = "/usr/bin";
    EXPECT_EQ(output_of(options), "/usr/bin\n");
    options = shell("echo $$; ps -o pgid= -p $$ 2>/dev/null || cut -d' ' -f5 /proc/$$/stat");
    const auto text = output_of(options);
    const auto lines = base::split(text, '\n');
    ASSERT_GE(lines.size(), 2U);
    EXPECT_EQ(base::trim(lines[0]), base::trim(lines[1]));
}

TEST_F(LinuxProcessesTest, WhatCannotBeStartedSaysWhy) {
    SpawnOptions options;
    EXPECT_EQ(host_.processes.spawn(options).error().code, Code::invalid);
    options.argv = {"/no/such/program"};
    auto failed = host_.processes.spawn(options);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::not_found);
    EXPECT_NE(failed.error().message.find("/no/such/program"), std::string::npos);
    options.argv = {"/etc/passwd"};
    EXPECT_EQ(host_.processes.spawn(options).error().code, Code::denied);
    options.argv = {"/bin/true"};
    options.directory = "/no/such/directory";
    failed = host_.processes.spawn(options);
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message.find("/no/such/directory"), std::string::npos);
    options.directory.clear();
    options.argv = {"/bin/echo", std::string("a\0b", 3)};
    EXPECT_EQ(host_.processes.spawn(options).error().code, Code::invalid);
}

bool runs(pid_t pid) {
    return ::kill(pid, 0) == 0;
}

TEST_F(LinuxProcessesTest, DroppingTheProcessKillsAndReapsIt) {
    auto process = spawn(shell("exec sleep 1000"));
    const pid_t pid = process->pid();
    process.reset();
    linux_.reset();  // waits for what was killed
    EXPECT_FALSE(runs(pid)) << "a zombie would still be there";
}

async::Task<void> wait_until_gone(EpollLoop& loop, pid_t pid) {
    while (runs(pid)) {
        co_await async::sleep_for(loop, std::chrono::milliseconds(1));
    }
}

TEST_F(LinuxProcessesTest, OneThatOutlivesUsIsLeftAloneAndStillReaped) {
    auto options = shell("read line");
    options.with_parent = SpawnOptions::WithParent::outlives;
    options.in = SpawnOptions::Input::piped;
    options.out = SpawnOptions::Output::piped;
    options.argv[2] = "trap '' PIPE; echo started; exec sleep 1000";
    auto process = spawn(options);
    const pid_t pid = process->pid();
    EXPECT_EQ(loop_.run(read_line(*process->out())), "started");
    process.reset();
    EXPECT_TRUE(runs(pid));
    ::kill(pid, SIGKILL);
    loop_.run(wait_until_gone(loop_, pid));
}

TEST_F(LinuxProcessesTest, OrphansComeToWhoAdoptsThemAndAreReaped) {
    ASSERT_TRUE(host_.processes.adopt_orphans());
    const auto pid = static_cast<pid_t>(
        std::stol(output_of(shell("sleep 1000 >/dev/null & echo $!"))));  // and the shell is gone
    EXPECT_TRUE(host_.processes.reap_orphans()) << "one child is left";
    ASSERT_TRUE(runs(pid));
    const auto own = spawn(shell("exit 3"));
    ::kill(pid, SIGKILL);
    while (host_.processes.reap_orphans()) {
        ::usleep(1000);
    }
    EXPECT_FALSE(runs(pid)) << "a zombie would still be there";
    EXPECT_EQ(loop_.run(own->wait()), (ExitStatus{.code = 3, .signal = {}}))
        << "the end of a child of ours was lost";
    ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

// What the tests below run in a process of its own: this binary again, with one test chosen.
SpawnOptions this_program(const std::string& test) {
    SpawnOptions options;
    options.argv = {"/proc/self/exe", "--gtest_filter=" + test, "--gtest_brief=1"};
    options.environment = {"TIDEMILL_TEST_CHILD=1", "ASAN_OPTIONS=detect_leaks=0"};
    return options;
}

TEST_F(LinuxProcessesTest, ChildThatSpawnsASleeper) {
    if (::getenv("TIDEMILL_TEST_CHILD") == nullptr) {
        GTEST_SKIP() << "run by the next test";
    }
    auto options = shell("echo sleeping; exec sleep 1000");
    options.out = SpawnOptions::Output::inherit;
    const auto sleeper = spawn(options);
    loop_.run(sleeper->wait());
}

TEST_F(LinuxProcessesTest, AChildDiesWithItsParent) {
    auto options = this_program("LinuxProcessesTest.ChildThatSpawnsASleeper");
    options.out = SpawnOptions::Output::piped;
    const auto parent = spawn(options);
    for (std::string line; line != "sleeping";) {
        line = loop_.run(read_line(*parent->out()));
        ASSERT_FALSE(line.empty() && parent->out() == nullptr);
    }
    EXPECT_TRUE(parent->signal(SIGKILL));
    // The sleeper holds the other end of the pipe: an end is its death.
    loop_.run(read_all(*parent->out()));
}

TEST_F(LinuxProcessesTest, ChildThatServesAPassedListener) {
    if (::getenv("TIDEMILL_TEST_CHILD") == nullptr) {
        GTEST_SKIP() << "run by the next test";
    }
    const auto passed = InheritedListeners::from_environment();
    ASSERT_TRUE(passed) << passed.error().message;
    LinuxNetwork network(loop_, **passed);
    for (const char* name : {"first", "second"}) {
        const auto listener = network.inherited(name);
        ASSERT_TRUE(listener) << listener.error().message;
        const auto stream = loop_.run((*listener)->accept());
        ASSERT_TRUE(stream);
        EXPECT_TRUE((*stream)->try_write(name).ok());
    }
}

TEST_F(LinuxProcessesTest, ListenersArePassedByName) {
    const ScratchDirectory scratch;
    const auto first = *host_.network.listen(host::IpAddress::loopback(0), {});
    const auto second = *host_.network.listen(host::UnixAddress{scratch.path() + "/s"}, {});
    auto options = this_program("LinuxProcessesTest.ChildThatServesAPassedListener");
    options.listeners = {{"second", second.get()}, {"first", first.get()}};
    const auto child = spawn(options);
    // Before the child listens: they wait in the backlog.
    const auto to_first = *loop_.run(host_.network.connect(first->local(), Instant::never()));
    const auto to_second = *loop_.run(host_.network.connect(second->local(), Instant::never()));
    EXPECT_EQ(loop_.run(read_all(*to_first)), "first");
    EXPECT_EQ(loop_.run(read_all(*to_second)), "second");
    EXPECT_EQ(loop_.run(child->wait()).code, 0);
    options.listeners = {{"a=b", first.get()}};
    EXPECT_EQ(host_.processes.spawn(options).error().code, Code::invalid);
}

}  // namespace
}  // namespace tidemill::host_linux
