#include <gtest/gtest.h>

#include "api/platform/access_question.h"
#include "api/platform/logs.h"
#include "api/request/parameters.h"
#include "api/request/representation.h"
#include "api/request/request_path.h"

namespace tidemill::api {
namespace {

TEST(RequestPath, Table) {
    struct Case {
        const char* path;
        ResourcePath want;
    };
    for (const auto& c : {
             Case{"/api/v1/pods", {"", "v1", "", "pods", "", ""}},
             Case{"/api/v1/namespaces", {"", "v1", "", "namespaces", "", ""}},
             Case{"/api/v1/namespaces/a", {"", "v1", "", "namespaces", "a", ""}},
             Case{"/api/v1/namespaces/a/status", {"", "v1", "", "namespaces", "a", "status"}},
             Case{"/api/v1/namespaces/a/pods", {"", "v1", "a", "pods", "", ""}},
             Case{"/api/v1/namespaces/a/status/x", {"", "v1", "a", "status", "x", ""}},
             Case{"/apis/g.dev/v2/things/x", {"g.dev", "v2", "", "things", "x", ""}},
             Case{"/apis/g.dev/v2/namespaces/a/things/x/log",
                  {"g.dev", "v2", "a", "things", "x", "log"}},
         }) {
        const auto path = parse_path(c.path);
        ASSERT_TRUE(path) << c.path;
        ASSERT_TRUE(path->resource) << c.path;
        EXPECT_EQ(*path->resource, c.want) << c.path;
    }
    for (const char* page : {"/", "/api", "/api/v1", "/apis", "/apis/g", "/apis/g/v1", "/healthz",
                             "/openapi/v3/apis/g/v1"}) {
        const auto path = parse_path(page);
        ASSERT_TRUE(path) << page;
        EXPECT_FALSE(path->resource) << page;
    }
    for (const char* bad : {"", "*", "/api/v1/../x", "/api/v1/./x", "/api/v1/a%2fb", "/api/v1/%zz",
                            "/api/v1/%61", "/api/v1/a%00", "/api/v1/a%0a/b", "/api/v1//pods",
                            "/api/v1/pods/", "/api/v1/namespaces/a/pods/b/log/more"}) {
        EXPECT_FALSE(parse_path(bad)) << bad;
    }
}

TEST(Representation, TakesTheFirstFormThatCanBeGiven) {
    using Shape = Representation::Shape;
    struct Case {
        const char* accept;
        int status;  // 0: accepted
        Shape shape = Shape::object;
        Representation::Format format = Representation::Format::json;
    };
    for (const auto& c : {
             Case{"", 0},
             Case{"*/*", 0},
             Case{"application/json", 0},
             Case{"application/vnd.kubernetes.protobuf,application/json", 0},
             Case{"application/vnd.kubernetes.protobuf", 406},
             Case{"text/html", 406},
             Case{"application/yaml", 0, Shape::object, Representation::Format::yaml},
             Case{"application/json;as=Table;v=v1;g=meta.k8s.io", 0, Shape::table},
             Case{"application/json;as=Table;v=v9;g=meta.k8s.io", 406},
             Case{"application/json;as=Widget;v=v1;g=meta.k8s.io, application/json", 0},
             Case{"application/json; as=PartialObjectMetadataList; v=v1; g=meta.k8s.io", 0,
                  Shape::partial},
         }) {
        const auto got = Representation::parse(c.accept, "");
        EXPECT_EQ(got ? 0 : got.error().status, c.status) << c.accept;
        if (got) {
            EXPECT_EQ(got->shape, c.shape) << c.accept;
            EXPECT_EQ(got->format, c.format) << c.accept;
        }
    }
    EXPECT_FALSE(Representation::parse("", "Everything"));
}

TEST(Parameters, ListRulesAreThoseOfKubernetes) {
    const auto& kind = model::kind_of(model::KindId::config_map);
    struct Case {
        const char* query;
        int status;
    };
    for (const auto& c : {
             Case{"limit=500&watch=false", 0},
             Case{"limit=-1", 400},
             Case{"watch=maybe", 400},
             Case{"resourceVersion=x", 400},
             Case{"a=%zz", 400},
             Case{"resourceVersionMatch=Exact", 422},
             Case{"resourceVersionMatch=Exact&resourceVersion=0", 422},
             Case{"resourceVersionMatch=Near&resourceVersion=1", 422},
             Case{"resourceVersionMatch=NotOlderThan&resourceVersion=0", 0},
             Case{"continue=x&resourceVersion=7", 400},
             Case{"sendInitialEvents=true", 422},
             Case{"watch=true&sendInitialEvents=true", 422},
             Case{"watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", 0},
             Case{"watch=true&resourceVersionMatch=NotOlderThan", 422},
             Case{"watch=true&continue=x", 400},
         }) {
        int status = 0;
        const auto parameters = Parameters::parse(c.query);
        if (!parameters) {
            status = parameters.error().status;
        } else if (const auto list = ListParameters::parse(*parameters, kind); !list) {
            status = list.error().status;
        }
        EXPECT_EQ(status, c.status) << c.query;
    }
}

TEST(AccessQuestion, IsReadFromWhatClientsSend) {
    const auto field = [](char number, const std::string& bytes) {
        return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} +
               bytes;
    };
    const auto attributes =
        field(1, "shop") + field(2, "create") + field(3, "apps") + field(5, "deployments");
    const auto protobuf =
        std::string("k8s\0", 4) + field(1, "") + field(2, field(2, field(1, attributes)));
    constexpr const char* type = "application/vnd.kubernetes.protobuf";
    const auto access = parse_access_question(type, protobuf);
    ASSERT_TRUE(access) << access.error().message;
    EXPECT_EQ(access->space, "shop");
    EXPECT_EQ(access->verb, "create");
    EXPECT_EQ(access->api_group, "apps");
    EXPECT_EQ(access->resource, "deployments");
    const auto page = parse_access_question(
        "application/json", R"({"spec":{"nonResourceAttributes":{"verb":"get","path":"/x"}}})");
    ASSERT_TRUE(page);
    EXPECT_EQ(page->path, "/x");
    EXPECT_FALSE(parse_access_question(type, "k8s"));
    EXPECT_FALSE(parse_access_question(type, std::string("k8s\0\xff", 5)));
    EXPECT_FALSE(parse_access_question("application/json", R"({"spec":{}})"));
    EXPECT_FALSE(parse_access_question("application/json", "[]"));
}

TEST(Logs, LinesOfCriBecomeLinesOfPeople) {
    EXPECT_EQ(plain_lines("T stdout F a b\nT stderr P c\nU stderr F d\n", Stamps::without),
              "a b\ncd\n");
    EXPECT_EQ(plain_lines("T stdout F a\nU stdout F \n", Stamps::with), "T a\nU \n");
    EXPECT_EQ(plain_lines("nonsense\n", Stamps::without), "");
    EXPECT_EQ(plain_lines("", Stamps::with), "");
}

}  // namespace
}  // namespace tidemill::api
