// The agent with the real launcher and real processes, on one loop. Needs root; says so loudly
// otherwise.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

#include "agent/agent.h"
#include "agent/probe.h"
#include "async/loop.h"
#include "host_linux/disk/scratch_directory.h"
#include "host_linux/linux_host.h"
#include "launcher/launcher.h"

namespace tidemill::agent {
namespace {

using namespace std::chrono_literals;
using link::InstanceState;

// Answers every request with its own process id; in Perl, which every Debian has.
constexpr const char* server = R"(
use strict; use Socket;
my $l;
if ($ENV{TIDEMILL_LISTEN_FD}) { open($l, '+<&=', $ENV{TIDEMILL_LISTEN_FD}) or die; }
else {
  select(undef, undef, undef, $ENV{DELAY}) if $ENV{DELAY};
  socket($l, PF_INET, SOCK_STREAM, 0); setsockopt($l, SOL_SOCKET, SO_REUSEADDR, 1);
  bind($l, sockaddr_in($ENV{PORT} + ($ENV{OFFSET} || 0), INADDR_LOOPBACK)) or die "bind: $!";
  listen($l, 100);
}
print "serving\n"; $SIG{TERM} = sub { print "bye\n"; exit 0 }; $| = 1;
while (accept(my $c, $l)) {
  my $head = ''; while ($head !~ /\r\n\r\n/) { sysread($c, $head, 4096, length $head) or last; }
  if ($head =~ m{GET /exit}) { print STDERR "asked to go\n"; exit 3; }
  if ($head =~ m{GET (/eat)}) { my $x = $1 x (64 << 20); }
  my $code = $head =~ m{GET /sick} ? 500 : 200;
  syswrite($c, "HTTP/1.1 $code OK\r\nContent-Length: 3\r\n\r\nhi\n"); close $c;
}
)";

struct Recorder final : Reports {
    std::map<std::string, link::RevisionEndpoints> latest;
    std::vector<link::InstanceReport> reports;
    std::vector<link::ColdStart> starts;
    void endpoints(const link::RevisionEndpoints& endpoints) override {
        latest[endpoints.revision] = endpoints;
    }
    void report(const link::InstanceReport& report) override { reports.push_back(report); }
    void cold_start(const link::ColdStart& start) override { starts.push_back(start); }
};

class AgentLinux : public ::testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "NOT TESTED: namespaces and cgroups need root";
        }
        scratch_ = std::make_unique<host_linux::ScratchDirectory>("/tmp");
        machine_ = *host_linux::LinuxHost::create(inherited_);
        host_ = std::make_unique<host::Host>(machine_->host());
        options_.data_directory = scratch_->path() + "/data";
        options_.run_directory = scratch_->path() + "/run";
        std::filesystem::create_directories(scratch_->path() + "/app");
        FILE* file = std::fopen((scratch_->path() + "/app/server.pl").c_str(), "w");
        std::fputs(server, file);
        std::fclose(file);
        ::chmod((scratch_->path() + "/app").c_str(), 0755);
        ::chmod((scratch_->path() + "/app/server.pl").c_str(), 0644);
        bring_up();
    }
    void TearDown() override {
        if (machine_ == nullptr) {
            return;
        }
        if (agent_ == nullptr) {
            bring_up();
        }
        machine_->loop().run(agent_->end_all(1s));
        wait([&] { return launcher_empty(); });
        take_down();
        const std::string group = "agent-test-" + std::to_string(::getpid());
        std::error_code ignored;
        for (const auto& mount : std::filesystem::directory_iterator("/sys/fs/cgroup", ignored)) {
            for (auto it = std::filesystem::recursive_directory_iterator(
                     mount.path(), std::filesystem::directory_options::skip_permission_denied,
                     ignored);
                 it != std::filesystem::recursive_directory_iterator(); it.increment(ignored)) {
                if (it->path().filename() == group) {
                    ::rmdir(it->path().c_str());
                    break;
                }
            }
        }
    }
    bool launcher_empty() {
        const auto known = machine_->loop().run(launcher_->scan());
        return known && known->empty();
    }
    void bring_up() {
        auto launcher = machine_->loop().run(launcher::ProgramLauncher::start(
            *host_,
            {.run_directory = options_.run_directory,
             .cgroup_name = "agent-test-" + std::to_string(::getpid())},
            machine_->loop().now() + 10s));
        ASSERT_TRUE(launcher) << launcher.error().message;
        launcher_ = *std::move(launcher);
        agent_ = std::make_unique<Agent>(*host_, *launcher_, said_, options_);
        const auto started = machine_->loop().run(agent_->start());
        ASSERT_TRUE(started) << started.error().message;
    }
    void take_down() {
        agent_.reset();
        launcher_.reset();
    }
    // Lets things happen until `done`; false if they do not within `limit`.
    bool wait(std::function<bool()> done, base::Duration limit = 10s) {
        const base::Instant until = machine_->loop().now() + limit;
        while (!done()) {
            if (machine_->loop().now() >= until) {
                return false;
            }
            machine_->loop().run([](async::Loop& loop) -> async::Task<void> {
                co_await async::sleep_for(loop, 1ms);
            }(machine_->loop()));
        }
        return true;
    }

    link::WantedRevision revision(link::InstanceSpec::Listen listen, std::uint32_t instances) {
        link::WantedRevision wanted;
        wanted.revision = "default/shop-00001";
        wanted.service = "default/shop";
        wanted.configuration = "default/shop";
        wanted.instances = instances;
        wanted.spec.runtime = "native";
        wanted.spec.command = {"/usr/bin/perl", "/app/server.pl"};
        wanted.spec.mounts = {{.source = scratch_->path() + "/app", .target = "/app"}};
        wanted.spec.listen = listen;
        wanted.spec.grace = 2s;
        return wanted;
    }
    void want(const link::WantedRevision& wanted) {
        agent_->wanted({.mode = link::Begin::Mode::replace, .puts = {wanted}, .deletes = {}});
    }
    std::vector<link::Endpoint> ready() {
        std::vector<link::Endpoint> found;
        for (const auto& endpoint : said_.latest["default/shop-00001"].endpoints) {
            if (endpoint.state == InstanceState::ready) {
                found.push_back(endpoint);
            }
        }
        return found;
    }
    const link::InstanceReport* last(std::string_view reason) {
        const auto found = std::ranges::find(said_.reports.rbegin(), said_.reports.rend(), reason,
                                             &link::InstanceReport::reason);
        return found == said_.reports.rend() ? nullptr : &*found;
    }
    std::optional<InstanceState> last_state(const std::string& instance) {
        const auto found = std::ranges::find(said_.reports.rbegin(), said_.reports.rend(), instance,
                                             &link::InstanceReport::instance);
        return found == said_.reports.rend() ? std::nullopt : std::optional(found->state);
    }
    std::int32_t pid_of(const std::string& instance) {
        for (const auto& report : said_.reports) {
            if (report.instance == instance && report.pid != 0) {
                return report.pid;
            }
        }
        return 0;
    }
    base::Status get(const link::Endpoint& endpoint, const std::string& path) {
        return machine_->loop().run(probe_once(*host_, *host::parse_address(endpoint.address),
                                               {.kind = link::ProbeSpec::Kind::http, .path = path},
                                               machine_->loop().now() + 5s));
    }

    host_linux::InheritedListeners inherited_;
    std::unique_ptr<host_linux::ScratchDirectory> scratch_;
    std::unique_ptr<host_linux::LinuxHost> machine_;
    std::unique_ptr<host::Host> host_;
    Recorder said_;
    Options options_;
    std::unique_ptr<launcher::ProgramLauncher> launcher_;
    std::unique_ptr<Agent> agent_;
};

