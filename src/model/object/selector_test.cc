#include "model/object/selector.h"

#include <gtest/gtest.h>

namespace tidemill::model {
namespace {

TEST(LabelSelector, Matches) {
    const TextMap labels{{"app", "shop"}, {"tier", ""}, {"size", "5"}, {"in", "in"}};
    struct Case {
        const char* text;
        bool want;
    };
    const Case cases[] = {
        {"", true},
        {"app=shop", true},
        {"app==shop", true},
        {" app = shop ", true},
        {"app=other", false},
        {"app!=other", true},
        {"app!=shop", false},
        {"missing!=x", true},
        {"missing=x", false},
        {"app", true},
        {"!app", false},
        {"missing", false},
        {"! missing", true},
        {"app in (shop, other)", true},
        {"app in (other)", false},
        {"app notin (other)", true},
        {"missing notin (other)", true},
        {"missing in (other)", false},
        {"tier=", true},
        {"tier in ()", true},
        {"app in (,shop)", true},
        {"size>4", true},
        {"size>5", false},
        {"size<6", true},
        {"app<6", false},
        {"in in (in)", true},
        {"app=shop,size=5", true},
        {"app=shop,size=6", false},
        {"app=shop, !missing , tier notin (a,b)", true},
    };
    for (const auto& c : cases) {
        const auto selector = LabelSelector::parse(c.text);
        ASSERT_TRUE(selector) << c.text << ": " << selector.error().message;
        EXPECT_EQ(selector->matches(labels), c.want) << c.text;
    }
}

TEST(LabelSelector, RefusesWhatItCannotRead) {
    struct Case {
        const char* text;
        const char* want;
    };
    const Case cases[] = {
        {"app=shop,", "found '', expected: identifier after ','"},
        {"app shop",
         "unable to parse requirement: found 'shop', expected: in, notin, =, ==, !=, gt, lt"},
        {"=shop", "found '=', expected: !, identifier, or 'end of string'"},
        {"app in shop", "unable to parse requirement: found 'shop' expected: '('"},
        {"app in (shop", "unable to parse requirement: found '', expected: ',' or ')'"},
        {"app in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"},
        {"app=shop)", "found ')', expected: ',' or 'end of string'"},
        {"app==(x)", "unable to parse requirement: found '(', expected: identifier"},
        {"!", "unable to parse requirement: found '', expected: identifier"},
        {"size>x",
         "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, "
         "the value must be an integer"},
    };
    for (const auto& c : cases) {
        const auto selector = LabelSelector::parse(c.text);
        ASSERT_FALSE(selector) << c.text;
        EXPECT_EQ(selector.error().message, c.want) << c.text;
    }
    EXPECT_FALSE(LabelSelector::parse("a/b/c=1"));
    EXPECT_FALSE(LabelSelector::parse("a=" + std::string(64, 'x')));
}

TEST(LabelSelector, OfLabelsSelectsThoseThatCarryAll) {
    const auto selector = LabelSelector::of({{"a", "1"}, {"b", "2"}});
    EXPECT_TRUE(selector.matches({{"a", "1"}, {"b", "2"}, {"c", "3"}}));
    EXPECT_FALSE(selector.matches({{"a", "1"}}));
}

TEST(FieldSelector, MatchesMetadataAndTheFieldsOfTheKind) {
    const auto event = *object_from_json(boost::json::parse(
        R"({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e,1", "namespace": "n"},
            "involvedObject": {"kind": "Service", "uid": "u"}, "source": {"component": "agent"}})"));
    struct Case {
        const char* text;
        bool want;
    };
    const Case cases[] = {
        {"", true},
        {"metadata.name=e\\,1", true},
        {"metadata.name==e\\,1,metadata.namespace=n", true},
        {"metadata.namespace!=n", false},
        {"involvedObject.uid=u,involvedObject.kind=Service", true},
        {"involvedObject.uid=v", false},
        {"involvedObject.fieldPath=", true},
        {"source=agent", true},
    };
    for (const auto& c : cases) {
        const auto selector = FieldSelector::parse(kind_of(KindId::event), c.text);
        ASSERT_TRUE(selector) << c.text;
        EXPECT_EQ(selector->matches(event), c.want) << c.text;
    }
    const auto named = FieldSelector::parse(kind_of(KindId::service), "metadata.name=shop");
    EXPECT_EQ(named->wanted_name(), "shop");
    EXPECT_EQ(FieldSelector().wanted_name(), std::nullopt);
}

TEST(FieldSelector, RefusesWhatItCannotRead) {
    struct Case {
        const char* text;
        const char* want;
    };
    const Case cases[] = {
        {"spec.image=x", "field label not supported: spec.image"},
        {"metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"},
        {"metadata.name!x",
         "invalid selector: 'metadata.name!x'; can't understand 'metadata.name!x'"},
        {"metadata.name=a=b", "invalid field selector: unescaped character in value: ="},
        {"metadata.name=a\\x", "invalid field selector: invalid escape sequence: \\x"},
        {"metadata.name=a\\", "invalid field selector: invalid escape sequence: \\"},
    };
    for (const auto& c : cases) {
        const auto selector = FieldSelector::parse(kind_of(KindId::service), c.text);
        ASSERT_FALSE(selector) << c.text;
        EXPECT_EQ(selector.error().message, c.want) << c.text;
    }
}

}  // namespace
}  // namespace tidemill::model
