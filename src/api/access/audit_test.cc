#include "api/access/audit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "host_sim/sim_host.h"

namespace tidemill::api {
namespace {

using namespace std::chrono_literals;

AuditRecord some_record(std::string name) {
    AuditRecord record;
    record.id = name;
    record.who.name = "ada";
    record.what = {.verb = "create", .resource = "configmaps", .name = std::move(name)};
    return record;
}

struct Rig {
    explicit Rig(AuditLogOptions options = {}) : host(sim.host()), options(std::move(options)) {
        this->options.directory = "/data";
        start();
    }
    void start() {
        log.reset();
        offload.emplace(sim.loop, 1U);
        auto opened = AuditLog::open(host, *offload, options);
        EXPECT_TRUE(opened) << opened.error().message;
        log = opened ? *std::move(opened) : nullptr;
    }
    base::Status record(std::string name) {
        return sim.loop.run(log->record(some_record(std::move(name))));
    }
    std::string text(const char* path = "/data/audit.log") {
        return host::read_file(sim.disk, path, 1U << 20).value_or("");
    }

    host_sim::SimHost sim{1};
    host::Host host;
    AuditLogOptions options;
    std::optional<host_sim::SimOffload> offload;
    std::unique_ptr<AuditLog> log;
};

TEST(AuditLog, ChainsItsRecordsAcrossRestarts) {
    Rig rig;
    EXPECT_TRUE(rig.record("a"));
    EXPECT_TRUE(rig.record("b"));
    rig.start();
    EXPECT_TRUE(rig.record("c"));
    EXPECT_EQ(verify_audit(rig.text()), 3U);
    EXPECT_NE(rig.text().find("\"sequence\":3"), std::string::npos);
}

TEST(AuditLog, ARecordThatWasAnsweredOutlivesAPowerCut) {
    Rig rig;
    EXPECT_TRUE(rig.record("a"));
    rig.log->note(some_record("b"));
    rig.log.reset();
    rig.offload.reset();
    rig.sim.disk.crash();
    rig.start();
    EXPECT_TRUE(rig.record("c"));
    const auto count = verify_audit(rig.text());
    ASSERT_TRUE(count) << count.error().message;
    EXPECT_GE(*count, 2U);
    EXPECT_NE(rig.text().find("\"id\":\"a\""), std::string::npos);
}

TEST(AuditLog, ATornLineIsCutOffAndAChangedOneIsFound) {
    Rig rig;
    EXPECT_TRUE(rig.record("a"));
    EXPECT_TRUE(rig.record("b"));
    auto whole = rig.text();
    {
        auto file = *rig.host.disk.open("/data/audit.log", host::Disk::Open::read_write);
        ASSERT_TRUE(file->write_at(whole.size(), "{\"version\":1,\"seq"));
    }
    rig.start();
    EXPECT_EQ(rig.text(), whole);

    auto changed = whole;
    changed[changed.find("ada")] = 'e';
    EXPECT_FALSE(verify_audit(changed));
    const auto first_line = whole.find('\n') + 1;
    EXPECT_EQ(verify_audit(whole.substr(first_line)), 1U);
    EXPECT_FALSE(verify_audit(whole + whole));

    {
        auto file = *rig.host.disk.open("/data/audit.log", host::Disk::Open::read_write);
        ASSERT_TRUE(file->write_at(whole.rfind("ada"), "eve"));
    }
    rig.offload.emplace(rig.sim.loop, 1U);
    const auto refused = AuditLog::open(rig.host, *rig.offload, rig.options);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("TM-310"), std::string::npos);
}

TEST(AuditLog, RotatesWithinItsBoundsAndKeepsTheChain) {
    Rig rig({.file_bytes_max = 2'000, .files_max = 3});
    for (int i = 0; i < 40; ++i) {
        EXPECT_TRUE(rig.record(std::to_string(i)));
    }
    EXPECT_LE(rig.text().size(), 2'000U);
    EXPECT_FALSE(rig.sim.disk.info("/data/audit.log.3"));
    const auto joined = rig.text("/data/audit.log.2") + rig.text("/data/audit.log.1") + rig.text();
    const auto count = verify_audit(joined);
    ASSERT_TRUE(count) << count.error().message;
    EXPECT_GT(*count, 5U);
    rig.start();
    EXPECT_TRUE(rig.record("after"));
    EXPECT_NE(rig.text().find("\"sequence\":41"), std::string::npos);
}

TEST(AuditLog, RefusesMoreThanMayWait) {
    Rig rig({.waiting_max = 2});
    async::Scope scope(rig.sim.loop, 8);
    std::vector<bool> recorded;
    auto ask = [](Rig& r, std::vector<bool>& out) -> async::Task<void> {
        out.push_back((co_await r.log->record(some_record("x"))).has_value());
    };
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(scope.spawn(ask(rig, recorded)));
    }
    rig.sim.loop.run_for(1s);
    // One was on its way at once, two waited.
    EXPECT_EQ(std::ranges::count(recorded, true), 3);
    EXPECT_EQ(std::ranges::count(recorded, false), 2);
}

TEST(Redact, HidesWhatSecretsHoldAndNothingElse) {
    const auto secret = redact(model::JsonObject{
        {"kind", "Secret"},
        {"metadata", model::JsonObject{{"annotations", model::JsonObject{{"a", "b"}}}}},
        {"data", model::JsonObject{{"k", "aHVudGVyMg=="}}}});
    EXPECT_TRUE(model::text_at(secret, {"data", "k"}).starts_with("sha256:"));
    EXPECT_EQ(model::text_at(secret, {"metadata", "annotations", "a"}), "b");
    const model::Json map =
        model::JsonObject{{"kind", "ConfigMap"}, {"data", model::JsonObject{{"k", "v"}}}};
    EXPECT_EQ(redact(map), map);
}

}  // namespace
}  // namespace tidemill::api