TEST_F(AgentLinux, AWakeBringsAFunctionUpAndAccountsForEveryMoment) {
    want(revision(link::InstanceSpec::Listen::unix_socket, 0));
    const auto began = host_->clock.monotonic_now();
    agent_->wake(1, {.revision = "default/shop-00001", .waiting = 3});
    agent_->wake(1, {.revision = "default/shop-00001", .waiting = 5});
    ASSERT_TRUE(wait([&] { return ready().size() == 1; }));
    const auto took = host_->clock.monotonic_now() - began;
    EXPECT_EQ(agent_->instance_count(), 1U) << "a repeated wake started a second one";
    EXPECT_TRUE(get(ready()[0], "/"));
    ASSERT_EQ(said_.starts.size(), 1U);
    const auto& start = said_.starts[0];
    EXPECT_EQ(start.cause, "wake");
    base::Duration at{};
    for (const auto& stage : start.stages) {
        EXPECT_EQ(stage.at, at) << stage.name << ": a gap or an overlap";
        at += stage.took;
    }
    EXPECT_LE(at, took);
    EXPECT_GE(at + 50ms, took);
}

TEST_F(AgentLinux, AnAppIsToldItsPortAndStopsWhenNobodyWantsIt) {
    want(revision(link::InstanceSpec::Listen::port, 2));
    ASSERT_TRUE(wait([&] { return ready().size() == 2; }));
    EXPECT_NE(ready()[0].address, ready()[1].address);
    EXPECT_TRUE(get(ready()[0], "/"));
    agent_->proxy_here(7);
    const auto instance = ready()[1].instance;
    want(revision(link::InstanceSpec::Listen::port, 1));
    ASSERT_TRUE(wait([&] { return ready().size() == 1; }));
    // Requests may still run there: it stays until the proxy says otherwise.
    EXPECT_FALSE(wait([&] { return agent_->instance_count() == 1; }, 100ms));
    const auto& all = said_.latest["default/shop-00001"].endpoints;
    const auto draining = std::ranges::find(all, InstanceState::draining, &link::Endpoint::state);
    ASSERT_NE(draining, all.end());
    const std::string name = draining->instance;
    agent_->drained(7, {.instance = name});
    ASSERT_TRUE(wait([&] { return agent_->instance_count() == 1; }));
    EXPECT_EQ(said_.reports.back().state, InstanceState::ended);
    EXPECT_EQ(said_.reports.back().reason, "");
    EXPECT_NE(agent_->logs().read(name, {}).value_or("").find("bye"), std::string::npos);
}

