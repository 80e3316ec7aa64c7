// Commands against a server that plays the API with canned answers, over a simulated host.
#include "cli/run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>

#include "base/text.h"
#include "host_sim/sim_host.h"
#include "http/server.h"
#include "wire/json.h"

namespace tidemill::cli {
namespace {

struct Canned {
    int status = 200;
    std::string body = {};
};

// Answers by "METHOD /path" (watches: "WATCH /path"); the last answer of a path is given again.
struct FakeApi final : http::Handler {
    explicit FakeApi(async::Loop& l) : loop(l) {}

    async::Task<void> handle(http::Request& request, http::Answer& answer) override {
        const bool watch = request.query.starts_with("watch=true");
        const auto key = (watch ? "WATCH" : request.method) + " " + request.path;
        auto body = co_await request.body.read_all(8U << 20);
        asked.push_back(key + (request.query.empty() ? "" : "?" + request.query));
        bodies[key] = body ? *std::move(body) : body.error().message;
        hosts[key] = request.host;
        const auto found = answers.find(key);
        if (found == answers.end()) {
            co_await answer.send(404, {}, R"({"message":"nothing at )" + request.path + "\"}");
            co_return;
        }
        const auto canned = found->second.front();
        if (found->second.size() > 1) {
            found->second.pop_front();
        }
        if (!watch) {
            co_await answer.send(canned.status, {}, canned.body);
            co_return;
        }
        co_await answer.begin(200, {});
        co_await answer.write(canned.body);
        co_await async::sleep_for(loop, std::chrono::hours(10));
    }

    async::Loop& loop;
    std::map<std::string, std::deque<Canned>> answers;
    std::vector<std::string> asked;
    std::map<std::string, std::string> bodies;
    std::map<std::string, std::string> hosts;
};

class Run : public testing::Test {
protected:
    Run()
        : sim(7),
          host(sim.host("machine")),
          api(sim.loop),
          server(host, api, http::ServerLimits{}),
          scope(sim.loop, 4),
          context{.host = host,
                  .environment = {{"TIDEMILL_DATA", "/data"}},
                  .out = {.write = [this](std::string_view text) { out += text; }},
                  .err = {.write = [this](std::string_view text) { err += text; }},
                  .read_input = [](std::uint64_t) { return std::string("from stdin"); },
                  .make_tls = {},
                  .version = "1.2.3"} {
        EXPECT_TRUE(host.disk.make_directories("/data"));
        write("/data/api.sock", "");
        listener = *host.network.listen(host::UnixAddress{"/data/api.sock"}, {});
        EXPECT_TRUE(scope.spawn(server.serve(*listener, nullptr)));
    }
    ~Run() override { scope.cancel(); }

    void write(const std::string& path, std::string_view text) {
        auto file = host.disk.open(path, host::Disk::Open::create);
        ASSERT_TRUE(file) << file.error().message;
        ASSERT_TRUE((*file)->write_at(0, text));
    }
    int run(std::vector<std::string> words) {
        out.clear();
        err.clear();
        return sim.loop.run(cli::run(context, std::move(words)));
    }
    void answer(const std::string& key, std::string body, int status = 200) {
        api.answers[key].push_back({status, std::move(body)});
    }
    bool says(std::string_view text) const { return err.find(text) != std::string::npos; }

