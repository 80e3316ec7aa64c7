#include "cli/api/traffic.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tidemill::cli {
namespace {

using base::Code;

wire::JsonArray array(std::string_view text) {
    return wire::parse_json(text)->get_array();
}

TEST(ParseShares, ReadsASplitOrSaysWhatIsWrong) {
    const auto shares = parse_shares("@latest=10, shop-00001=90%");
    ASSERT_TRUE(shares);
    EXPECT_EQ(*shares, (std::vector<Share>{{"@latest", 10}, {"shop-00001", 90}}));
    for (const std::string_view text : {"", "shop", "=10", "a=ten", "a=-1", "a=101", "a=1,a=2"}) {
        EXPECT_FALSE(parse_shares(text)) << text;
    }
}

TEST(PlanTraffic, Table) {
    constexpr std::string_view all_to_latest = R"([{"latestRevision":true,"percent":100}])";
    constexpr std::string_view tagged =
        R"([{"latestRevision":true,"percent":100},)"
        R"({"latestRevision":false,"percent":0,"revisionName":"s-2","tag":"canary"}])";
    struct Row {
        const char* name;
        std::string_view now;
        TrafficWish wish;
        std::string_view want;
    };
    const Row rows[] = {
        {"a split replaces what was",
         all_to_latest,
         {.shares = {{"@latest", 10}, {"s-1", 90}}},
         R"([{"latestRevision":true,"percent":10},)"
         R"({"latestRevision":false,"percent":90,"revisionName":"s-1"}])"},
        {"what has no share and no tag goes",
         all_to_latest,
         {.shares = {{"s-1", 100}}},
         R"([{"latestRevision":false,"percent":100,"revisionName":"s-1"}])"},
        {"a tag stays at 0 %",
         tagged,
         {.shares = {{"s-1", 100}}},
         R"([{"latestRevision":false,"percent":0,"revisionName":"s-2","tag":"canary"},)"
         R"({"latestRevision":false,"percent":100,"revisionName":"s-1"}])"},
        {"a share goes to the entry that has the tag",
         tagged,
         {.shares = {{"s-2", 100}}},
         R"([{"latestRevision":false,"percent":100,"revisionName":"s-2","tag":"canary"}])"},
        {"a tag alone leaves percentages", all_to_latest, {.tags = {{"canary", "s-2"}}}, tagged},
        {"a tag moves",
         tagged,
         {.tags = {{"canary", "s-3"}}},
         R"([{"latestRevision":true,"percent":100},)"
         R"({"latestRevision":false,"percent":0,"revisionName":"s-3","tag":"canary"}])"},
        {"a tag for the latest",
         all_to_latest,
         {.tags = {{"next", "@latest"}}},
         R"([{"latestRevision":true,"percent":100,"tag":"next"}])"},
        {"a tag is taken away", tagged, {.untag = {"canary"}}, all_to_latest},
    };
    for (const auto& row : rows) {
        const auto planned = plan_traffic(array(row.now), row.wish);
        ASSERT_TRUE(planned) << row.name;
        EXPECT_EQ(*planned, array(row.want)) << row.name << wire::write_json(*planned);
    }
    const auto unknown = plan_traffic(array(tagged), {.untag = {"cannary"}});
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Code::not_found);
    EXPECT_NE(unknown.error().message.find("canary"), std::string::npos);
}

std::string revision(int generation, std::string_view ready) {
    return fmt::format(
        R"({{"metadata":{{"name":"s-{0}","labels":{{"serving.knative.dev/configurationGeneration":)"
        R"("{0}"}}}},"status":{{"conditions":[{{"type":"Ready","status":"{1}"}}]}}}})",
        generation, ready);
}

TEST(ChooseRollback, Table) {
    struct Row {
        const char* name;
        std::vector<std::string> revisions;
        std::string_view traffic;
        std::string_view wanted;
        std::string want;
    };
    const std::string_view to_10 = R"([{"revisionName":"s-10","percent":100}])";
    const Row rows[] = {
        {"the one before, by generation and not by name",
         {revision(10, "True"), revision(2, "True"), revision(9, "True")},
         to_10,
         "",
         "s-10 s-9"},
        {"one that is not ready is passed over",
         {revision(8, "True"), revision(9, "False"), revision(10, "True")},
         to_10,
         "",
         "s-10 s-8"},
        {"a canary goes first",
         {revision(8, "True"), revision(9, "True"), revision(10, "True")},
         R"([{"revisionName":"s-9","percent":90},{"revisionName":"s-10","percent":10}])",
         "",
         "s-10 s-9"},
        {"a named one, newer too",
         {revision(9, "True"), revision(10, "True"), revision(11, "True")},
         to_10,
         "s-11",
         "s-10 s-11"},
        {"nothing before", {revision(10, "True")}, to_10, "", "not_found"},
        {"a name that is not there", {revision(10, "True")}, to_10, "s-1", "not_found"},
        {"a named one that is not ready",
         {revision(9, "False"), revision(10, "True")},
         to_10,
         "s-9",
         "conflict"},
    };
    for (const auto& row : rows) {
        wire::JsonArray revisions;
        for (const auto& each : row.revisions) {
            revisions.push_back(*wire::parse_json(each));
        }
        const auto chosen = choose_rollback(revisions, array(row.traffic), row.wanted);
        EXPECT_EQ(chosen ? chosen->from + " " + chosen->to
                         : std::string(base::code_name(chosen.error().code)),
                  row.want)
            << row.name;
    }
}

}  // namespace
}  // namespace tidemill::cli