TEST_F(AgentLinux, ADeadInstanceIsReplacedAndItsEndExplained) {
    want(revision(link::InstanceSpec::Listen::unix_socket, 1));
    ASSERT_TRUE(wait([&] { return ready().size() == 1; }));
    const auto first = ready()[0];
    (void)get(first, "/exit");
    ASSERT_TRUE(
        wait([&] { return ready().size() == 1 && ready()[0].instance != first.instance; }, 1s))
        << "not replaced within a second";
    const auto* report = last("ExitCode3");
    ASSERT_NE(report, nullptr);
    EXPECT_EQ(report->exit_code, 3);
    EXPECT_NE(report->last_log.find("asked to go"), std::string::npos) << report->last_log;
}

TEST_F(AgentLinux, AStoppedInstanceIsReplacedWithinASecond) {
    want(revision(link::InstanceSpec::Listen::unix_socket, 1));
    ASSERT_TRUE(wait([&] { return ready().size() == 1; }));
    const auto first = ready()[0];
    // The user's program is the child of the init that we know.
    std::int32_t program = 0;
    const std::string init = std::to_string(pid_of(first.instance));
    FILE* children = std::fopen(("/proc/" + init + "/task/" + init + "/children").c_str(), "r");
    ASSERT_NE(children, nullptr);
    ASSERT_EQ(std::fscanf(children, "%d", &program), 1);
    std::fclose(children);
    ASSERT_EQ(::kill(program, SIGSTOP), 0);
    ASSERT_TRUE(
        wait([&] { return ready().size() == 1 && ready()[0].instance != first.instance; }, 1s));
    EXPECT_NE(last("Stopped"), nullptr);
}

TEST_F(AgentLinux, OneThatEatsItsMemoryIsSaidToHave) {
    auto wanted = revision(link::InstanceSpec::Listen::unix_socket, 1);
    wanted.spec.memory_bytes_max = 64U << 20;
    want(wanted);
    ASSERT_TRUE(wait([&] { return ready().size() == 1; }));
    if (!launcher_->capabilities().cgroup_memory) {
        GTEST_SKIP() << "NOT TESTED: no memory controller can be used here";
    }
    (void)get(ready()[0], "/eat");
    ASSERT_TRUE(wait([&] { return last("OOMKilled") != nullptr; }));
    EXPECT_NE(last("OOMKilled")->message.find("64 MiB"), std::string::npos);
}

