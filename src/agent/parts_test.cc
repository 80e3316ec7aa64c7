// The small parts: notes, reasons, logs, ports.
#include <gtest/gtest.h>

#include "agent/log_store.h"
#include "agent/note.h"
#include "agent/ports.h"
#include "agent/reason.h"
#include "host_sim/sim_host.h"

namespace tidemill::agent {
namespace {

using namespace std::chrono_literals;

TEST(Note, SurvivesTheWayAndNewerWriters) {
    const Note note{.revision = "default/shop-00001",
                    .service = "default/shop",
                    .address = "unix:/run/x",
                    .port = 0};
    EXPECT_EQ(read_note(write_note(note)), note);
    EXPECT_EQ(read_note(write_note(note) + "later=thing\n"), note) << "unknown names pass";
    EXPECT_EQ(read_note("tidemill-instance 2\nrevision=a\naddress=b\n"), std::nullopt);
    EXPECT_EQ(read_note(""), std::nullopt);
    EXPECT_EQ(read_note("tidemill-instance 1\nrevision=a\n"), std::nullopt) << "no address";
}

TEST(ExplainExit, Table) {
    struct Case {
        const char* name;
        host::InstanceExit exit;
        const char* word;
        const char* part;
    };
    const Case cases[] = {
        {"a code", {.code = 3, .signal = {}}, "ExitCode3", "exit code 3"},
        {"success is no success for a service",
         {.code = 0, .signal = {}},
         "ExitCode0",
         "must keep running"},
        {"a signal", {.code = {}, .signal = 11}, "Signal11", "SIGSEGV"},
        {"killed for memory", {.code = {}, .signal = 9, .oom_kills = 1}, "OOMKilled", "64 MiB"},
        {"killed by somebody", {.code = {}, .signal = 9}, "Signal9", "SIGKILL"},
        {"a child was killed for memory",
         {.code = 1, .signal = {}, .oom_kills = 2},
         "ExitCode1",
         "2 of its processes"},
        {"nobody saw it", {}, "Ended", "nobody"},
    };
    for (const auto& c : cases) {
        const auto reason = explain_exit(c.exit, 64U << 20);
        EXPECT_EQ(reason.word, c.word) << c.name;
        EXPECT_NE(reason.message.find(c.part), std::string::npos) << c.name << reason.message;
    }
}

TEST(ExplainNotListening, SaysWhereItListensInstead) {
    using Family = host::ListeningSocket::Family;
    EXPECT_EQ(explain_not_listening(8080, 5s, {}).message,
              "does not listen on 127.0.0.1:8080 ($PORT) after 5s; it listens on nothing; make it "
              "listen on 0.0.0.0:$PORT");
    const host::ListeningSocket found[] = {{Family::ipv4, "0.0.0.0", 3000},
                                           {Family::ipv6, "::1", 3001}};
    EXPECT_NE(explain_not_listening(1, 5s, found)
                  .message.find("it listens on 0.0.0.0:3000, [::1]:3001 instead"),
              std::string::npos);
}

class Logs : public ::testing::Test {
protected:
    void put(const std::string& instance, int file, const std::string& text) {
        const std::string directory = "/data/logs/" + instance;
        ASSERT_TRUE(machine_.disk.make_directories(directory, 0700));
        auto opened = machine_.disk.open(directory + "/" + std::to_string(file) + ".log",
                                         host::Disk::Open::create, 0600);
        ASSERT_TRUE(opened);
        ASSERT_TRUE((*opened)->truncate(0));
        ASSERT_TRUE((*opened)->write_at(0, text));
    }
    static std::string line(int second, const char* text) {
        return "2026-11-21T00:00:" + std::string(second < 10 ? "0" : "") + std::to_string(second) +
               ".000000000Z stdout F " + text + "\n";
    }
    host_sim::SimHost machine_{1};
    LogStore store_{machine_.disk, "/data/logs", {.ended_per_revision_max = 2, .ended_max = 100}};
};

TEST_F(Logs, AreReadInOrderWhicheverFileIsOlder) {
    put("a", 0, line(3, "three") + line(4, "four"));
    put("a", 1, line(1, "one") + line(2, "two"));
    EXPECT_EQ(store_.read("a", {}).value(),
              line(1, "one") + line(2, "two") + line(3, "three") + line(4, "four"));
    EXPECT_EQ(store_.read("a", {.tail_lines = 1}).value(), line(4, "four"));
    EXPECT_EQ(store_.read("a", {.tail_lines = 0}).value(), "");
    EXPECT_EQ(store_.read("a", {.tail_lines = 99}).value(), store_.read("a", {}).value());
    EXPECT_EQ(store_.read("a", {.since = "2026-11-21T00:00:03.000000000Z"}).value(),
              line(3, "three") + line(4, "four"));
    EXPECT_EQ(store_.last("a", 60), line(4, "four"));
}

TEST_F(Logs, AreNotReadFromElsewhere) {
    put("a", 0, line(1, "one"));
    for (const char* name : {"", "b", "..", "../logs/a", "a/", ".a"}) {
        EXPECT_FALSE(store_.read(name, {})) << name;
    }
}

TEST_F(Logs, AreFollowedAcrossTheTurnOfFiles) {
    put("a", 0, line(1, "one"));
    auto follow = store_.at_end("a");
    EXPECT_EQ(store_.more("a", follow, 1000), "");
    put("a", 0, line(1, "one") + line(2, "two") + "2026-11-21T00:00:03.000000000Z stdo");
    EXPECT_EQ(store_.more("a", follow, 1000), line(2, "two")) << "a line on its way waits";
    put("a", 0, line(1, "one") + line(2, "two") + line(3, "three"));
    put("a", 1, line(4, "four"));
    EXPECT_EQ(store_.more("a", follow, 1000), line(3, "three"));
    EXPECT_EQ(store_.more("a", follow, 1000), "");
    EXPECT_EQ(store_.more("a", follow, 1000), line(4, "four"));
}

TEST_F(Logs, OfTheLastEndedAreKeptAndTheLastCrashBesides) {
    for (const char* name : {"r-1", "r-2", "r-3", "r-4"}) {
        put(name, 0, line(1, name));
    }
    store_.ended("r-1", "n/r", LogStore::Cause::crashed);
    store_.ended("r-2", "n/r", LogStore::Cause::asked);
    store_.ended("r-3", "n/r", LogStore::Cause::asked);
    store_.ended("r-4", "n/r", LogStore::Cause::asked);
    EXPECT_TRUE(store_.read("r-1", {})) << "the last crash";
    EXPECT_FALSE(store_.read("r-2", {}));
    EXPECT_TRUE(store_.read("r-3", {}));
    EXPECT_TRUE(store_.read("r-4", {}));
}

TEST_F(Logs, OfTheLastEndedAreFoundByTheRevisionAndItsNamespace) {
    put("r-0", 0, line(1, "from before"));
    store_.recover({});
    EXPECT_EQ(store_.last_ended("n/r"), std::nullopt) << "nobody knows whose it was";
    for (const char* name : {"r-1", "r-2", "r-3"}) {
        put(name, 0, line(1, name));
    }
    store_.ended("r-1", "n/r", LogStore::Cause::asked);
    store_.ended("r-2", "n/r", LogStore::Cause::crashed);
    store_.ended("r-3", "other/r", LogStore::Cause::asked);
    EXPECT_EQ(store_.last_ended("n/r"), "r-2");
    EXPECT_EQ(store_.last_ended("other/r"), "r-3");
    LogStore later(machine_.disk, "/data/logs", {});
    later.recover({});
    EXPECT_EQ(later.last_ended("n/r"), "r-2") << "also for the next agent";
}

TEST(Ports, AreNeverGivenTwice) {
    host_sim::SimHost machine(1);
    auto host = machine.host();
    Ports ports(20'000, 20'002, 20'000);
    const auto taken = host.network.listen(host::IpAddress::loopback(20'001), {});
    ASSERT_TRUE(taken);
    EXPECT_EQ(ports.take(host.network), 20'000);
    EXPECT_EQ(ports.take(host.network), 20'002) << "somebody else listens on 20001";
    EXPECT_EQ(ports.take(host.network).error().code, base::Code::exhausted);
    ports.give_back(20'000);
    EXPECT_EQ(ports.take(host.network), 20'000);

    Ports from_the_end(20'000, 20'002, 20'002);
    EXPECT_EQ(from_the_end.take(host.network), 20'002);
    EXPECT_EQ(from_the_end.take(host.network), 20'000);
}

}  // namespace
}  // namespace tidemill::agent