    host_sim::SimHost sim;
    host::Host host;
    FakeApi api;
    std::unique_ptr<host::Listener> listener;
    http::Server server;
    async::Scope scope;
    std::string out;
    std::string err;
    Context context;
};

const std::string services = "/apis/serving.knative.dev/v1/namespaces/default/services";
const std::string revisions = "/apis/serving.knative.dev/v1/namespaces/default/revisions";
const std::string sources = "/apis/tidemill.dev/v1/namespaces/default/sources";

// A service as the server shows it.
std::string service(int generation, int observed, std::string_view ready,
                    std::string_view extra = "") {
    return fmt::format(
        R"({{"apiVersion":"serving.knative.dev/v1","kind":"Service","metadata":{{"name":"shop",)"
        R"("namespace":"default","generation":{0},"resourceVersion":"1{0}"}},)"
        R"("spec":{{"template":{{"spec":{{"containers":[{{"image":"old","name":"user-container",)"
        R"("env":[{{"name":"A","value":"1"}}]}}]}}}},)"
        R"("traffic":[{{"latestRevision":true,"percent":100}}]}},)"
        R"("status":{{"observedGeneration":{1},"url":"http://shop.default.localhost",)"
        R"("latestReadyRevisionName":"shop-00001","latestCreatedRevisionName":"shop-0000{0}",)"
        R"("traffic":[{{"latestRevision":true,"percent":100,"revisionName":"shop-00001"}}],)"
        R"("conditions":[{{"type":"Ready","status":"{2}"{3}}}]}}}})",
        generation, observed, ready, extra);
}

std::string event(const std::string& object) {
    return R"({"type":"MODIFIED","object":)" + object + "}\n";
}

TEST_F(Run, WordsThatMakeNoSenseAreExplainedAndNothingIsAsked) {
    EXPECT_EQ(run({"deplyo"}), 2);
    EXPECT_TRUE(says("Did you mean deploy?")) << err;
    EXPECT_EQ(run({"ls", "--al-namespaces"}), 2);
    EXPECT_TRUE(says("Did you mean --all-namespaces?")) << err;
    EXPECT_EQ(run({"traffic", "shop", "--to", "a=ten"}), 2);
    EXPECT_TRUE(says("no whole percent")) << err;
    EXPECT_EQ(run({"--progress", "loud", "ls"}), 2);
    EXPECT_EQ(run({"-n", "x"}), 0);
    EXPECT_NE(out.find("  up "), std::string::npos);
    EXPECT_EQ(run({"deploy", "-h"}), 0);
    EXPECT_NE(out.find("--min-scale"), std::string::npos);
    EXPECT_TRUE(api.asked.empty());
}

TEST_F(Run, EachRefusalHasItsExitCodeAndItsWords) {
    struct Row {
        int status;
        int exit;
    };
    for (const auto& [status, exit] : {Row{403, 4}, Row{404, 3}, Row{409, 5}, Row{400, 1},
                                       Row{504, 6}, Row{503, 7}, Row{422, 1}}) {
        api.answers.clear();
        answer("GET " + services, R"j({"message":"because of this (TM-399)"})j", status);
        EXPECT_EQ(run({"ls"}), exit) << status;
        EXPECT_TRUE(says("because of this")) << status;
        EXPECT_TRUE(says("docs/errors/TM-399.md")) << status;
        EXPECT_EQ(out, "");
    }
}

TEST_F(Run, NoServerIsSaidWithHowToStartOne) {
    context.environment["TIDEMILL_DATA"] = "/elsewhere";
    EXPECT_EQ(run({"ls"}), 7);
    EXPECT_TRUE(says("tidemill up")) << err;
    context.environment.clear();
    EXPECT_EQ(run({"ls"}), 7);
}

TEST_F(Run, DeployBuildsCreatesWaitsAndEndsWithTheUrl) {
    ASSERT_TRUE(host.disk.make_directories("/src/node_modules"));
    write("/src/handler.py", "def handle(request, context): ...\n");
    write("/src/node_modules/x.js", "not sent");
    answer("POST " + sources + "/shop",
           "{\"log\":\"looking\"}\n{\"plan\":{\"title\":\"a Python function\"}}\n"
           "{\"image\":\"dev.local/default/shop@sha256:ab\"}\n");
    answer("GET " + services + "/shop", R"({"message":"not found"})", 404);
    answer("POST " + services, service(1, 0, "Unknown"), 201);
    answer("WATCH " + services, event(service(1, 0, "Unknown")) + event(service(1, 1, "Unknown")) +
                                    event(service(1, 1, "True")));
    EXPECT_EQ(run({"deploy", "/src", "--name", "shop", "--env", "B=2", "--min-scale=1"}), 0) << err;
    EXPECT_EQ(out, "http://shop.default.localhost\n");
    EXPECT_TRUE(says("looking"));
    EXPECT_TRUE(says("a Python function"));
    EXPECT_TRUE(says("curl -H 'Host: shop.default.localhost' http://127.0.0.1:8080/")) << err;
    const auto& tar = api.bodies["POST " + sources + "/shop"];
    EXPECT_NE(tar.find("handler.py"), std::string::npos);
    EXPECT_EQ(tar.find("node_modules"), std::string::npos);
    EXPECT_EQ(*wire::parse_json(api.bodies["POST " + services]),
              *wire::parse_json(
                  R"({"apiVersion":"serving.knative.dev/v1","kind":"Service","metadata":
                  {"name":"shop","namespace":"default"},"spec":{"template":{"metadata":
                  {"annotations":{"autoscaling.knative.dev/min-scale":"1"}},"spec":{"containers":
                  [{"image":"dev.local/default/shop@sha256:ab",
                    "env":[{"name":"B","value":"2"}]}]}}}})"));
}

TEST_F(Run, DeployOfAnImageKeepsWhatIsThereAndExplainsAFailure) {
    const std::string broken = R"(,"reason":"RevisionFailed","message":"it fell over")";
    answer("GET " + services + "/shop", service(1, 1, "True"));
    answer("PATCH " + services + "/shop", R"({"message":"stale"})", 409);
    answer("PATCH " + services + "/shop", service(2, 1, "True"));
    answer("WATCH " + services, event(service(2, 2, "False", broken)));
    answer("GET " + revisions + "/shop-00002",
           R"({"status":{"conditions":[{"type":"Ready","status":"False","reason":"ExitCode3",
               "message":"Container failed with: oh"}]}})");
    answer("GET /api/v1/namespaces/default/pods", R"({"items":[{"metadata":{"name":"p1"}}]})");
    answer("GET /api/v1/namespaces/default/pods/p1/log", "Traceback\nboom\n");
    const auto began = sim.loop.now();
    EXPECT_EQ(run({"deploy", "dev.local/default/shop@sha256:cd", "--name", "shop"}), 1) << err;
    EXPECT_GE(sim.loop.now() - began, std::chrono::seconds(2));
    EXPECT_EQ(out, "");
    for (const auto* const text : {"it fell over", "ExitCode3", "  boom", "tidemill explain shop",
                                   "shop-00001 goes on serving"}) {
        EXPECT_TRUE(says(text)) << text << "\n" << err;
    }
    EXPECT_EQ(*wire::parse_json(api.bodies["PATCH " + services + "/shop"]),
              *wire::parse_json(
                  R"({"metadata":{"resourceVersion":"11"},"spec":{"template":{"metadata":{},"spec":
                  {"containers":[{"image":"dev.local/default/shop@sha256:cd",
                   "name":"user-container","env":[{"name":"A","value":"1"}]}]}}}})"));
}