TEST_F(AgentLinux, AWrongPortIsNamed) {
    take_down();
    options_.not_listening_after = 200ms;
    bring_up();
    auto wanted = revision(link::InstanceSpec::Listen::port, 1);
    wanted.spec.environment = {{"OFFSET", "10000"}};
    want(wanted);
    // Slow to start is said first, perhaps; then where it listens instead.
    EXPECT_TRUE(wait([&] {
        const auto* report = last("NotListening");
        return report && report->message.find("it listens on 127.0.0.1:3") != std::string::npos;
    })) << (last("NotListening") ? last("NotListening")->message : "nothing was said");
    EXPECT_TRUE(ready().empty());
}

TEST_F(AgentLinux, AnAppWhosePortAnotherTookIsStartedAgainOnAnotherPort) {
    auto wanted = revision(link::InstanceSpec::Listen::port, 1);
    wanted.spec.environment = {{"DELAY", "0.3"}};
    want(wanted);
    const auto all = [&] { return said_.latest["default/shop-00001"].endpoints; };
    ASSERT_TRUE(wait([&] { return !all().empty() && all()[0].address.contains(":"); }));
    const auto first = all()[0];
    const auto taken = host_->network.listen(*host::parse_address(first.address), {});
    ASSERT_TRUE(taken) << taken.error().message;
    ASSERT_TRUE(wait([&] { return ready().size() == 1; }));
    EXPECT_NE(ready()[0].instance, first.instance);
    EXPECT_NE(ready()[0].address, first.address);
    EXPECT_TRUE(get(ready()[0], "/"));
    ASSERT_NE(last("PortTaken"), nullptr);
    EXPECT_EQ(last("PortTaken")->instance, first.instance);
    const auto port = first.address.substr(first.address.rfind(':') + 1);
    EXPECT_EQ(last("PortTaken")
                  ->message.find(fmt::format("port {} is taken by process {} (agent_test), which",
                                             port, ::getpid())),
              0U)
        << last("PortTaken")->message;
}

TEST_F(AgentLinux, AProgramThatIsNotThereIsSaidSo) {
    auto wanted = revision(link::InstanceSpec::Listen::port, 1);
    wanted.spec.command = {"/app/nothing"};
    want(wanted);
    ASSERT_TRUE(wait([&] { return last("LaunchFailed") != nullptr; }));
    EXPECT_NE(last("LaunchFailed")->message.find("/app/nothing: there is no such program"),
              std::string::npos)
        << last("LaunchFailed")->message;
    // It is tried again, ever more slowly.
    const auto count = [&] {
        return std::ranges::count(said_.reports, "LaunchFailed", &link::InstanceReport::reason);
    };
    ASSERT_TRUE(wait([&] { return count() >= 5; }));
    wait([] { return false; }, 300ms);
    EXPECT_LT(count(), 12);
}

TEST_F(AgentLinux, InstancesAreAdoptedAndNothingIsStartedTwice) {
    want(revision(link::InstanceSpec::Listen::unix_socket, 2));
    ASSERT_TRUE(wait([&] { return ready().size() == 2; }));
    auto before = ready();
    take_down();
    said_ = {};
    bring_up();
    ASSERT_TRUE(wait([&] { return ready().size() == 2; }));
    auto after = ready();
    std::ranges::sort(before, {}, &link::Endpoint::instance);
    std::ranges::sort(after, {}, &link::Endpoint::instance);
    EXPECT_EQ(before[0].instance, after[0].instance);
    EXPECT_EQ(before[1].address, after[1].address);
    EXPECT_TRUE(get(after[0], "/"));
    want(revision(link::InstanceSpec::Listen::unix_socket, 2));
    EXPECT_FALSE(wait([&] { return agent_->instance_count() != 2; }, 100ms));
    EXPECT_TRUE(said_.starts.empty());
}

