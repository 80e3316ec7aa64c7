#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "sandbox/doctor.h"
#include "sandbox/planner.h"

namespace tidemill::sandbox {
namespace {

const HostRoot root{.directories = {"/usr"},
                    .links = {{"/bin", "usr/bin"}},
                    .etc = {"/etc/ssl/certs"},
                    .hosts = "127.0.0.1 localhost"};

host::LauncherCapabilities whole_host() {
    return {.uid = 0,
            .namespaces = true,
            .user_namespaces = true,
            .cgroup_memory = true,
            .cgroup_memory_swap = true,
            .cgroup_cpu = true,
            .cgroup_pids = true,
            .cgroup_freezer = true,
            .cgroup_version = 2,
            .seccomp = true,
            .mount_attributes = true,
            .pidfd = true,
            .overlay = true,
            .landlock_abi = 4,
            .kernel = "6.1"};
}

Workload workload() {
    Workload made;
    made.instance = "shop-00001-ab";
    made.host_name = "shop-00001-ab";
    made.command = {"/app/run", "--data", "/app/data"};
    made.mounts = {{.source = "/var/lib/tidemill/apps/1", .target = "/app"}};
    made.directory = "/app";
    made.uid = uid_base + 7;
    return made;
}

host::LaunchPlan plan_of(const Workload& wanted, const Policy& policy = {},
                         const host::LauncherCapabilities& host = whole_host()) {
    const auto plan = plan_launch(wanted, policy, root, host);
    EXPECT_TRUE(plan) << plan.error().message;
    return plan.value_or(host::LaunchPlan{});
}

const host::MountPlan* at(const host::LaunchPlan& plan, std::string_view target) {
    const auto found = std::ranges::find(plan.root.mounts, target, &host::MountPlan::target);
    return found == plan.root.mounts.end() ? nullptr : &*found;
}

bool has(const std::vector<std::string>& list, std::string_view value) {
    return std::ranges::find(list, value) != list.end();
}

TEST(PlanLaunch, ShowsNothingOfTheHostThatIsNotNamed) {
    const auto plan = plan_of(workload());
    for (const auto& mount : plan.root.mounts) {
        if (mount.kind != host::MountPlan::Kind::bind) {
            continue;
        }
        EXPECT_EQ(mount.access, host::MountPlan::Access::read_only) << mount.target;
        EXPECT_TRUE(mount.source == "/usr" || mount.source == "/etc/ssl/certs" ||
                    mount.source == "/var/lib/tidemill/apps/1")
            << mount.source;
    }
    for (const char* path : {"/proc/kcore", "/proc/keys", "/sys/firmware", "/sys/kernel/debug"}) {
        EXPECT_TRUE(has(plan.root.masked, path)) << path;
    }
    EXPECT_TRUE(has(plan.root.read_only, "/proc/sys"));
    EXPECT_EQ(plan.seccomp, host::SeccompProfile::standard);
}

TEST(PlanLaunch, AnImageBringsItsOwnFiles) {
    auto wanted = workload();
    wanted.image = Workload::Image{.tree = "/data/pulled/trees/1"};
    wanted.command = {"nginx", "-g"};
    wanted.uid = 101;
    wanted.gid = 102;
    auto plan = plan_of(wanted);
    const auto& first = plan.root.mounts.front();
    EXPECT_EQ(first.kind, host::MountPlan::Kind::root);
    EXPECT_EQ(first.source, "/data/pulled/trees/1");
    EXPECT_EQ(first.access, host::MountPlan::Access::read_write);
    EXPECT_EQ(first.bytes_max, Policy().image_bytes_max);
    EXPECT_EQ(at(plan, "/usr"), nullptr) << "nothing of the host's programs";
    EXPECT_EQ(at(plan, "/etc/passwd"), nullptr) << "the image's own users";
    EXPECT_NE(at(plan, "/etc/hosts"), nullptr);
    EXPECT_EQ(at(plan, "/tmp")->kind, host::MountPlan::Kind::directory);
    EXPECT_NE(at(plan, "/app"), nullptr) << "volumes are put into it";
    EXPECT_TRUE(has(plan.root.masked, "/proc/kcore"));
    EXPECT_EQ(plan.argv.front(), "nginx") << "found inside, by its PATH";
    EXPECT_EQ(plan.uid, 101U);
    EXPECT_EQ(plan.gid, 102U);

    wanted.image->access = host::MountPlan::Access::read_only;
    plan = plan_of(wanted);
    EXPECT_EQ(plan.root.mounts.front().access, host::MountPlan::Access::read_only);
    EXPECT_EQ(at(plan, "/tmp")->kind, host::MountPlan::Kind::tmpfs);

    wanted.image->access = host::MountPlan::Access::read_write;
    auto host = whole_host();
    host.overlay = false;
    plan = plan_of(wanted, {}, host);
    EXPECT_EQ(plan.root.mounts.front().bytes_max, 0U) << "the tree itself";
    EXPECT_EQ(at(plan, "/tmp")->kind, host::MountPlan::Kind::tmpfs);

    host.namespaces = host.user_namespaces = false;
    const auto refused = plan_launch(wanted, {}, root, host);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message.starts_with("TM-430: ")) << refused.error().message;
}

TEST(PlanLaunch, MasksSecretsThatAVisibleDirectoryWouldShow) {
    Policy policy;
    policy.secrets = {"/usr/local/tidemill", "/var/lib/tidemill", "/usrlocal"};
    const auto plan = plan_of(workload(), policy);
    EXPECT_TRUE(has(plan.root.masked, "/usr/local/tidemill"));
    EXPECT_FALSE(has(plan.root.masked, "/var/lib/tidemill"));
    EXPECT_FALSE(has(plan.root.masked, "/usrlocal"));
}

TEST(PlanLaunch, EnvironmentTable) {
    struct Case {
        const char* name;
        std::vector<std::pair<std::string, std::string>> given;
        std::optional<std::uint16_t> port;
        std::string want;
        bool there;
    };
    const Case cases[] = {
        {"a program finds others", {}, {}, "HOME=/tmp", true},
        {"the user's value wins over a default", {{"HOME", "/x"}}, {}, "HOME=/x", true},
        {"a default that was replaced is gone", {{"HOME", "/x"}}, {}, "HOME=/tmp", false},
        {"the port is the platform's", {{"PORT", "1"}}, 8123, "PORT=8123", true},
        {"a function has no port", {}, {}, "PORT=8123", false},
        {"later values win", {{"A", "1"}, {"A", "2"}}, {}, "A=2", true},
        {"and earlier ones are gone", {{"A", "1"}, {"A", "2"}}, {}, "A=1", false},
    };
    for (const auto& c : cases) {
        auto wanted = workload();
        wanted.environment = c.given;
        wanted.port = c.port;
        EXPECT_EQ(has(plan_of(wanted).environment, c.want), c.there) << c.name;
    }
}

TEST(PlanLaunch, LimitsTable) {
    auto wanted = workload();
    auto plan = plan_of(wanted);
    EXPECT_EQ(plan.limits.memory_bytes_max, 512U << 20) << "no limit given: the default";
    EXPECT_EQ(plan.limits.processes_max, 1024U);
    EXPECT_EQ(plan.limits.cpu_milli_max, 0U) << "no quota unless asked for";
    wanted.memory_bytes_max = 1;
    wanted.processes_max = 2;
    wanted.cpu_milli_max = 3;
    wanted.cpu_milli_request = 4;
    plan = plan_of(wanted);
    EXPECT_EQ(
        plan.limits,
        (host::CgroupLimits{
            .memory_bytes_max = 1, .cpu_milli_max = 3, .cpu_milli_weight = 4, .processes_max = 2}));
    EXPECT_EQ(plan.uid, uid_base + 7);
}

TEST(PlanLaunch, KnowsItsUserAndItsName) {
    const auto plan = plan_of(workload());
    ASSERT_NE(at(plan, "/etc/passwd"), nullptr);
    EXPECT_NE(at(plan, "/etc/passwd")->content.find("app:x:1879048199:1879048199:"),
              std::string::npos);
    EXPECT_EQ(at(plan, "/etc/hosts")->content, "127.0.0.1 localhost\n127.0.0.1 shop-00001-ab\n");
}

TEST(PlanLaunch, RefusesTable) {
    struct Case {
        const char* name;
        void (*change)(Workload&);
        const char* named;
    };
    const Case cases[] = {
        {"no command", [](Workload& w) { w.command.clear(); }, "command"},
        {"a command above where it begins", [](Workload& w) { w.command = {"../run"}; },
         "command ../run"},
        {"a command without a word", [](Workload& w) { w.command = {""}; }, "command :"},
        {"a command that climbs", [](Workload& w) { w.command = {"/a/../run"}; },
         "command /a/../run"},
        {"a relative directory", [](Workload& w) { w.directory = "app"; }, "directory app"},
        {"a target that climbs", [](Workload& w) { w.mounts[0].target = "/a/../b"; }, "/a/../b"},
        {"a mount over everything", [](Workload& w) { w.mounts[0].target = "/"; }, "mount /"},
        {"a file without a place", [](Workload& w) { w.files = {{.target = "x", .content = {}}}; },
         "file x"},
        {"a variable without a name", [](Workload& w) { w.environment = {{"", "x"}}; }, "variable"},
        {"a name with an equals sign", [](Workload& w) { w.environment = {{"A=B", "x"}}; },
         "variable A=B"},
    };
    for (const auto& c : cases) {
        auto wanted = workload();
        c.change(wanted);
        const auto plan = plan_launch(wanted, {}, root, whole_host());
        ASSERT_FALSE(plan) << c.name;
        EXPECT_EQ(plan.error().code, base::Code::invalid) << c.name;
        EXPECT_NE(plan.error().message.find(c.named), std::string::npos) << plan.error().message;
    }
}

TEST(PlanLaunch, GivesAsMuchAsTheHostCan) {
    auto host = whole_host();
    EXPECT_EQ(plan_of(workload(), {}, host).isolation, host::Isolation::namespaces);
    host.namespaces = false;
    EXPECT_EQ(plan_of(workload(), {}, host).isolation, host::Isolation::user_namespace);
    host.user_namespaces = false;
    const auto plan = plan_of(workload(), {}, host);
    EXPECT_EQ(plan.isolation, host::Isolation::none);
    EXPECT_TRUE(plan.root.mounts.empty());
    EXPECT_EQ(plan.argv[0], "/var/lib/tidemill/apps/1/run");
    EXPECT_EQ(plan.argv[2], "/var/lib/tidemill/apps/1/data");
    EXPECT_EQ(plan.directory, "/var/lib/tidemill/apps/1");
    auto with_secret = workload();
    with_secret.files = {{.target = "/secret", .content = "x"}};
    EXPECT_FALSE(plan_launch(with_secret, {}, root, host));
}

TEST(ChooseUid, IsSteadyAndNeverTaken) {
    const auto first = choose_uid("a", {});
    ASSERT_TRUE(first);
    EXPECT_EQ(choose_uid("a", {}), first);
    EXPECT_EQ(choose_uid("a", {*first}), *first + 1 < uid_base + uid_count ? *first + 1 : uid_base);
}

TEST(Examine, SaysWhatIsMissingWithItsFix) {
    for (const auto& finding : examine(whole_host())) {
        EXPECT_EQ(finding.verdict, Finding::Verdict::good) << finding.subject;
        EXPECT_EQ(finding.fix, "") << finding.subject;
    }
    const auto whole = examine(whole_host());
    const auto bare = examine({.kernel = "5.4"});
    ASSERT_EQ(bare.size(), whole.size()) << "every subject is always there";
    for (std::size_t i = 0; i < bare.size(); ++i) {
        EXPECT_EQ(bare[i].subject, whole[i].subject);
        EXPECT_NE(bare[i].verdict, Finding::Verdict::good) << bare[i].subject;
        EXPECT_NE(bare[i].fix, "") << bare[i].subject;
    }
}

}  // namespace
}  // namespace tidemill::sandbox