TEST_F(Run, DeployRefusesWhatItCannot) {
    EXPECT_EQ(run({"deploy", "nginx", "--name", "web"}), 3);
    EXPECT_TRUE(says("nginx:latest")) << err;
    ASSERT_TRUE(host.disk.make_directories("/files"));
    write("/files/photo.png", "x");
    EXPECT_EQ(run({"deploy", "/files/photo.png", "--name", "web"}), 1);
    EXPECT_TRUE(says("image as a .tar file")) << err;
    EXPECT_EQ(run({"deploy", "./nowhere", "--name", "web"}), 3);
    ASSERT_TRUE(host.disk.make_directories("/empty"));
    EXPECT_EQ(run({"deploy", "/empty", "--name", "web"}), 1);
    EXPECT_TRUE(says("nothing to send")) << err;
    write("/empty/x", "x");
    answer("POST " + services, R"({"message":"PORT is reserved"})", 400);
    EXPECT_EQ(run({"deploy", "/empty", "--name", "web", "-e", "PORT=1"}), 1);
    EXPECT_TRUE(says("PORT is reserved")) << err;
    EXPECT_EQ(api.asked.back(), "POST " + services + "?dryRun=All");
    api.answers.clear();
    answer("POST " + services, "{}", 201);
    answer("POST " + sources + "/web",
           "{\"log\":\"pip says no\"}\n"
           "{\"error\":{\"code\":\"invalid\",\"message\":\"the build failed (TM-310)\"}}\n");
    EXPECT_EQ(run({"deploy", "/empty", "--name", "web"}), 1);
    EXPECT_TRUE(says("pip says no") && says("the build failed")) << err;
}

TEST_F(Run, WaitingEndsWithWhatIsMissing) {
    answer("GET " + services + "/shop", service(1, 1, "True"));
    answer("PATCH " + services + "/shop", service(2, 1, "True"));
    answer("WATCH " + services, event(service(2, 2, "Unknown", R"(,"reason":"Deploying")")));
    EXPECT_EQ(run({"deploy", "dev.local/a/b@sha256:1", "--name", "shop", "--wait", "5"}), 6);
    EXPECT_TRUE(says("not ready after 5s") && says("Deploying")) << err;
}

TEST_F(Run, TrafficAndRollbackPatchTheSplit) {
    answer("GET " + services + "/shop", service(1, 1, "True"));
    answer("PATCH " + services + "/shop", service(2, 2, "True"));
    answer("GET " + revisions, R"({"items":[{"metadata":{"name":"shop-00001"}}]})");
    EXPECT_EQ(run({"traffic", "shop", "--to", "@latest=10,shop-00001=90"}), 0) << err;
    EXPECT_EQ(*wire::parse_json(api.bodies["PATCH " + services + "/shop"]),
              *wire::parse_json(
                  R"({"metadata":{"resourceVersion":"11"},"spec":{"traffic":[
                  {"latestRevision":true,"percent":10},
                  {"latestRevision":false,"percent":90,"revisionName":"shop-00001"}]}})"));
    EXPECT_NE(out.find("shop-00001 (@latest)   100%"), std::string::npos) << out;
    answer("GET " + revisions, R"({"items":[{"metadata":{"name":"shop-00001"}}]})");
    EXPECT_EQ(run({"rollback", "shop"}), 3);
    EXPECT_TRUE(says("no ready revision before shop-00001")) << err;
}

