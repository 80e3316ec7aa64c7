#include "store/store_rig_test.h"

namespace tidemill::store {
namespace {

using base::Code;
using model::KindId;
using Type = WatchEvent::Type;

TEST(List, NarrowsByNamespaceLabelAndField) {
    Rig rig;
    auto a = config("a");
    a.metadata.labels = {{"app", "x"}};
    auto b = config("b");
    b.metadata.labels = {{"app", "y"}};
    ASSERT_TRUE(rig.create(b));
    ASSERT_TRUE(rig.create(a));
    ASSERT_TRUE(rig.create(make(KindId::config_map, "c", "other")));
    ASSERT_TRUE(rig.create(service("s")));
    EXPECT_EQ(rig.names(all(KindId::config_map)), "a b c");
    auto query = all(KindId::config_map);
    query.namespace_name = "default";
    EXPECT_EQ(rig.names(query), "a b");
    query.labels = *model::LabelSelector::parse("app=y");
    EXPECT_EQ(rig.names(query), "b");
    query.labels = *model::LabelSelector::parse("app in (x,y)");
    EXPECT_EQ(rig.names(query), "a b");
    query.labels = *model::LabelSelector::parse("app=none");
    EXPECT_EQ(rig.names(query), "");
    query = all(KindId::config_map);
    query.fields =
        *model::FieldSelector::parse(model::kind_of(KindId::config_map), "metadata.name=c");
    EXPECT_EQ(rig.names(query), "c");
    query = all(KindId::config_map);
    query.namespace_name = "other";
    query.name = "c";
    EXPECT_EQ(rig.names(query), "c");
    a.metadata.labels = {{"app", "z"}};
    ASSERT_TRUE(rig.update(a));
    query = all(KindId::config_map);
    query.labels = *model::LabelSelector::parse("app=x");
    EXPECT_EQ(rig.names(query), "") << "the label index forgot to forget";
}

TEST(List, PagesAreAllOfTheStateOfTheFirst) {
    Rig rig;
    for (const char* name : {"a", "b", "c", "d", "e"}) {
        ASSERT_TRUE(rig.create(config(name)));
    }
    ListOptions options;
    options.limit = 2;
    auto page = *rig.store->list(all(KindId::config_map), options);
    EXPECT_EQ(page.revision, 5U);
    ASSERT_TRUE(rig.remove(config("c").key()));
    ASSERT_TRUE(rig.create(config("ca")));
    ASSERT_TRUE(rig.update(config("d", 7)));
    ASSERT_TRUE(rig.remove(config("e").key()));
    ASSERT_TRUE(rig.create(config("e", 9)));
    std::string rest;
    while (!page.continue_token.empty()) {
        options.continue_token = page.continue_token;
        page = *rig.store->list(all(KindId::config_map), options);
        EXPECT_EQ(page.revision, 5U);
        for (const auto& object : page.items) {
            rest += object->metadata.name + std::to_string(object->metadata.resource_version) + " ";
        }
    }
    EXPECT_EQ(rest, "c3 d4 e5 ");
}

TEST(List, ATokenThatIsNoneOrTooOldIsRefused) {
    LocalStoreOptions limits;
    limits.history_changes_max = 2;
    Rig rig(limits);
    for (const char* name : {"a", "b", "c"}) {
        ASSERT_TRUE(rig.create(config(name)));
    }
    ListOptions options;
    options.limit = 1;
    const auto page = *rig.store->list(all(KindId::config_map), options);
    options.continue_token = page.continue_token;
    EXPECT_EQ(rig.names(all(KindId::secret), options), "invalid") << "of another list";
    options.continue_token = "rubbish";
    EXPECT_EQ(rig.names(all(KindId::config_map), options), "invalid");
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(rig.update(config("a", i + 1)));
    }
    options.continue_token = page.continue_token;
    EXPECT_EQ(rig.names(all(KindId::config_map), options), "expired");
}

TEST(Watch, TellsEveryChangeInOrder) {
    Rig rig;
    const auto watch = rig.watch(all(KindId::config_map));
    ASSERT_TRUE(rig.create(config("a", 1)));
    ASSERT_TRUE(rig.create(service("unseen")));
    ASSERT_TRUE(rig.update(config("a", 2)));
    ASSERT_TRUE(rig.remove(config("a").key()));
    EXPECT_EQ(told(*watch), "+a ~a -a");
    const auto since = rig.watch(all(KindId::config_map), {.from = 1});
    EXPECT_EQ(told(*since), "~a -a");
    EXPECT_EQ(rig.store->watch(all(KindId::service), {.from = 5}).error().code, Code::expired)
        << "from the future";
}

TEST(Watch, ASelectorSeesObjectsComeAndGoByTheirLabels) {
    Rig rig;
    auto query = all(KindId::config_map);
    query.labels = *model::LabelSelector::parse("app=x");
    const auto watch = rig.watch(query);
    auto object = config("a");
    ASSERT_TRUE(rig.create(object));
    object.metadata.labels = {{"app", "x"}};
    ASSERT_TRUE(rig.update(object));
    object.metadata.labels = {{"app", "y"}};
    ASSERT_TRUE(rig.update(object));
    ASSERT_TRUE(rig.remove(object.key()));
    auto event = rig.wait(watch->next());
    EXPECT_EQ(event->type, Type::added);
    event = rig.wait(watch->next());
    EXPECT_EQ(event->type, Type::deleted);
    EXPECT_EQ(event->object->metadata.labels.at("app"), "x") << "the last state that it saw";
    EXPECT_EQ(event->object->metadata.resource_version, 3U);
    EXPECT_EQ(told(*watch), "");
}

TEST(Watch, InitialObjectsComeFirstAndThenASyncedMark) {
    Rig rig;
    ASSERT_TRUE(rig.create(config("a")));
    ASSERT_TRUE(rig.create(config("b")));
    const auto watch =
        rig.watch(all(KindId::config_map), {.initial = WatchOptions::Initial::objects});
    ASSERT_TRUE(rig.create(config("c")));
    EXPECT_EQ(told(*watch), "+a +b = +c");
}

TEST(Watch, ASlowOneIsCutAndAQuietOneIsNot) {
    LocalStoreOptions limits;
    limits.history_changes_max = 3;
    Rig rig(limits);
    const auto slow = rig.watch(all(KindId::config_map));
    const auto quiet = rig.watch(all(KindId::secret));
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(rig.create(config("a" + std::to_string(i))));
    }
    ASSERT_TRUE(rig.create(make(KindId::secret, "s")));
    EXPECT_EQ(told(*slow), "!expired");
    EXPECT_EQ(told(*quiet), "+s");
    EXPECT_EQ(rig.store->watch(all(KindId::secret), {.from = 2}).error().code, Code::expired);
}

