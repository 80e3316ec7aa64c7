#include "model/serving/conditions.h"

#include <gtest/gtest.h>

namespace tidemill::model {
namespace {

constexpr std::array<std::string_view, 2> dependents = {"A", "B"};

base::WallTime at(std::int64_t seconds) {
    return {seconds * 1'000'000'000};
}

// A short account: "A=True B=Unknown/reason Ready=…", severity Info as "(i)".
std::string account(const Conditions& conditions) {
    std::string out;
    for (const auto& condition : conditions) {
        out += out.empty() ? "" : " ";
        out += condition.type + "=" + std::string(status_text(condition.status));
        out += condition.reason.empty() ? "" : "/" + condition.reason;
        out += condition.severity == ConditionSeverity::info ? "(i)" : "";
    }
    return out;
}

TEST(Conditions, AddUpToReady) {
    struct Step {
        std::string_view type;
        ConditionStatus status;
        std::string reason;
    };
    using enum ConditionStatus;
    struct Case {
        const char* name;
        std::vector<Step> steps;  // one second apart
        const char* want;
    };
    const Case cases[] = {
        {"all is unknown at first", {}, "A=Unknown B=Unknown Ready=Unknown"},
        {"one True is not enough", {{"A", yes, ""}}, "A=True B=Unknown Ready=Unknown"},
        {"all True make Ready", {{"A", yes, ""}, {"B", yes, ""}}, "A=True B=True Ready=True"},
        {"a False makes Ready False",
         {{"A", yes, ""}, {"B", no, "broke"}},
         "A=True B=False/broke Ready=False/broke"},
        {"a False outweighs an Unknown that came later",
         {{"B", no, "broke"}, {"A", unknown, "busy"}},
         "A=Unknown/busy B=False/broke Ready=False/broke"},
        {"the latest False speaks",
         {{"A", no, "first"}, {"B", no, "second"}},
         "A=False/first B=False/second Ready=False/second"},
        {"an earlier False speaks again when the later one heals",
         {{"A", no, "first"}, {"B", no, "second"}, {"B", yes, ""}},
         "A=False/first B=True Ready=False/first"},
        {"the latest Unknown speaks when nothing is False",
         {{"A", unknown, "first"}, {"B", unknown, "second"}},
         "A=Unknown/first B=Unknown/second Ready=Unknown/second"},
        {"information does not count",
         {{"A", yes, ""}, {"B", yes, ""}, {"Active", no, "idle"}},
         "A=True Active=False/idle(i) B=True Ready=True"},
        {"unknown information does not count either",
         {{"A", yes, ""}, {"B", yes, ""}, {"Active", unknown, "queued"}},
         "A=True Active=Unknown/queued(i) B=True Ready=True"},
        {"a True may have a reason", {{"A", yes, "why"}}, "A=True/why B=Unknown Ready=Unknown"},
    };
    for (const auto& c : cases) {
        Conditions conditions;
        ConditionManager(conditions, dependents, at(0)).initialize();
        std::int64_t second = 0;
        for (const auto& step : c.steps) {
            ConditionManager manager(conditions, dependents, at(++second));
            const Reason reason{step.reason, ""};
            switch (step.status) {
                case yes:
                    manager.mark_true(step.type, reason);
                    break;
                case no:
                    manager.mark_false(step.type, reason);
                    break;
                case unknown:
                    manager.mark_unknown(step.type, reason);
                    break;
            }
        }
        EXPECT_EQ(account(conditions), c.want) << c.name;
    }
}

TEST(Conditions, TimesMoveOnlyWithAChange) {
    Conditions conditions;
    ConditionManager(conditions, dependents, at(1)).initialize();
    ConditionManager(conditions, dependents, at(2)).mark_false("A", {"broke", "x"});
    ConditionManager(conditions, dependents, at(3)).mark_false("A", {"broke", "x"});
    EXPECT_EQ(find_condition(conditions, "A")->last_transition_time, at(2));
    EXPECT_EQ(find_condition(conditions, "B")->last_transition_time, at(1));
    EXPECT_EQ(find_condition(conditions, "Ready")->last_transition_time, at(2));
    ConditionManager(conditions, dependents, at(4)).mark_false("A", {"broke", "y"});
    EXPECT_EQ(find_condition(conditions, "A")->last_transition_time, at(4))
        << "a new message is a change";
}

TEST(Conditions, ReadyWithoutDependentsStandsForItself) {
    Conditions conditions;
    ConditionManager manager(conditions, {}, at(1));
    manager.initialize();
    EXPECT_EQ(account(conditions), "Ready=Unknown");
    manager.mark_true("Ready");
    EXPECT_EQ(account(conditions), "Ready=True");
    manager.mark_false("Ready", {"RevisionFailed", ""});
    EXPECT_EQ(account(conditions), "Ready=False/RevisionFailed");
}

TEST(Conditions, MissingPartsOfAReadyWholeAreTrue) {
    Conditions conditions = {{.type = "Ready", .status = ConditionStatus::yes}};
    ConditionManager(conditions, dependents, at(1)).initialize();
    EXPECT_EQ(account(conditions), "A=True B=True Ready=True");
}

TEST(Conditions, OnlyInformationCanBeCleared) {
    Conditions conditions;
    ConditionManager manager(conditions, dependents, at(1));
    manager.initialize();
    manager.mark_false("Active", {"idle", ""});
    manager.clear("Active");
    manager.clear("A");
    EXPECT_EQ(account(conditions), "A=Unknown B=Unknown Ready=Unknown");
}

TEST(Conditions, SurviveTheirDocument) {
    Conditions conditions;
    ConditionManager manager(conditions, dependents, at(1));
    manager.initialize();
    manager.mark_false("Active", {"NoTraffic", "quiet"});
    EXPECT_EQ(read_conditions(to_json(conditions)), conditions);
    EXPECT_EQ(boost::json::serialize(to_json(conditions)[1]),
              R"({"type":"Active","status":"False","severity":"Info",)"
              R"("lastTransitionTime":"1970-01-01T00:00:01Z","reason":"NoTraffic",)"
              R"("message":"quiet"})");
}

}  // namespace
}  // namespace tidemill::model