TEST_F(Run, TrafficToARevisionThatIsNotThereChangesNothing) {
    answer("GET " + services + "/shop", service(1, 1, "True"));
    answer("GET " + revisions, R"({"items":[{"metadata":{"name":"shop-00001"}}]})");
    EXPECT_EQ(run({"traffic", "shop", "--to", "shop-0001=100"}), 3);
    EXPECT_TRUE(says("no revision \"shop-0001\"; it has shop-00001")) << err;
    EXPECT_EQ(run({"traffic", "shop", "--tag", "canary=shop-2"}), 3);
    EXPECT_FALSE(api.bodies.contains("PATCH " + services + "/shop"));
}

TEST_F(Run, AServiceThatIsNotThereIsAnsweredWithTheNearest) {
    answer("GET " + services, R"({"items":[{"metadata":{"name":"shop"}}]})");
    EXPECT_EQ(run({"traffic", "shpo"}), 3);
    EXPECT_TRUE(says("Did you mean shop?")) << err;
}

// Discovery of services and config maps.
void discover(FakeApi& api) {
    api.answers["GET /apis"].push_back({200,
                                        R"({"items":[{"metadata":{"name":"serving.knative.dev"},
        "versions":[{"version":"v1","resources":[{"resource":"services","singularResource":"service",
        "scope":"Namespaced","responseKind":{"kind":"Service"},"shortNames":["ksvc"]}]}]}]})"});
    api.answers["GET /api"].push_back({200, R"({"items":[{"metadata":{"name":""},"versions":[
        {"version":"v1","resources":[
        {"resource":"services","singularResource":"service","scope":"Namespaced",
         "responseKind":{"kind":"Service"},"shortNames":["svc"]},
        {"resource":"configmaps","singularResource":"configmap","scope":"Namespaced",
         "responseKind":{"kind":"ConfigMap"},"shortNames":["cm"]}]}]}]})"});
}

TEST_F(Run, DocumentsAreShownWithoutManagedFields) {
    discover(api);
    const std::string item = R"({"metadata":{"name":"a","managedFields":[{"manager":"x"}]}})";
    answer("GET " + services + "/a", item);
    answer("GET " + services, R"({"items":[)" + item + "]}");
    EXPECT_EQ(run({"get", "ksvc", "a", "-o", "yaml"}), 0);
    EXPECT_EQ(out, "metadata:\n  name: a\n");
    EXPECT_EQ(run({"get", "ksvc", "-o", "yaml"}), 0);
    EXPECT_EQ(out, "items:\n- metadata:\n    name: a\n");
}

TEST_F(Run, GetPrintsTheServersTableAndDocuments) {
    discover(api);
    answer("GET " + services, R"({"metadata":{"resourceVersion":"5"},"columnDefinitions":[
        {"name":"Name","priority":0},{"name":"URL","priority":0},{"name":"Image","priority":1}],
        "rows":[{"cells":["shop","http://s",null]}]})");
    EXPECT_EQ(run({"get", "ksvc"}), 0) << err;
    EXPECT_EQ(out, "NAME   URL\nshop   http://s\n");
    EXPECT_EQ(run({"get", "service", "-owide"}), 0);
    EXPECT_EQ(out, "NAME   URL        IMAGE\nshop   http://s\n");
    answer("GET " + services + "/shop", service(1, 1, "True"));
    EXPECT_EQ(run({"get", "service/shop", "-o", "name"}), 0);
    EXPECT_EQ(out, "service.serving.knative.dev/shop\n");
    EXPECT_EQ(run({"get", "ksvc", "shop", "-o", "jsonpath={.status.url}"}), 0);
    EXPECT_EQ(out, "http://shop.default.localhost");
    EXPECT_EQ(run({"get", "servces"}), 2);
    EXPECT_TRUE(says("Did you mean services?")) << err;
    EXPECT_EQ(run({"get", "svc", "-o", "xml"}), 2);
}