TEST(Watch, HistoryAgesAndIsBoundedInBytes) {
    LocalStoreOptions limits;
    limits.history_age_max = 10s;
    Rig rig(limits);
    ASSERT_TRUE(rig.create(config("a")));
    rig.sim.loop.run_for(11s);
    ASSERT_TRUE(rig.create(config("b")));
    EXPECT_EQ(rig.store->watch(all(KindId::secret), {.from = 1}).has_value(), true);
    ASSERT_TRUE(rig.create(config("c")));
    rig.sim.loop.run_for(11s);
    ASSERT_TRUE(rig.create(config("d")));
    EXPECT_EQ(rig.store->watch(all(KindId::secret), {.from = 1}).error().code, Code::expired);

    LocalStoreOptions small;
    small.history_bytes_max = 1500;
    Rig other(small);
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(other.create(config("a" + std::to_string(i))));
    }
    EXPECT_EQ(other.store->watch(all(KindId::secret), {.from = 1}).error().code, Code::expired);
}

TEST(Watch, BookmarksComeWhenNothingElseDoes) {
    Rig rig;
    const auto watch = rig.watch(all(KindId::secret), {.bookmark_every = 10s});
    ASSERT_TRUE(rig.create(config("a")));
    const auto began = rig.sim.loop.now();
    const auto event = rig.wait(watch->next());
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, Type::bookmark);
    EXPECT_EQ(event->revision, 1U) << "it says how far nothing happened";
    EXPECT_GE(rig.sim.loop.now() - began, 9s);
    EXPECT_EQ(told(*watch), "");
}

TEST(Watch, EndsWithTheStoreAndMayOutliveIt) {
    Rig rig;
    const auto watch = rig.watch(all(KindId::secret));
    rig.wait(rig.store->close());
    EXPECT_EQ(told(*watch), "!cancelled");
    EXPECT_EQ(rig.create(config("late")).error().code, Code::cancelled);
    rig.kill();
    EXPECT_EQ(told(*watch), "!cancelled");
}

TEST(Watch, TheirNumberHasALimit) {
    LocalStoreOptions limits;
    limits.watches_max = 1;
    Rig rig(limits);
    auto watch = rig.watch(all(KindId::secret));
    EXPECT_EQ(rig.store->watch(all(KindId::secret), {}).error().code, Code::exhausted);
    watch.reset();
    EXPECT_TRUE(rig.store->watch(all(KindId::secret), {}));
}

}  // namespace
}  // namespace tidemill::store
