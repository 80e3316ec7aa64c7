#include "store/kept.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace tidemill::store {
namespace {

ObjectPtr map_named(const std::string& name, const std::string& text) {
    model::Object object{.kind = model::KindId::config_map, .metadata = {}, .body = {}};
    object.metadata.namespace_name = "default";
    object.metadata.name = name;
    object.metadata.labels["app"] = "shop";
    object.body["data"] = model::JsonObject{{"text", text}, {"number", 9'007'199'254'740'993}};
    return share(std::move(object));
}

KeptPtr keep(Keeper& keeper, const ObjectPtr& object) {
    return keeper.keep(object, boost::json::serialize(model::to_json(*object)));
}

TEST(Kept, what_is_opened_is_what_was_kept) {
    Keeper keeper(0);  // nothing stays open
    for (const auto* text : {"", "first", "first and more", "\xe2\x82\xac \" \n"}) {
        auto object = map_named("a", text);
        const auto before = *object;
        const auto kept = keep(keeper, object);
        EXPECT_EQ(kept->open(), object) << "somebody has it";
        object.reset();
        EXPECT_EQ(*kept->open(), before) << text;
        EXPECT_EQ(*kept->glance(), before) << text;
        EXPECT_EQ(kept->key(), before.key());
    }
}

TEST(Kept, all_who_have_it_have_the_same) {
    Keeper keeper(0);
    const auto kept = keep(keeper, map_named("a", "x"));
    const auto one = kept->open();
    EXPECT_EQ(kept->open(), one);
    EXPECT_EQ(kept->glance(), one);
}

TEST(Kept, the_latest_stay_open_within_the_limit) {
    const auto size = boost::json::serialize(model::to_json(*map_named("a", "x"))).size();
    Keeper keeper(2 * size);
    std::vector<KeptPtr> all;
    std::vector<std::weak_ptr<const model::Object>> seen;
    for (const auto* name : {"a", "b", "c"}) {
        all.push_back(keep(keeper, map_named(name, "x")));
        seen.emplace_back(all.back()->glance());
    }
    EXPECT_TRUE(seen[0].expired());
    EXPECT_FALSE(seen[1].expired());
    EXPECT_FALSE(seen[2].expired());
    // Who only glances pushes nobody out.
    EXPECT_EQ(all[0]->glance()->metadata.name, "a");
    EXPECT_FALSE(seen[1].expired());
    EXPECT_EQ(all[0]->open()->metadata.name, "a");
    EXPECT_TRUE(seen[1].expired());
}

TEST(Kept, outlives_its_keeper_and_a_large_first_object) {
    KeptPtr first;
    KeptPtr second;
    {
        Keeper keeper(0);
        first = keep(keeper, map_named("large", std::string(1U << 20, 'x') + "end"));
        second = keep(keeper, map_named("small", "y"));
    }
    EXPECT_EQ(first->open()->body.at("data").at("text").as_string().size(), (1U << 20) + 3);
    EXPECT_EQ(second->open()->body.at("data").at("text").as_string(), "y");
}

TEST(Kept, secrets_are_as_they_were) {
    Keeper keeper(0);
    model::Object secret{.kind = model::KindId::secret, .metadata = {}, .body = {}};
    secret.metadata.name = "s";
    secret.body["data"] = model::JsonObject{{"a", "b"}};
    const auto kept = keeper.keep(share(secret), "sealed, which nobody here can read");
    EXPECT_EQ(*kept->open(), secret);
}

}  // namespace
}  // namespace tidemill::store