TEST_F(Run, GetOfSeveralKindsAndObjects) {
    discover(api);
    const std::string maps = "/api/v1/namespaces/default/configmaps";
    const auto table = [](std::string_view rows) {
        return fmt::format(R"({{"columnDefinitions":[{{"name":"Name","format":"name"}}],)"
                           R"("rows":[{}]}})",
                           rows);
    };
    answer("GET " + services, table(R"({"cells":["shop"]})"));
    answer("GET " + maps, table(R"({"cells":["a"]},{"cells":["b"]})"));
    EXPECT_EQ(run({"get", "ksvc,cm"}), 0) << err;
    EXPECT_EQ(out, "NAME\nservice.serving.knative.dev/shop\n\nNAME\nconfigmap/a\nconfigmap/b\n");
    EXPECT_EQ(run({"get", "cm", "--no-headers", "--field-selector", "metadata.name=a"}), 0);
    EXPECT_EQ(out, "a\nb\n");
    EXPECT_EQ(api.asked.back(), "GET " + maps + "?fieldSelector=metadata.name%3Da");
    answer("GET " + services + "/shop", R"({"metadata":{"name":"shop"}})");
    answer("GET " + maps + "/a", R"({"metadata":{"name":"a"}})");
    EXPECT_EQ(run({"get", "ksvc/shop", "cm/a", "-o", "json"}), 0) << err;
    EXPECT_NE(out.find("\"List\""), std::string::npos) << out;
    EXPECT_EQ(run({"get", "ksvc/shop", "cm/none", "cm/a", "-o", "name"}), 3);
    EXPECT_EQ(out, "service.serving.knative.dev/shop\nconfigmap/a\n");
    EXPECT_EQ(run({"get", "ksvc/shop", "cm/a", "-o", "jsonl"}), 0);
    EXPECT_EQ(out, "{\"metadata\":{\"name\":\"shop\"}}\n{\"metadata\":{\"name\":\"a\"}}\n");
    const std::vector<std::vector<std::string>> wrong{
        {"get", "ksvc/shop", "a"}, {"get", "ksvc,cm", "a"},    {"get", "ksvc,cm", "-w"},
        {"get", "ksvc/"},          {"get", "ksvc", "a", "-A"}, {"get", "ksvc,unicorns"}};
    for (const auto& words : wrong) {
        EXPECT_EQ(run(words), 2) << words[1];
    }
}

TEST_F(Run, CompletionKnowsCommandsFlagsKindsAndNames) {
    discover(api);
    const std::string list =
        R"({"items":[{"metadata":{"name":"shop"}},{"metadata":{"name":"till"}}]})";
    answer("GET " + services, list);
    answer("GET /api/v1/namespaces/default/configmaps", list);
    answer("GET /api/v1/namespaces", R"({"items":[{"metadata":{"name":"team"}}]})");
    answer("GET /apis/serving.knative.dev/v1/namespaces/team/services",
           R"({"items":[{"metadata":{"name":"theirs"}}]})");
    struct Row {
        const char* what;
        std::vector<std::string> line;
        const char* want;
    };
    const Row rows[] = {
        {"commands", {"rol"}, "rollback\tGive all traffic to the revision before\n"},
        {"flags", {"get", "--no-h"}, "--no-headers\ta table without its first line\n"},
        {"flags for everything",
         {"--kubec"},
         "--kubeconfig\tthe way to a platform ($KUBECONFIG)\n"},
        {"first words", {"token", "rev"}, "revoke\n"},
        {"services", {"logs", "s"}, "shop\n"},
        {"one service is enough", {"logs", "shop", ""}, ""},
        {"names of a kind", {"get", "cm", "t"}, "till\n"},
        {"names behind a slash", {"get", "cm/s"}, "cm/shop\n"},
        {"kinds", {"get", "configm"}, "configmaps\tConfigMap (v1)\n"},
        {"kinds behind a comma",
         {"get", "ksvc,c"},
         "ksvc,configmaps\tConfigMap (v1)\nksvc,cm\tConfigMap (v1)\n"},
        {"services where no kind is needed", {"delete", "sho"}, "shop\n"},
        {"namespaces", {"ls", "-n", "te"}, "team\n"},
        {"in the namespace of the line", {"-n", "team", "logs", ""}, "theirs\n"},
        {"formats", {"get", "cm", "-o", "js"}, "json\njsonl\njsonpath=\n"},
        {"values", {"--progress", "t"}, "tty\n"},
        {"nothing behind what is no command", {"frob", ""}, ""},
    };
    for (const auto& row : rows) {
        std::vector<std::string> words{"__complete", "--"};
        words.insert(words.end(), row.line.begin(), row.line.end());
        EXPECT_EQ(run(words), 0) << row.what;
        EXPECT_EQ(out, row.want) << row.what << err;
    }
    context.environment.clear();
    EXPECT_EQ(run({"__complete", "--", "logs", ""}), 0);
    EXPECT_EQ(out + err, "");
}

