#include "model/settings/config.h"

#include <gtest/gtest.h>

#include "model/object/name_template.h"

namespace tidemill::model {
namespace {

using namespace std::chrono_literals;

TEST(Config, EmptyConfigMapsAreTheDefaultsOfKnative) {
    EXPECT_EQ(AutoscalerConfig::parse({}), AutoscalerConfig());
    EXPECT_EQ(DefaultsConfig::parse({}), DefaultsConfig());
    EXPECT_EQ(NetworkConfig::parse({}), NetworkConfig());
    EXPECT_EQ(GcConfig::parse({}), GcConfig());
    EXPECT_EQ(DeploymentConfig::parse({}), DeploymentConfig());
    const AutoscalerConfig autoscaler;
    EXPECT_EQ(autoscaler.target_burst_capacity, 211);
    EXPECT_EQ(autoscaler.max_scale_up_rate, 1000);
    EXPECT_EQ(autoscaler.stable_window, 60s);
    EXPECT_EQ(autoscaler.scale_to_zero_grace_period, 30s);
    EXPECT_EQ(GcConfig().retain_since_create_time, 48h);
    EXPECT_EQ(DeploymentConfig().progress_deadline, 600s);
}

TEST(Config, ReadsEveryKey) {
    const auto autoscaler =
        AutoscalerConfig::parse({{"pod-autoscaler-class", "other"},
                                 {"enable-scale-to-zero", "false"},
                                 {"allow-zero-initial-scale", "True"},
                                 {"max-scale-up-rate", "10"},
                                 {"max-scale-down-rate", "1.5"},
                                 {"container-concurrency-target-percentage", "80"},
                                 {"container-concurrency-target-default", "50"},
                                 {"requests-per-second-target-default", "100"},
                                 {"target-burst-capacity", "-1"},
                                 {"panic-window-percentage", "20"},
                                 {"panic-threshold-percentage", "300"},
                                 {"activator-capacity", "10"},
                                 {"initial-scale", "0"},
                                 {"min-scale", "1"},
                                 {"max-scale", "5"},
                                 {"max-scale-limit", "9"},
                                 {"stable-window", "2m"},
                                 {"scale-down-delay", "15m"},
                                 {"scale-to-zero-grace-period", "40s"},
                                 {"scale-to-zero-pod-retention-period", "1m"}});
    ASSERT_TRUE(autoscaler) << autoscaler.error().message;
    EXPECT_EQ(autoscaler->pod_autoscaler_class, "other");
    EXPECT_FALSE(autoscaler->enable_scale_to_zero);
    EXPECT_TRUE(autoscaler->allow_zero_initial_scale);
    EXPECT_EQ(autoscaler->max_scale_up_rate, 10);
    EXPECT_EQ(autoscaler->max_scale_down_rate, 1.5);
    EXPECT_EQ(autoscaler->container_concurrency_target_fraction, 0.8);
    EXPECT_EQ(autoscaler->container_concurrency_target_default, 50);
    EXPECT_EQ(autoscaler->requests_per_second_target_default, 100);
    EXPECT_EQ(autoscaler->target_burst_capacity, -1);
    EXPECT_EQ(autoscaler->panic_window_percentage, 20);
    EXPECT_EQ(autoscaler->panic_threshold_percentage, 300);
    EXPECT_EQ(autoscaler->activator_capacity, 10);
    EXPECT_EQ(autoscaler->initial_scale, 0);
    EXPECT_EQ(autoscaler->min_scale, 1);
    EXPECT_EQ(autoscaler->max_scale, 5);
    EXPECT_EQ(autoscaler->max_scale_limit, 9);
    EXPECT_EQ(autoscaler->stable_window, 2min);
    EXPECT_EQ(autoscaler->scale_down_delay, 15min);
    EXPECT_EQ(autoscaler->scale_to_zero_grace_period, 40s);
    EXPECT_EQ(autoscaler->scale_to_zero_pod_retention_period, 1min);

    const auto defaults = DefaultsConfig::parse({{"revision-timeout-seconds", "100"},
                                                 {"max-revision-timeout-seconds", "200"},
                                                 {"revision-idle-timeout-seconds", "50"},
                                                 {"container-concurrency", "5"},
                                                 {"container-concurrency-max-limit", "10"},
                                                 {"allow-container-concurrency-zero", "false"},
                                                 {"container-name-template", "{{.Name}}-c"},
                                                 {"enable-service-links", "default"},
                                                 {"revision-cpu-request", "100m"},
                                                 {"revision-memory-limit", "1Gi"}});
    ASSERT_TRUE(defaults) << defaults.error().message;
    EXPECT_EQ(defaults->revision_timeout_seconds, 100);
    EXPECT_EQ(defaults->revision_response_start_timeout_seconds, 100)
        << "it follows the timeout when it is not set";
    EXPECT_EQ(defaults->revision_idle_timeout_seconds, 50);
    EXPECT_EQ(defaults->container_concurrency, 5);
    EXPECT_EQ(defaults->container_concurrency_max_limit, 10);
    EXPECT_FALSE(defaults->allow_container_concurrency_zero);
    EXPECT_FALSE(defaults->enable_service_links);
    EXPECT_EQ(defaults->revision_cpu_request->text(), "100m");
    EXPECT_EQ(defaults->revision_memory_limit->text(), "1Gi");

    const auto network =
        NetworkConfig::parse({{"domain-template", "{{.Name}}-{{.Namespace}}.{{.Domain}}"},
                              {"tag-template", "{{.Name}}-{{ .Tag }}"},
                              {"http-protocol", "Redirected"},
                              {"rollout-duration", "60"},
                              {"external-domain-tls", "Enabled"},
                              {"default-external-scheme", "https"}});
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ(network->http_protocol, HttpProtocol::redirected);
    EXPECT_EQ(network->rollout_duration, 60s);
    EXPECT_TRUE(network->external_domain_tls);
    EXPECT_EQ(network->host("shop", "default", "localhost", ""), "shop-default.localhost");
    EXPECT_EQ(network->host("shop", "default", "localhost", "v1"), "shop-v1-default.localhost");

    const auto gc = GcConfig::parse({{"retain-since-create-time", "Disabled"},
                                     {"retain-since-last-active-time", "1h"},
                                     {"min-non-active-revisions", "2"},
                                     {"max-non-active-revisions", "disabled"}});
    ASSERT_TRUE(gc) << gc.error().message;
    EXPECT_FALSE(gc->retain_since_create_time);
    EXPECT_EQ(gc->retain_since_last_active_time, 1h);
    EXPECT_EQ(gc->min_non_active_revisions, 2);
    EXPECT_FALSE(gc->max_non_active_revisions);

    const auto deployment = DeploymentConfig::parse(
        {{"progress-deadline", "2m"}, {"registries-skipping-tag-resolving", "a.local, b.local"}});
    ASSERT_TRUE(deployment) << deployment.error().message;
    EXPECT_EQ(deployment->progress_deadline, 2min);
    EXPECT_TRUE(deployment->registries_skipping_tag_resolving.contains("b.local"));
    EXPECT_FALSE(deployment->registries_skipping_tag_resolving.contains("dev.local"));
}

TEST(Config, AddressesByDefault) {
    const NetworkConfig network;
    EXPECT_EQ(network.host("shop", "default", "localhost", ""), "shop.default.localhost");
    EXPECT_EQ(network.host("shop", "default", "localhost", "canary"),
              "canary-shop.default.localhost");
}

TEST(Config, WrongValuesAreRefused) {
    struct Case {
        const char* map;
        TextMap data;
        const char* want;
    };
    const Case cases[] = {
        {"config-autoscaler",
         {{"max-scale", "many"}},
         "failed to parse \"max-scale\": \"many\" is not a whole number of 32 bits"},
        {"config-autoscaler",
         {{"enable-scale-to-zero", "yes"}},
         "failed to parse \"enable-scale-to-zero\": \"yes\" is not true or false"},
        {"config-autoscaler",
         {{"stable-window", "60"}},
         "failed to parse \"stable-window\": \"60\" is not a duration such as 60s or 1m30s"},
        {"config-autoscaler",
         {{"target-burst-capacity", "nan"}},
         "failed to parse \"target-burst-capacity\": \"nan\" is not a number"},
        {"config-autoscaler",
         {{"scale-to-zero-grace-period", "0s"}},
         "scale-to-zero-grace-period must be positive, was: 0s"},
        {"config-autoscaler",
         {{"scale-down-delay", "-1s"}},
         "scale-down-delay cannot be negative, was: -1s"},
        {"config-autoscaler",
         {{"scale-down-delay", "1500ms"}},
         "scale-down-delay = 1.5s, must be specified with at most second precision"},
        {"config-autoscaler",
         {{"scale-to-zero-pod-retention-period", "-4s"}},
         "scale-to-zero-pod-retention-period cannot be negative, was: -4s"},
        {"config-autoscaler",
         {{"target-burst-capacity", "-2"}},
         "target-burst-capacity must be either non-negative or -1 (for unlimited), was: -2.000000"},
        {"config-autoscaler",
         {{"container-concurrency-target-percentage", "110"}},
         "container-concurrency-target-percentage = 1.100000 is outside of valid range of (0, "
         "100]"},
        {"config-autoscaler",
         {{"container-concurrency-target-default", "0.001"}},
         "container-concurrency-target-percentage and container-concurrency-target-default yield "
         "target concurrency of 0.0007, can't be less than 0.01"},
        {"config-autoscaler",
         {{"requests-per-second-target-default", "0"}},
         "requests-per-second-target-default must be at least 0.01, was: 0"},
        {"config-autoscaler",
         {{"activator-capacity", "0.5"}},
         "activator-capacity = 0.5, must be at least 1"},
        {"config-autoscaler",
         {{"max-scale-up-rate", "1"}},
         "max-scale-up-rate = 1, must be greater than 1.0"},
        {"config-autoscaler",
         {{"max-scale-down-rate", "1"}},
         "max-scale-down-rate = 1, must be greater than 1.0"},
        {"config-autoscaler",
         {{"stable-window", "5s"}},
         "stable-window = 5s, must be in [6s; 1h0m0s] range"},
        {"config-autoscaler",
         {{"stable-window", "61m"}},
         "stable-window = 1h1m0s, must be in [6s; 1h0m0s] range"},
        {"config-autoscaler",
         {{"stable-window", "6500ms"}},
         "stable-window = 6.5s, must be specified with at most second precision"},
        {"config-autoscaler",
         {{"panic-window-percentage", "0.5"}},
         "panic-window-percentage = 0.5, must be in [1, 100] interval"},
        {"config-autoscaler",
         {{"initial-scale", "0"}},
         "initial-scale = 0, must be at least 0 (or at least 1 when allow-zero-initial-scale is "
         "false)"},
        {"config-autoscaler", {{"min-scale", "-1"}}, "min-scale = -1, must be at least 0"},
        {"config-autoscaler",
         {{"max-scale-limit", "5"}},
         "max-scale = 0, must be in [1, max-scale-limit(5)] range"},
        {"config-autoscaler",
         {{"max-scale", "6"}, {"max-scale-limit", "5"}},
         "max-scale = 6, must be in [1, max-scale-limit(5)] range"},
        {"config-autoscaler",
         {{"max-scale-limit", "-1"}},
         "max-scale-limit = -1, must be at least 0"},
        {"config-autoscaler",
         {{"min-scale", "3"}, {"max-scale", "2"}},
         "min-scale (3) must be less than max-scale (2)"},
        {"config-defaults",
         {{"revision-timeout-seconds", "601"}},
         "revision-timeout-seconds (601) cannot be greater than max-revision-timeout-seconds "
         "(600)"},
        {"config-defaults",
         {{"revision-response-start-timeout-seconds", "301"}},
         "revision-response-start-timeout-seconds (301) cannot be greater than "
         "revision-timeout-seconds (300)"},
        {"config-defaults",
         {{"revision-idle-timeout-seconds", "301"}},
         "revision-idle-timeout-seconds (301) cannot be greater than revision-timeout-seconds "
         "(300)"},
        {"config-defaults",
         {{"container-concurrency-max-limit", "0"}},
         "expected 1 <= 0 <= 2147483647: container-concurrency-max-limit"},
        {"config-defaults",
         {{"container-concurrency", "1001"}},
         "expected 0 <= 1001 <= 1000: container-concurrency"},
        {"config-defaults",
         {{"revision-cpu-limit", "lots"}},
         "failed to parse \"revision-cpu-limit\": \"lots\" is not a quantity such as 500m or "
         "128Mi"},
        {"config-defaults",
         {{"container-name-template", "{{.Nam}}"}},
         "template \"{{.Nam}}\": {{.Nam}} is not understood"},
        {"config-network",
         {{"http-protocol", "on"}},
         "httpProtocol on in config-network ConfigMap is not supported"},
        {"config-network",
         {{"system-internal-tls", "on"}},
         "system-internal-tls with value: \"on\" in config-network ConfigMap is not supported"},
        {"config-network",
         {{"rollout-duration", "-1"}},
         "rollout-duration must be a positive integer, but was -1"},
        {"config-network",
         {{"domain-template", "{{.Name"}},
         "template \"{{.Name\": unclosed action"},
        {"config-gc",
         {{"min-non-active-revisions", "-1"}},
         "min-non-active-revisions must be non-negative, was: -1"},
        {"config-gc",
         {{"max-non-active-revisions", "5"}},
         "min-non-active-revisions(20) must be <= max-non-active-revisions(5)"},
        {"config-gc",
         {{"max-non-active-revisions", "-5"}},
         "failed to parse max-non-active-revisions: \"-5\""},
        {"config-gc",
         {{"retain-since-create-time", "-1s"}},
         "failed to parse retain-since-create-time: must be non-negative"},
        {"config-deployment",
         {{"progress-deadline", "0s"}},
         "progress-deadline cannot be a non-positive duration, was 0s"},
        {"config-deployment",
         {{"progress-deadline", "1500ms"}},
         "progress-deadline must be rounded to a whole second, was: 1.5s"},
        {"config-deployment",
         {{"digest-resolution-timeout", "-1s"}},
         "digest-resolution-timeout cannot be a non-positive duration, was -1s"},
    };
    for (const auto& c : cases) {
        PlatformConfig config;
        const auto status = apply_config_map(config, c.map, c.data);
        ASSERT_FALSE(status) << c.want;
        EXPECT_EQ(status.error().message, c.want);
        EXPECT_EQ(config, PlatformConfig()) << "a refused map changes nothing: " << c.want;
    }
    PlatformConfig config;
    EXPECT_FALSE(apply_config_map(config, "config-network", {{"domain-template", "a b"}}));
    EXPECT_TRUE(apply_config_map(config, "shop-settings", {{"max-scale", "many"}}));
}

TEST(NameTemplate, KnowsOneActionOnly) {
    EXPECT_EQ(expand_template("a-{{.X}}-b-{{ .X }}", {{"X", "1"}}), "a-1-b-1");
    EXPECT_FALSE(expand_template("{{if .X}}a{{end}}", {{"X", "1"}}));
    EXPECT_FALSE(expand_template("{{X}}", {{"X", "1"}}));
}

}  // namespace
}  // namespace tidemill::model
