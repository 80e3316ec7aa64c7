#include "link/codec.h"

#include <gtest/gtest.h>

#include "link/fields.h"
#include "link/table.h"

namespace tidemill::link {
namespace {

Message round_trip(const Message& message) {
    const std::string frame = encode(message);
    const auto read = decode(std::string_view(frame).substr(4));
    EXPECT_TRUE(read) << frame << ": " << (read ? "" : read.error().message);
    return read.value_or(Message{});
}

WantedRevision full_wanted() {
    WantedRevision wanted;
    wanted.revision = "default/shop-00001";
    wanted.instances = 3;
    wanted.instances_max = 9;
    wanted.spec.command = {"/usr/bin/python3", "-c", "print(\"ü\\n\")"};
    wanted.spec.environment = {{"A", "1"}, {"B", ""}};
    wanted.spec.mounts = {{"/data/x", "/app", FileMount::Access::read_only}};
    wanted.spec.files = {{"/etc/x", "secret", 0400}};
    wanted.spec.listen = InstanceSpec::Listen::unix_socket;
    wanted.spec.memory_bytes_max = 1ULL << 40;
    wanted.spec.run_as_user = 65532;
    wanted.spec.run_as_group = 50;
    wanted.spec.liveness = ProbeSpec{.kind = ProbeSpec::Kind::http, .path = "/live"};
    return wanted;
}

TEST(Codec, AFullMessageComesBackTheSame) {
    const auto sent = full_wanted();
    const auto got = std::get<WantedRevision>(round_trip(sent));
    EXPECT_EQ(encode(got), encode(sent));
    EXPECT_EQ(got.spec.environment, sent.spec.environment);
    EXPECT_EQ(got.spec.memory_bytes_max, sent.spec.memory_bytes_max);
    EXPECT_EQ(got.spec.run_as_user, 65532U);
    EXPECT_EQ(got.spec.run_as_group, 50U);
    EXPECT_EQ(got.spec.liveness->path, "/live");
}

template <std::size_t... I>
void every_default_round_trips(std::index_sequence<I...>) {
    (
        [] {
            const Message message(std::in_place_index<I>);
            EXPECT_EQ(round_trip(message).index(), I) << message_names[I];
        }(),
        ...);
}

TEST(Codec, EveryKindOfMessageRoundTripsUnderItsOwnName) {
    every_default_round_trips(std::make_index_sequence<std::variant_size_v<Message>>());
}

TEST(Codec, ANewerPeersFieldsArePassedOver) {
    const auto read = decode(R"({"type":"Wake","revision":"a/b","waiting":3,"hurry":{"x":[1]}})");
    ASSERT_TRUE(read);
    EXPECT_EQ(std::get<Wake>(*read).waiting, 3U);
}

TEST(Codec, AnOlderPeersSilenceIsTheDefault) {
    const auto read = decode(R"({"type":"RevisionPolicy","revision":"a/b"})");
    ASSERT_TRUE(read);
    EXPECT_EQ(std::get<RevisionPolicy>(*read).queue_max, 10'000U);
}

TEST(Codec, NonsenseIsRefusedWithTheFieldsPath) {
    struct Case {
        const char* payload;
        base::Code code;
        const char* part;
    };
    for (const auto& c : {
             Case{"", base::Code::invalid, ""},
             Case{"[]", base::Code::invalid, "without a type"},
             Case{R"({"type":7})", base::Code::invalid, "without a type"},
             Case{R"({"type":"Future"})", base::Code::not_found, "Future"},
             Case{R"({"type":"Wake","waiting":-1})", base::Code::invalid, "waiting: expected an"},
             Case{R"({"type":"Wake","waiting":4294967296})", base::Code::invalid, "waiting"},
             Case{R"({"type":"Begin","mode":"whenever"})", base::Code::invalid, "whenever"},
             Case{R"({"type":"HostRoute","targets":[{"percent":"x"}]})", base::Code::invalid,
                  "targets: percent: "},
         }) {
        const auto read = decode(c.payload);
        ASSERT_FALSE(read) << c.payload;
        EXPECT_EQ(read.error().code, c.code) << c.payload;
        EXPECT_NE(read.error().message.find(c.part), std::string::npos) << read.error().message;
    }
}

TEST(TableReceiver, AppliesAVersionWholeOrNotAtAll) {
    TableReceiver receiver(10);
    EXPECT_EQ(receiver.take(HostRoute{}).error().code, base::Code::invalid);
    ASSERT_TRUE(receiver.take(Begin{7, Begin::Mode::replace}));
    EXPECT_EQ(*receiver.take(HostRoute{.host = "a"}), std::nullopt);
    EXPECT_EQ(*receiver.take(DeleteHost{"b"}), std::nullopt);
    EXPECT_EQ(receiver.take(Commit{8}).error().code, base::Code::invalid);
    const auto change = receiver.take(Commit{7});
    ASSERT_TRUE(change && *change);
    EXPECT_EQ((*change)->puts.size(), 1U);
    EXPECT_EQ((*change)->deletes.size(), 1U);
}

TEST(TableReceiver, RefusesMoreThanItsLimit) {
    TableReceiver receiver(1);
    ASSERT_TRUE(receiver.take(Begin{}));
    ASSERT_TRUE(receiver.take(HostRoute{.host = "a"}));
    EXPECT_EQ(receiver.take(HostRoute{.host = "b"}).error().code, base::Code::exhausted);
}

}  // namespace
}  // namespace tidemill::link