TEST_F(Run, FollowedLogsTakeInNewInstancesFromAWatch) {
    const std::string pods = "/api/v1/namespaces/default/pods";
    answer("GET " + services + "/shop", service(1, 1, "True"));
    answer("GET " + pods,
           R"({"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"a"}}]})");
    answer("GET " + pods, R"({"message":"that was all"})", 403);
    answer("WATCH " + pods, event(R"({"metadata":{"name":"a"}})") +
                                event(R"({"metadata":{"name":"b"}})") +
                                R"({"type":"ERROR","object":{"message":"too old"}})" + "\n");
    answer("GET " + pods + "/a/log", "2026-01-01T00:00:01Z one\n");
    answer("GET " + pods + "/b/log", "2026-01-01T00:00:02Z two\n");
    EXPECT_EQ(run({"logs", "shop", "-f", "--tail", "1"}), 4);
    EXPECT_NE(out.find("one\n"), std::string::npos) << out;
    EXPECT_NE(out.find("[b] two\n"), std::string::npos) << out;
    const auto asked = [&](std::string_view what) { return std::ranges::count(api.asked, what); };
    const std::string label = "labelSelector=serving.knative.dev%2Fservice%3Dshop";
    EXPECT_EQ(asked("WATCH " + pods + "?watch=true&resourceVersion=5&" + label), 1);
    EXPECT_EQ(asked("GET " + pods + "?" + label), 2);
    EXPECT_EQ(asked("GET " + pods + "/a/log?tailLines=1&timestamps=true&follow=true"), 1);
    EXPECT_EQ(asked("GET " + pods + "/b/log?timestamps=true&follow=true"), 1);
}

TEST_F(Run, ApplySaysWhatChangedAndWritesNothingWhenOneDocumentIsWrong) {
    discover(api);
    const std::string maps = "/api/v1/namespaces/default/configmaps";
    const auto map = [](std::string_view name, std::string_view value) {
        return fmt::format(R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}"}},)"
                           R"("data":{{"k":"{}"}}}})",
                           name, value);
    };
    answer("PATCH " + maps + "/new", map("new", "1"), 201);
    answer("GET " + maps + "/same", map("same", "1"));
    answer("PATCH " + maps + "/same", map("same", "1"));
    answer("GET " + maps + "/other", map("other", "1"));
    answer("PATCH " + maps + "/other", map("other", "2"));
    write("/all.yaml",
          map("new", "1") + "\n---\n" + map("same", "1") + "\n---\n" + map("other", "2"));
    EXPECT_EQ(run({"apply", "-f", "/all.yaml"}), 0) << err;
    EXPECT_EQ(out, "configmap/new created\nconfigmap/same unchanged\nconfigmap/other configured\n");
    const auto asked = api.asked.size();
    write("/wrong.yaml", map("new", "1") +
                             "\n---\nkind: Elephant\napiVersion: v1\n"
                             "metadata: {name: x}\n");
    EXPECT_EQ(run({"apply", "-f", "/wrong.yaml"}), 1);
    EXPECT_TRUE(says("/wrong.yaml, document 2") && says("Elephant")) << err;
    EXPECT_EQ(api.asked.size(), asked + 2);  // discovery alone
}

TEST_F(Run, InvokeGoesThroughTheProxyWithTheHostOfTheService) {
    answer("GET " + services + "/shop", service(1, 1, "True"));
    answer("POST /x", "{\"ok\":true}");
    const auto proxy = *host.network.listen(*host::parse_address("127.0.0.1:9999"), {});
    ASSERT_TRUE(scope.spawn(server.serve(*proxy, nullptr)));
    EXPECT_EQ(run({"invoke", "shop", "-d", "-", "--path", "x", "--proxy", "127.0.0.1:9999"}), 0)
        << err;
    EXPECT_EQ(out, "{\"ok\":true}");
    EXPECT_EQ(api.hosts["POST /x"], "shop.default.localhost");
    EXPECT_EQ(api.bodies["POST /x"], "from stdin");
    EXPECT_EQ(run({"invoke", "shop", "--path", "/missing", "--proxy", "127.0.0.1:9999"}), 1);
    EXPECT_EQ(run({"invoke", "shop", "--proxy", "127.0.0.1:1"}), 7);
    scope.cancel();
}

TEST_F(Run, LogsOfSeveralInstancesAreMergedByTime) {
    const std::string pods = "/api/v1/namespaces/default/pods";
    answer("GET " + services + "/shop", service(1, 1, "True"));
    answer("GET " + pods, R"({"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]})");
    answer("GET " + pods + "/a/log", "2026-01-01T00:00:01Z one\n2026-01-01T00:00:03Z three\n");
    answer("GET " + pods + "/b/log", "2026-01-01T00:00:02Z two words\n");
    EXPECT_EQ(run({"logs", "shop", "--tail", "5"}), 0) << err;
    EXPECT_EQ(out, "[a] one\n[b] two words\n[a] three\n");
    EXPECT_EQ(api.asked.back(), "GET " + pods + "/b/log?tailLines=5&timestamps=true");
    EXPECT_EQ(run({"logs", "pod/a", "--timestamps", "-f"}), 0) << err;
    EXPECT_EQ(out, "2026-01-01T00:00:01Z one\n2026-01-01T00:00:03Z three\n");
}

