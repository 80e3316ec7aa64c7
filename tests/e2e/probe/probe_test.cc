// Runs probe.c in the sandbox that an instance gets and compares what it could do with
// expected.txt. Needs root; says so loudly otherwise. UPDATE_EXPECTED=1 writes the file anew, to be
// read before it is committed.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <sstream>
#include <string_view>

#include "async/loop.h"
#include "host_linux/disk/scratch_directory.h"
#include "host_linux/linux_host.h"
#include "launcher/launcher.h"
#include "sandbox/planner.h"

namespace tidemill {
namespace {

using namespace std::chrono_literals;

std::string read_all(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

bool has_prefix(const std::string& line, std::initializer_list<std::string_view> prefixes) {
    return std::ranges::any_of(prefixes, [&](auto prefix) { return line.starts_with(prefix); });
}

// Lines of the log without time and stream. What differs between hosts but not in kind is made the
// same: which files of /etc are bound, which of the masked paths this kernel has, and with which
// error something is refused.
std::string answers(const std::string& log) {
    std::istringstream lines(log);
    std::string line;
    std::string kept;
    while (std::getline(lines, line)) {
        const auto at = line.find(" F ");
        line = at == std::string::npos ? line : line.substr(at + 3);
        if (has_prefix(line, {"mount /etc/", "mount /lib", "mount /proc/", "mount /sys/"})) {
            continue;
        }
        const auto colon = line.find(": ");
        if (has_prefix(line, {"read ", "write "}) && colon != std::string::npos &&
            !line.substr(colon + 2).starts_with("YES")) {
            line.resize(colon);
            line += ": nothing";
        }
        if (const auto word = line.find(" lib32"); word != std::string::npos) {
            line.erase(word, 6);
        }
        kept += line + "\n";
    }
    return kept;
}

TEST(Probe, SeesAndDoesWhatIsExpectedAndNothingElse) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "NOT TESTED: namespaces need root";
    }
    const host_linux::ScratchDirectory scratch("/tmp");
    host_linux::InheritedListeners inherited;
    auto machine = *host_linux::LinuxHost::create(inherited);
    auto host = machine->host();
    auto& loop = machine->loop();
    const std::string group = "probe-test-" + std::to_string(::getpid());
    auto started = loop.run(launcher::ProgramLauncher::start(
        host, {.run_directory = scratch.path() + "/run", .cgroup_name = group}, loop.now() + 10s));
    ASSERT_TRUE(started) << started.error().message;
    auto& launcher = **started;
    if (!launcher.capabilities().namespaces) {
        GTEST_SKIP() << "NOT TESTED: this host gives no namespaces";
    }

    std::filesystem::create_directories(scratch.path() + "/app");
    std::filesystem::permissions(scratch.path() + "/app", std::filesystem::perms(0755));
    std::filesystem::copy_file(PROBE_PROGRAM, scratch.path() + "/app/probe");
    sandbox::Workload workload;
    workload.instance = workload.host_name = "probe-1";
    workload.command = {"/app/probe", scratch.path() + "/run", scratch.path() + "/log",
                        "/var/lib/tidemill"};
    workload.mounts = {{.source = scratch.path() + "/app", .target = "/app"}};
    workload.uid = sandbox::uid_base + 1;
    workload.listen_path = scratch.path() + "/run/socket";
    workload.log_directory = scratch.path() + "/log";
    const auto plan = sandbox::plan_launch(workload, {}, sandbox::survey_host_root(host.disk),
                                           launcher.capabilities());
    ASSERT_TRUE(plan) << plan.error().message;
    const auto launched = loop.run(launcher.launch(*plan, loop.now() + 10s));
    ASSERT_TRUE(launched) << launched.error().message;
    const auto event = loop.run(launcher.next_event());
    ASSERT_EQ(event.kind, host::LauncherEvent::Kind::ended);
    EXPECT_EQ(event.exit.code, 0);
    EXPECT_TRUE(loop.run(launcher.forget("probe-1")));

    const std::string found = answers(read_all(scratch.path() + "/log/0.log"));
    if (std::getenv("UPDATE_EXPECTED") != nullptr) {
        std::ofstream(EXPECTED_FILE) << found;
    }
    EXPECT_EQ(found, read_all(EXPECTED_FILE));

    started->reset();
    std::error_code ignored;
    for (const auto& mount : std::filesystem::directory_iterator("/sys/fs/cgroup", ignored)) {
        for (auto it = std::filesystem::recursive_directory_iterator(
                 mount.path(), std::filesystem::directory_options::skip_permission_denied, ignored);
             it != std::filesystem::recursive_directory_iterator(); it.increment(ignored)) {
            if (it->path().filename() == group) {
                ::rmdir(it->path().c_str());
                break;
            }
        }
    }
}

}  // namespace
}  // namespace tidemill
