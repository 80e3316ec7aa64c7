#include "control/revision/plan.h"

#include <gtest/gtest.h>

#include "control/plan_fixture.h"
#include "control/revision/image_question.h"
#include "control/revision/instance_spec.h"
#include "control/views/views.h"

namespace tidemill::control {
namespace {

using namespace std::chrono_literals;
using model::KindId;

struct RevisionPlan : testing::Test {
    PlanFixture world;

    RevisionPlan() {
        world.put(PlanFixture::parse(R"json({"apiVersion": "serving.knative.dev/v1",
          "kind": "Revision",
          "metadata": {"name": "shop-00001", "labels": {
            "serving.knative.dev/service": "shop", "serving.knative.dev/configuration": "shop"}},
          "spec": {"timeoutSeconds": 30, "containers": [{"name": "user-container", "image": "img",
            "args": ["--name=$(NAME)", "$$x", "$(NONE)"],
            "env": [{"name": "NAME", "value": "n"},
                    {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            "resources": {"limits": {"memory": "64Mi", "cpu": "500m"}},
            "volumeMounts": [{"name": "v", "mountPath": "/etc/x"}]}],
            "volumes": [{"name": "v", "configMap": {"name": "c"}}]}})json"));
    }
    ObjectPtr revision() const { return world.get(KindId::revision, "shop-00001"); }
    void plan(const RevisionFacts& facts) {
        world.apply(plan_revision(*revision(), facts, world.now));
        EXPECT_TRUE(plan_revision(*revision(), facts, world.now).changes.empty()) << "idempotent";
    }
    std::string condition(std::string_view type) const {
        return world.condition(KindId::revision, "shop-00001", type);
    }
    std::string all() const {
        return condition("ResourcesAvailable") + "; " + condition("ContainerHealthy") + "; " +
               condition("Active") + "; " + condition("Ready");
    }
};

link::InstanceReport failing(const char* reason, std::optional<int> code) {
    link::InstanceReport report;
    report.reason = reason;
    report.message = "evidence";
    report.exit_code = code;
    return report;
}

struct Case {
    const char* name;
    RevisionFacts facts;
    const char* want;  // ResourcesAvailable; ContainerHealthy; Active; Ready
};

TEST_F(RevisionPlan, ConditionsTable) {
    using Image = RevisionFacts::Image;
    const auto facts = [](Activity activity, bool initialized, std::int32_t ready,
                          bool timed_out = false) {
        RevisionFacts result;
        result.image = Image::found;
        result.activity = ActivityStep{{activity, {}, timed_out}, initialized};
        result.wanted = activity == Activity::inactive ? 0 : 1;
        result.ready = ready;
        return result;
    };
    const auto with_failure = [](RevisionFacts result, link::InstanceReport report) {
        result.failure = std::move(report);
        return result;
    };
    RevisionFacts pending;
    RevisionFacts missing;
    missing.image = Image::missing;
    missing.image_problem = "no such image";
    const auto starting = facts(Activity::activating, false, 0);
    const Case cases[] = {
        {"the image is looked up", pending,
         "Unknown ResolvingDigests; Unknown ResolvingDigests; Unknown Deploying; Unknown "
         "ResolvingDigests"},
        {"the image is not there", missing,
         "Unknown ResolvingDigests; False ContainerMissing; Unknown Deploying; False "
         "ContainerMissing"},
        {"it crashes", with_failure(starting, failing("ExitCode5", 5)),
         "Unknown Deploying; False ExitCode5; Unknown Queued; False ExitCode5"},
        {"it runs", facts(Activity::active, true, 1), "True; True; True; True"},
        {"at zero it stays ready", facts(Activity::inactive, true, 0),
         "True; True; False NoTraffic; True"},
        {"woken it stays ready", facts(Activity::activating, true, 0),
         "True; True; Unknown Queued; True"},
        {"it cannot be started",
         with_failure(facts(Activity::activating, true, 0), failing("LaunchFailed", std::nullopt)),
         "False LaunchFailed; True; Unknown Queued; False LaunchFailed"},
        {"and recovers", facts(Activity::active, true, 1), "True; True; True; True"},
    };
    for (const auto& c : cases) {
        plan(c.facts);
        EXPECT_EQ(all(), c.want) << c.name;
        world.now = world.now + 1s;
    }
}

TEST_F(RevisionPlan, OneThatNeverCameUpSaysSo) {
    auto facts = PlanFixture::running(0);
    plan(facts);
    EXPECT_EQ(all(), "Unknown Deploying; Unknown Deploying; Unknown Queued; Unknown Deploying");
    facts.activity = ActivityStep{{Activity::inactive, {}, true}, false};
    facts.wanted = 0;
    plan(facts);
    EXPECT_EQ(condition("ResourcesAvailable"), "False ProgressDeadlineExceeded");
    EXPECT_EQ(condition("Active"), "False TimedOut");
}

TEST_F(RevisionPlan, RemembersItsScaleForTheNextAutoscaler) {
    EXPECT_FALSE(remembered_scale(*revision()));
    plan(RevisionFacts{});
    EXPECT_FALSE(remembered_scale(*revision())) << "no autoscaler has spoken";
    auto facts = PlanFixture::running(3);
    facts.wanted = 3;
    plan(facts);
    const auto past = remembered_scale(*revision());
    ASSERT_TRUE(past);
    EXPECT_EQ(past->activity, Activity::active);
    EXPECT_TRUE(past->initialized);
    EXPECT_EQ(past->wanted, 3);
    EXPECT_EQ(past->since.ns / 1'000'000'000, world.now.ns / 1'000'000'000);
}

TEST_F(RevisionPlan, AControlThatHasJustBegunLeavesTheStatusAlone) {
    plan(PlanFixture::running(1));
    RevisionFacts begun;
    EXPECT_TRUE(plan_revision(*revision(), begun, world.now + 1s).changes.empty());
    begun.image = RevisionFacts::Image::found;
    EXPECT_TRUE(plan_revision(*revision(), begun, world.now + 1s).changes.empty());
    begun.image = RevisionFacts::Image::missing;
    plan(begun);
    EXPECT_EQ(condition("ContainerHealthy"), "False ContainerMissing");
    EXPECT_TRUE(remembered_scale(*revision())) << "that it ran is not forgotten";
}

TEST_F(RevisionPlan, BrokenOnesAreNotWorthTheirMinScale) {
    auto object = *revision();
    object.metadata.labels[std::string(serving::routing_state)] = "active";
    world.put(object);
    EXPECT_EQ(reachability_of(standing_of(*revision()), 1, 0), Reachability::reachable);
    auto facts = PlanFixture::running(0);
    facts.failure = failing("ExitCode1", 1);
    plan(facts);
    EXPECT_EQ(reachability_of(standing_of(*revision()), 1, 0), Reachability::unreachable);
    EXPECT_EQ(reachability_of(standing_of(*revision()), 1, 1), Reachability::reachable);
}

ImageFacts image() {
    ImageFacts facts;
    facts.entrypoint = {"/bin/app"};
    facts.arguments = {"default"};
    facts.base.environment = {{"LANG", "C"}};
    return facts;
}

TEST_F(RevisionPlan, AnInstanceIsWhatTheSpecSaysOverTheImage) {
    world.put(PlanFixture::parse(R"({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "s"}, "data": {"k": "c2VjcmV0"}})"));
    world.put(PlanFixture::parse(R"({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "c"}, "data": {"f": "text"}})"));
    const auto spec = make_instance_spec(
        *revision(), image(), 600s,
        [&](KindId kind, const std::string& name) { return world.get(kind, name); });
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->command, (std::vector<std::string>{"/bin/app", "--name=n", "$x", "$(NONE)"}));
    EXPECT_EQ(spec->environment,
              (std::vector<std::pair<std::string, std::string>>{{"LANG", "C"},
                                                                {"NAME", "n"},
                                                                {"KEY", "secret"},
                                                                {"K_REVISION", "shop-00001"},
                                                                {"K_CONFIGURATION", "shop"},
                                                                {"K_SERVICE", "shop"}}));
    EXPECT_EQ(spec->memory_bytes_max, 64U << 20);
    EXPECT_EQ(spec->cpu_milli_max, 500U);
    EXPECT_EQ(spec->grace, 30s);
    ASSERT_EQ(spec->files.size(), 1U);
    EXPECT_EQ(spec->files[0].target, "/etc/x/f");
    EXPECT_EQ(spec->files[0].content, "text");
}

TEST_F(RevisionPlan, AnImagesRootAndUserAreThoseOfItsContainer) {
    auto facts = image();
    facts.base.mounts = {{"/data/tree", "/", link::FileMount::Access::read_write}};
    facts.base.run_as_user = 0;
    facts.base.run_as_group = 0;
    const auto make = [&](std::string_view security) {
        auto parsed = *revision();
        auto& containers = parsed.body.at("spec").at("containers").as_array();
        containers[0].as_object()["securityContext"] =
            PlanFixture::parse(R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"},
                "data": )" + std::string(security) +
                               "}")
                .body.at("data");
        containers[0].as_object().erase("env");
        containers[0].as_object().erase("volumeMounts");
        return make_instance_spec(parsed, facts, 600s,
                                  [](KindId, const std::string&) { return nullptr; });
    };
    auto spec = make("{}");
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->run_as_user, 0U);
    EXPECT_EQ(spec->run_as_group, 0U);
    EXPECT_EQ(spec->mounts[0].access, link::FileMount::Access::read_write);
    EXPECT_EQ(make(R"({"readOnlyRootFilesystem": true})")->mounts[0].access,
              link::FileMount::Access::read_only);
    spec = make(R"({"runAsUser": 7, "runAsNonRoot": true})");
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->run_as_user, 7U);
    EXPECT_EQ(spec->run_as_group, 0U);
    spec = make(R"({"runAsNonRoot": true})");
    ASSERT_FALSE(spec);
    EXPECT_TRUE(spec.error().message.starts_with("TM-427: ")) << spec.error().message;
    facts.entrypoint.clear();
    facts.arguments.clear();
    EXPECT_TRUE(make("{}")) << "arguments of the container are a command too";
}