TEST_F(Run, ProgressAsJsonIsOneObjectPerLine) {
    answer("GET " + services + "/shop", service(1, 1, "True"));
    answer("PATCH " + services + "/shop", service(2, 2, "True"));
    EXPECT_EQ(run({"deploy", "dev.local/a/b@sha256:1", "--name", "shop", "--progress", "json"}), 0);
    const auto first = std::string_view(err).substr(0, err.find('\n'));
    const auto line = wire::parse_json(first);
    ASSERT_TRUE(line) << err;
    EXPECT_EQ(line->at("phase"), "deploy shop");
    EXPECT_EQ(line->at("state"), "begun");
}

TEST_F(Run, DeployWithoutTrafficPinsWhatServes) {
    answer("GET " + services + "/shop", service(1, 1, "True"));
    answer("PATCH " + services + "/shop", service(2, 2, "True"));
    EXPECT_EQ(run({"deploy", "dev.local/a/b@sha256:1", "--name", "shop", "--no-traffic"}), 0);
    const auto patch = *wire::parse_json(api.bodies["PATCH " + services + "/shop"]);
    EXPECT_EQ(patch.at("spec").at("traffic"),
              *wire::parse_json(
                  R"([{"latestRevision":false,"revisionName":"shop-00001","percent":100}])"));
    api.answers["GET " + services + "/shop"] = {{404, R"({"message":"no"})"}};
    EXPECT_EQ(run({"deploy", "dev.local/a/b@sha256:1", "--name", "shop", "--no-traffic"}), 1);
    EXPECT_TRUE(says("is new")) << err;
}

TEST_F(Run, ListsShowSharesAndInstances) {
    answer("GET /apis/serving.knative.dev/v1/services",
           R"({"items":[)" + service(1, 1, "False", R"(,"reason":"RevisionFailed")") + "]}");
    answer("GET /apis/serving.knative.dev/v1/revisions",
           R"({"items":[{"metadata":{"name":"shop-00001","namespace":"default",
               "labels":{"serving.knative.dev/service":"shop"}},"status":{"actualReplicas":3}}]})");
    EXPECT_EQ(run({"ls", "-A"}), 0) << err;
    EXPECT_EQ(
        out,
        "NAMESPACE   NAME   URL                             LATEST       TRAFFIC               "
        "      REPLICAS   READY                    AGE\n"
        "default     shop   http://shop.default.localhost   shop-00001   100% @latest "
        "(shop-00001)   3          False (RevisionFailed)\n");
    answer("GET " + services + "/shop", service(1, 1, "True"));
    answer("GET " + revisions,
           R"({"items":[{"metadata":{"name":"shop-00001","labels":{
               "serving.knative.dev/service":"shop",
               "serving.knative.dev/configurationGeneration":"1"},
               "creationTimestamp":"2027-01-15T07:59:00Z"},
               "status":{"actualReplicas":3,"conditions":[{"type":"Ready","status":"True"}]}}]})");
    EXPECT_EQ(run({"revisions", "shop"}), 0) << err;
    EXPECT_EQ(out,
              "NAME         SERVICE   TRAFFIC   TAGS   REPLICAS   READY   REASON   AGE\n"
              "shop-00001   shop      100%             3          True             60s\n");
}

TEST_F(Run, DeleteGoesOnBehindWhatIsNotThereAndWaits) {
    discover(api);
    answer("DELETE " + services + "/b", "{}");
    answer("GET " + services + "/b", service(1, 1, "True"));
    answer("GET " + services + "/b", R"({"message":"gone"})", 404);
    EXPECT_EQ(run({"delete", "a", "b", "--wait"}), 3);
    EXPECT_EQ(out, "service.serving.knative.dev/b deleted\n");
    EXPECT_EQ(api.asked.back(), "GET " + services + "/b");
    answer("DELETE /api/v1/namespaces/other/configmaps/x", "{}");
    EXPECT_EQ(run({"-n", "other", "delete", "cm/x"}), 0) << err;
    EXPECT_EQ(run({"delete", "elephant/x"}), 2);
}

TEST_F(Run, ATokenIsAllThatStandsOnStdout) {
    answer("POST /apis/tidemill.dev/v1/tokens",
           R"({"metadata":{"name":"token-1"},"status":{"token":"secret"}})", 201);
    EXPECT_EQ(run({"token", "create", "--user", "anna", "--role", "viewer", "--ttl", "90d", "-n",
                   "shop"}),
              0)
        << err;
    EXPECT_EQ(out, "secret\n");
    EXPECT_EQ(*wire::parse_json(api.bodies["POST /apis/tidemill.dev/v1/tokens"]),
              *wire::parse_json(
                  R"({"apiVersion":"tidemill.dev/v1","kind":"Token","spec":{"user":"anna",
                  "role":"viewer","namespace":"shop","expirationSeconds":7776000}})"));
    EXPECT_EQ(run({"token", "create"}), 2);
    EXPECT_EQ(run({"token", "burn"}), 2);
}