TEST_F(AgentLinux, TheLauncherMayDieAndInstancesGoOn) {
    want(revision(link::InstanceSpec::Listen::unix_socket, 1));
    ASSERT_TRUE(wait([&] { return ready().size() == 1; }));
    const auto first = ready()[0];
    ::kill(launcher_->program_pid(), SIGKILL);
    EXPECT_TRUE(get(first, "/"));
    // It ends while nobody watches it.
    (void)get(first, "/exit");
    ASSERT_TRUE(wait([&] { return ready().size() == 1 && ready()[0].instance != first.instance; }));
    ASSERT_NE(last("ExitCode3"), nullptr) << "its end was not found in its record";
}

TEST_F(AgentLinux, ASickInstanceIsReplaced) {
    auto wanted = revision(link::InstanceSpec::Listen::unix_socket, 1);
    wanted.spec.liveness = link::ProbeSpec{.kind = link::ProbeSpec::Kind::http,
                                           .path = "/sick",
                                           .period = 20ms,
                                           .failure_threshold = 2};
    want(wanted);
    ASSERT_TRUE(wait([&] { return last("ProbeFailed") != nullptr; }));
    EXPECT_NE(last("ProbeFailed")->message.find("answered 500 to GET /sick"), std::string::npos)
        << last("ProbeFailed")->message;
    ASSERT_TRUE(wait([&] { return said_.starts.size() >= 2; }));
}

// The program itself is frozen, not only out of rotation.
bool burns_no_time(std::int32_t pid) {
    const auto used = [pid] {
        std::ifstream file("/proc/" + std::to_string(pid) + "/schedstat");
        std::uint64_t ns = 0;
        file >> ns;
        return ns;
    };
    const auto before = used();
    ::usleep(50'000);
    return used() == before;
}

TEST_F(AgentLinux, AnIdleInstanceIsFrozenAndThawedByTheNextRequest) {
    auto wanted = revision(link::InstanceSpec::Listen::unix_socket, 1);
    wanted.spec.keep_frozen = 1min;
    want(wanted);
    ASSERT_TRUE(wait([&] { return ready().size() == 1; }));
    const auto before = ready().front();
    const std::int32_t pid = pid_of(before.instance);

    wanted.instances = 0;
    want(wanted);
    ASSERT_TRUE(wait([&] { return last_state(before.instance) == InstanceState::frozen; }));
    EXPECT_TRUE(said_.latest["default/shop-00001"].endpoints.empty()) << "no replica";
    EXPECT_EQ(::kill(pid, 0), 0);
    EXPECT_TRUE(wait([&] { return burns_no_time(pid); }));

    agent_->proxy_here(1);
    agent_->wake(1, {.revision = "default/shop-00001", .waiting = 1});
    ASSERT_TRUE(wait([&] { return ready().size() == 1; }));
    EXPECT_EQ(ready().front().instance, before.instance);
    EXPECT_TRUE(get(before, "/"));
    ASSERT_EQ(said_.starts.size(), 2U);
    EXPECT_EQ(said_.starts.back().cause, "thaw");
    EXPECT_EQ(said_.starts.back().stages.back().name, "thaw");
}

TEST_F(AgentLinux, AFrozenInstanceIsAdoptedFrozenAndHearsSigtermWhenItEnds) {
    auto wanted = revision(link::InstanceSpec::Listen::unix_socket, 1);
    wanted.spec.keep_frozen = 1min;
    want(wanted);
    ASSERT_TRUE(wait([&] { return ready().size() == 1; }));
    const auto before = ready().front();
    wanted.instances = 0;
    want(wanted);
    ASSERT_TRUE(wait([&] { return last_state(before.instance) == InstanceState::frozen; }));
    take_down();
    said_ = {};
    bring_up();
    want(wanted);
    wait([] { return false; }, 100ms);
    EXPECT_EQ(agent_->instance_count(), 1U);
    EXPECT_TRUE(said_.latest["default/shop-00001"].endpoints.empty());

    wanted.spec.keep_frozen = {};
    want(wanted);
    ASSERT_TRUE(wait([&] { return agent_->instance_count() == 0; }));
    EXPECT_NE(agent_->logs().read(before.instance, {}).value_or("").find("bye"), std::string::npos);
}

}  // namespace
}  // namespace tidemill::agent