TEST_F(RevisionPlan, AnImageIsAskedForAsItWasResolvedAndWithTheSecretsNamed) {
    const auto find = [&](KindId kind, const std::string& name) { return world.get(kind, name); };
    auto question = make_image_question(*revision(), find);
    EXPECT_EQ(question.image, "img");
    EXPECT_EQ(question.namespace_name, "default");
    EXPECT_TRUE(question.pull_secrets.empty());

    world.put(PlanFixture::parse(R"({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "first"}, "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": "Zmlyc3Q="}})"));
    world.put(PlanFixture::parse(R"({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "second"}, "type": "kubernetes.io/dockercfg",
        "data": {".dockercfg": "c2Vjb25k"}})"));
    world.put(PlanFixture::parse(R"({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "other"}, "type": "Opaque", "data": {".dockercfg": "b3RoZXI="}})"));
    world.put(PlanFixture::parse(R"({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "default"},
        "imagePullSecrets": [{"name": "second"}, {"name": "first"}]})"));
    auto object = *revision();
    object.body["spec"].as_object()["imagePullSecrets"] =
        model::JsonArray{model::JsonObject{{"name", "first"}}, model::JsonObject{{"name", "none"}},
                         model::JsonObject{{"name", "other"}}};
    object.body["status"] = model::JsonObject{
        {"containerStatuses",
         model::JsonArray{
             model::JsonObject{{"name", "sidecar"}, {"imageDigest", "wrong"}},
             model::JsonObject{{"name", "user-container"}, {"imageDigest", "r/img@sha256:0"}}}}};
    question = make_image_question(object, find);
    EXPECT_EQ(question.image, "r/img@sha256:0") << "a tag that moves moves no revision";
    EXPECT_EQ(question.pull_secrets, (std::vector<std::string>{"first", "second"}));
}

TEST_F(RevisionPlan, AMissingSecretIsNamed) {
    const auto spec = make_instance_spec(*revision(), image(), 600s,
                                         [](KindId, const std::string&) { return nullptr; });
    ASSERT_FALSE(spec);
    EXPECT_EQ(spec.error().message, "Secret \"s\" is not there");
}

TEST_F(RevisionPlan, PodsCarryWhatToolsSelectBy) {
    link::InstanceReport report;
    report.instance = "default/shop-00001-k3";
    report.state = link::InstanceState::ready;
    const auto pod = pod_view(*revision(), report);
    EXPECT_EQ(pod.metadata.name, "shop-00001-deployment-k3");
    EXPECT_EQ(text_of(pod.metadata.labels, "app"), "shop-00001");
    EXPECT_EQ(text_of(pod.metadata.labels, serving::service), "shop");
    EXPECT_EQ(model::text_at(pod.status(), {"phase"}), "Running");
    const auto deployment = deployment_view(*revision(), 2, 1);
    EXPECT_EQ(deployment.metadata.name, "shop-00001-deployment");
    EXPECT_EQ(deployment.status().at("readyReplicas").as_int64(), 1);
}

}  // namespace
}  // namespace tidemill::control