TEST_F(Run, ExplainShowsDecisionsAndTheWaterfall) {
    answer("GET /apis/tidemill.dev/v1/namespaces/default/services/shop/explain",
           R"({"revisions":[{"name":"shop-00001","wanted":2,"ready":1,
               "decisions":[{"at":"T1","text":"old"},{"at":"T2","text":"12 waiting, so 2"}],
               "coldStarts":[{"instance":"i1","began":"T0","cause":"a request",
                 "stages":[{"name":"fork","atMilliseconds":0.0,"tookMilliseconds":1.25}]}]}]})");
    EXPECT_EQ(run({"explain", "shop"}), 0) << err;
    EXPECT_LT(out.find("12 waiting, so 2"), out.find("old"));
    EXPECT_NE(out.find("2 wanted, 1 ready"), std::string::npos);
    EXPECT_NE(out.find("fork   at 0.0 ms   took 1.2 ms"), std::string::npos) << out;
    EXPECT_EQ(run({"explain", "none"}), 3);
}

TEST_F(Run, DoctorFailsWhenAnythingEssentialIsMissing) {
    answer("GET /readyz", "ok");
    answer("GET /apis/tidemill.dev/v1/whoami", R"({"status":{"userInfo":{"username":"unix:0"}}})");
    auto options = sim.disk.options();
    options.capacity_bytes = std::uint64_t{4} << 30;
    sim.disk.set_options(options);
    EXPECT_EQ(run({"doctor"}), 0) << out;
    EXPECT_NE(out.find("you are unix:0"), std::string::npos) << out;
    EXPECT_EQ(out.find("images"), std::string::npos) << "of a platform that is elsewhere\n" << out;
    ASSERT_TRUE(host.disk.make_directories("/data/pulled/images"));
    write("/data/pulled/images/ab.json", R"({"bytes":3145728})");
    write("/data/pulled/images/half", "{");
    EXPECT_EQ(run({"doctor"}), 0) << out;
    EXPECT_NE(out.find("1 pulled, 3 MiB unpacked"), std::string::npos) << out;
    options.capacity_bytes = 10U << 20;
    sim.disk.set_options(options);
    EXPECT_EQ(run({"doctor", "-o", "json"}), 1);
    const auto report = wire::parse_json(out);
    ASSERT_TRUE(report) << out;
    bool found = false;
    for (const auto& finding : report->at("findings").get_array()) {
        found = found || (finding.at("subject") == "disk space" &&
                          finding.at("verdict") == "missing" && finding.at("fix") != "");
    }
    EXPECT_TRUE(found) << out;
    context.environment.clear();
    const auto taken = *host.network.listen(*host::parse_address("127.0.0.1:8080"), {});
    EXPECT_EQ(run({"doctor"}), 1);
    EXPECT_NE(out.find("port 8080"), std::string::npos) << out;
}

TEST_F(Run, GetWatchesFromWhereTheListEnded) {
    discover(api);
    answer("GET " + services, R"({"metadata":{"resourceVersion":"5"},"items":[]})");
    answer("WATCH " + services, event(service(1, 1, "True")) +
                                    R"({"type":"ERROR","object":{"message":"too old"}})" + "\n");
    EXPECT_EQ(run({"get", "ksvc", "-w", "-o", "name"}), 5);
    EXPECT_EQ(out, "service.serving.knative.dev/shop\n");
    EXPECT_EQ(api.asked.back(), "WATCH " + services + "?watch=true&resourceVersion=5");
    EXPECT_TRUE(says("too old"));
}

TEST_F(Run, VersionHelpAndCompletionNeedNoServer) {
    context.environment.clear();
    EXPECT_EQ(run({"version"}), 0);
    EXPECT_EQ(out, "client 1.2.3\n");
    EXPECT_EQ(run({"help", "exit-codes"}), 0);
    EXPECT_NE(out.find("130"), std::string::npos);
    EXPECT_EQ(run({"deploy", "help"}), 0);
    EXPECT_NE(out.find("Usage: tidemill deploy"), std::string::npos);
    for (const auto* const shell : {"bash", "zsh", "fish"}) {
        EXPECT_EQ(run({"completion", shell}), 0);
        EXPECT_NE(out.find("__complete -- "), std::string::npos) << shell;
    }
    EXPECT_EQ(run({"help"}), 0);
    EXPECT_EQ(out.find("__complete"), std::string::npos);
    EXPECT_EQ(run({"completion", "tcsh"}), 2);
    EXPECT_TRUE(api.asked.empty());
}

}  // namespace
}  // namespace tidemill::cli
