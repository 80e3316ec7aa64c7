// Pulls from a registry that does what it is told to, lies and hangs included: real files,
// simulated network and time.
#include "image/oci/puller.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <map>

#include "async/scope.h"
#include "base/bytes.h"
#include "host_linux/disk/linux_disk.h"
#include "host_linux/disk/scratch_directory.h"
#include "host_sim/sim_host.h"
#include "http/server.h"
#include "image/digest.h"
#include "image/oci/manifest.h"
#include "image/platform.h"
#include "image/ustar_fixture.h"

namespace tidemill::image {
namespace {

using base::Code;
using namespace std::chrono_literals;

constexpr const char* address = "127.0.0.1:5000";
constexpr const char* registry_name = "127.0.0.1:5000";

std::string layer_of(const std::string& name, const std::string& content) {
    return ustar({.path = name, .content = content}) + ustar_end();
}

// A registry in memory, with the faults of a test.
class FakeRegistry final : public http::Handler {
public:
    explicit FakeRegistry(async::Loop& loop) : loop_(loop) {}

    std::string put(const std::string& bytes) {
        auto digest = digest_of(bytes);
        blobs[digest] = bytes;
        return digest;
    }
    // An image of these layers under `tag`; the manifest's digest.
    std::string push(const std::string& tag, const std::vector<std::string>& layers,
                     std::string_view architecture = host_architecture) {
        std::string diff_ids;
        Manifest manifest;
        for (const auto& layer : layers) {
            const auto digest = put(layer);
            diff_ids += (diff_ids.empty() ? "\"" : ",\"") + digest + "\"";
            manifest.layers.push_back(
                {"application/vnd.oci.image.layer.v1.tar", digest, layer.size()});
        }
        const auto config = R"({"os":"linux","architecture":")" + std::string(architecture) +
                            R"(","config":{"Entrypoint":["/app"],"User":"7"},"rootfs":{"type":)"
                            R"("layers","diff_ids":[)" +
                            diff_ids + "]}}";
        manifest.config = {"application/vnd.oci.image.config.v1+json", put(config), config.size()};
        const auto text = write_manifest(manifest);
        manifests[tag] = text;
        auto digest = digest_of(text);
        manifests[digest] = text;
        return digest;
    }

    async::Task<void> handle(http::Request& request, http::Answer& answer) override {
        asked.push_back(request.path);
        if (hangs) {
            co_await async::sleep_for(loop_, 1000h);
        }
        if (failures > 0) {
            --failures;
            co_await answer.send(503, {}, "busy");
            co_return;
        }
        if (request.path == "/token") {
            const auto who = request.headers.get("Authorization");
            if (who != "Basic " + base::to_base64(base::as_bytes(std::string_view("me:pw")))) {
                co_await answer.send(401, {}, "");
                co_return;
            }
            token_queries.push_back(request.query);
            co_await answer.send(200, {}, R"({"token":"good"})");
            co_return;
        }
        if (!challenge.empty() && request.headers.get("Authorization") != wanted_authorisation) {
            co_await answer.send(401, {{"WWW-Authenticate", challenge}}, "{}");
            co_return;
        }
        const auto last = request.path.substr(request.path.rfind('/') + 1);
        if (request.path.contains("/manifests/")) {
            const auto found = manifests.find(last);
            co_await answer.send(
                found == manifests.end() ? 404 : 200,
                {{"Content-Type", "application/vnd.oci.image.manifest.v1+json; charset=utf-8"}},
                found == manifests.end()
                    ? R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})"
                    : found->second);
            co_return;
        }
        if (!redirect.empty()) {
            co_await answer.send(307, {{"Location", redirect}}, "");
            co_return;
        }
        const auto found = blobs.find(last);
        if (found == blobs.end()) {
            co_await answer.send(404, {}, "");
            co_return;
        }
        auto bytes = found->second;
        int status = 200;
        if (const auto range = request.headers.get("Range"); !range.empty() && knows_ranges) {
            ranges.emplace_back(range);
            bytes = bytes.substr(std::stoul(std::string(range.substr(6))));
            status = 206;
        }
        if (cuts > 0 && bytes.size() > 1000) {
            --cuts;
            co_await answer.begin(status, {});  // and never ended: cut
            co_await answer.write(bytes.substr(0, bytes.size() / 2));
            co_return;
        }
        co_await answer.send(status, {}, bytes);
    }

    std::map<std::string, std::string> manifests;  // by tag and by digest
    std::map<std::string, std::string> blobs;
    std::vector<std::string> asked;
    std::vector<std::string> ranges;
    std::vector<std::string> token_queries;
    std::string challenge;
    std::string wanted_authorisation;
    std::string redirect;
    bool hangs = false;
    bool knows_ranges = true;
    int failures = 0;
    int cuts = 0;

private:
    async::Loop& loop_;
};

class PullerTest : public testing::Test {
protected:
    PullerTest()
        : sim_(1),
          sim_host_(sim_.host("here")),
          host_{sim_host_.loop,    sim_host_.clock,     sim_host_.random,  linux_disk_,
                sim_host_.network, sim_host_.processes, sim_host_.resolver},
          registry_(sim_.loop),
          server_(sim_host_, registry_, {}),
          scope_(sim_.loop, 4),
          offload_(sim_.loop, 1, {.waiting_max = 256}),
          store_(*PulledStore::open(
              linux_disk_, scratch_.path() + "/pulled",
              ::geteuid() == 0 ? LayerStack::Owners::kept : LayerStack::Owners::dropped,
              {.layers = {.bytes_max = 64 << 20}})) {
        listener_ = *sim_host_.network.listen(*host::parse_address(address), {});
        EXPECT_TRUE(scope_.spawn(server_.serve(*listener_, nullptr)));
        options_.disk_free_bytes_min = 0;
        puller_.emplace(host_, offload_, store_, nullptr, options_);
    }
    ~PullerTest() override { scope_.cancel(); }

    base::Result<PulledStore::Image> pull(const std::string& image,
                                          const std::string& secret = "") {
        Puller::Wanted wanted{.reference = *parse_registry_reference(registry_name + ("/" + image)),
                              .credentials = {},
                              .name_space = space_};
        if (!secret.empty()) {
            EXPECT_TRUE(wanted.credentials.add(secret));
        }
        return sim_.loop.run(puller_->pull(std::move(wanted)));
    }
    void expect_refused(const std::string& image, const std::string& code,
                        const std::string& says = "") {
        const auto got = pull(image);
        ASSERT_FALSE(got) << code;
        EXPECT_TRUE(got.error().message.starts_with(code + ": ")) << got.error().message;
        EXPECT_NE(got.error().message.find(says), std::string::npos) << got.error().message;
        expect_clean();
    }
    void pass(base::Duration span) { sim_.loop.run_for(span); }
    // Nothing half-done is left.
    void expect_clean() {
        pass(1s);
        EXPECT_EQ(disk_.list(scratch_.path() + "/pulled/incoming")->size(), 0U);
        EXPECT_EQ(disk_.list(scratch_.path() + "/pulled/images")->size(),
                  disk_.list(scratch_.path() + "/pulled/trees")->size());
    }
    std::string text(const PulledStore::Image& image, const std::string& name) {
        return host::read_file(disk_, image.tree + "/" + name, 1U << 20).value_or("(not there)");
    }

    host_linux::ScratchDirectory scratch_;
    host_linux::LinuxDisk linux_disk_;
    host::Disk& disk_ = linux_disk_;
    host_sim::SimHost sim_;
    host::Host sim_host_;
    host::Host host_;
    FakeRegistry registry_;
    http::Server server_;
    std::unique_ptr<host::Listener> listener_;
    async::Scope scope_;
    host_sim::SimOffload offload_;
    PulledStore store_;
    Puller::Options options_;
    std::optional<Puller> puller_;
    std::string space_ = "default";
};

TEST_F(PullerTest, ATagIsResolvedAndItsLayersLieUnpacked) {
    const auto digest = registry_.push(
        "v1", {layer_of("app", "one"), layer_of("etc/conf", std::string(70'000, 'c'))});
    const auto image = pull("team/app:v1");
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->digest, digest);
    EXPECT_EQ(image->manifest, digest);
    EXPECT_EQ(image->config.entrypoint, (std::vector<std::string>{"/app"}));
    EXPECT_EQ(image->config.user, "7");
    EXPECT_EQ(image->names, (std::set<std::string>{"127.0.0.1:5000/team/app"}));
    EXPECT_EQ(text(*image, "app"), "one");
    EXPECT_EQ(text(*image, "etc/conf"), std::string(70'000, 'c'));
    EXPECT_EQ(text(*image, "etc/hosts"), "") << "a place to mount on";
    EXPECT_EQ(disk_.info(image->tree + "/proc")->type, host::FileInfo::Type::directory);
    expect_clean();
    // By digest nobody is asked again; another tag of the same is asked for, and fetched once.
    registry_.asked.clear();
    EXPECT_EQ(pull("team/app@" + digest)->tree, image->tree);
    EXPECT_TRUE(registry_.asked.empty());
    registry_.manifests["v2"] = registry_.manifests["v1"];
    EXPECT_EQ(pull("team/app:v2")->digest, digest);
    EXPECT_EQ(registry_.asked, (std::vector<std::string>{"/v2/team/app/manifests/v2"}));
    // A tag that moved is another image, and shared layers are not fetched again.
    registry_.push("v1", {layer_of("app", "one"), layer_of("new", "n")});
    registry_.asked.clear();
    const auto moved = pull("team/app:v1");
    ASSERT_TRUE(moved);
    EXPECT_NE(moved->digest, digest);
    EXPECT_EQ(registry_.asked.size(), 3U) << "manifest, configuration, the new layer";
    EXPECT_EQ(store_.list()->size(), 2U);
}

TEST_F(PullerTest, AnIndexKeepsItsDigestAndGivesThisMachinesImage) {
    const auto digest = registry_.push("x", {layer_of("app", "ours")});
    const auto entry = [&](const std::string& of, std::string_view architecture) {
        return R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":")" +
               of + R"(","platform":{"os":"linux","architecture":")" + std::string(architecture) +
               "\"}}";
    };
    const auto index = R"({"schemaVersion":2,"manifests":[)" +
                       entry(digest_of("nothing"), "s390x") + "," +
                       entry(digest, host_architecture) + "]}";
    registry_.manifests["multi"] = index;
    registry_.manifests[digest_of(index)] = index;
    const auto image = pull("app:multi");
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->digest, digest_of(index));
    EXPECT_EQ(image->manifest, digest);
    EXPECT_EQ(text(*image, "app"), "ours");
    registry_.asked.clear();
    EXPECT_TRUE(pull("app@" + digest_of(index)));
    EXPECT_TRUE(registry_.asked.empty());
}

TEST_F(PullerTest, ANamespaceThatWasNotAllowedYetIsAskedFor) {
    const auto digest = registry_.push("v1", {layer_of("app", "one")});
    ASSERT_TRUE(pull("app@" + digest));
    space_ = "other";
    registry_.challenge = "Basic realm=\"r\"";
    registry_.wanted_authorisation = "Basic bWU6cHc=";
    expect_refused("app@" + digest, "TM-421");
    const auto allowed =
        pull("app@" + digest, R"({"auths":{"127.0.0.1:5000":{"auth":"bWU6cHc="}}})");
    ASSERT_TRUE(allowed) << allowed.error().message;
    EXPECT_TRUE(pull("app@" + digest)) << "was allowed once";
}

TEST_F(PullerTest, TokensAreAskedForWithCredentials) {
    registry_.push("v1", {layer_of("app", "one")});
    registry_.challenge =
        R"(Bearer realm="http://127.0.0.1:5000/token",service="s",scope="repository:a/b:pull")";
    registry_.wanted_authorisation = "Bearer good";
    expect_refused("a/b:v1", "TM-421", "no credentials are given");
    const auto wrong = pull("a/b:v1", R"({"auths":{"127.0.0.1:5000":{"auth":"bWU6eA=="}}})");
    ASSERT_FALSE(wrong);
    EXPECT_TRUE(wrong.error().message.starts_with("TM-421: ")) << wrong.error().message;
    const auto right = pull("a/b:v1", R"({"auths":{"127.0.0.1:5000":{"auth":"bWU6cHc="}}})");
    ASSERT_TRUE(right) << right.error().message;
    EXPECT_EQ(registry_.token_queries,
              (std::vector<std::string>{"service=s&scope=repository%3Aa%2Fb%3Apull"}))
        << "one token serves the whole pull";
}

TEST_F(PullerTest, ABrokenConnectionGoesOnWhereItWas) {
    const std::string content(500'000, 'x');
    registry_.push("v1", {layer_of("app", content)});
    registry_.cuts = 3;
    const auto image = pull("app:v1");
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(text(*image, "app"), content);
    EXPECT_EQ(registry_.ranges.size(), 3U);

    registry_.push("v2", {layer_of("app", content + "2")});
    registry_.cuts = 2;
    registry_.knows_ranges = false;
    const auto again = pull("app:v2");
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(text(*again, "app"), content + "2")
        << "from the first byte, where it knows no ranges";
}

TEST_F(PullerTest, TroubleThatPassesIsWaitedFor) {
    registry_.push("v1", {layer_of("app", "one")});
    registry_.failures = 3;
    EXPECT_TRUE(pull("app:v1"));
    registry_.push("v2", {layer_of("app", "two")});
    registry_.failures = 1000;
    expect_refused("app:v2", "TM-422", "503");
}

TEST_F(PullerTest, ARegistryThatHangsCostsSoMuchTimeAndNoMore) {
    registry_.push("v1", {layer_of("app", "one")});
    registry_.hangs = true;
    const auto began = sim_.loop.now();
    expect_refused("app:v1", "TM-422");
    EXPECT_LT(sim_.loop.now() - began, 3min);
    registry_.hangs = false;
    EXPECT_TRUE(pull("app:v1"));
}

TEST_F(PullerTest, LiesAreFound) {
    const auto layer = layer_of("app", std::string(5000, 'a'));
    auto reset = [&] { return registry_.push("v1", {layer}); };
    reset();
    registry_.blobs[digest_of(layer)] = layer_of("app", std::string(5000, 'b'));
    expect_refused("app:v1", "TM-423", "have the digest");
    registry_.blobs[digest_of(layer)] = layer + "more";
    expect_refused("app:v1", "TM-423", "more bytes");
    registry_.blobs[digest_of(layer)] = layer.substr(0, 700);
    expect_refused("app:v1", "TM-422", "ends its answer");
    registry_.blobs.erase(digest_of(layer));
    expect_refused("app:v1", "TM-420", "has no blob");
    const auto digest = reset();
    registry_.manifests[digest] += " ";
    expect_refused("app@" + digest, "TM-423", "has the digest");
    registry_.manifests["bad"] = "no manifest";
    expect_refused("app:bad", "TM-423", "app:bad");
    expect_refused("app:none", "TM-420", "manifest unknown");
    registry_.push("foreign", {layer}, "s390x");
    expect_refused("app:foreign", "TM-425", "s390x");
    registry_.push("escape", {layer_of("../../escape", "x")});
    expect_refused("app:escape", "TM-424", "climbs");
    EXPECT_FALSE(disk_.info(scratch_.path() + "/escape"));
    registry_.push("no-tar", {std::string(2000, 'z')});
    expect_refused("app:no-tar", "TM-424");
    reset();
    EXPECT_TRUE(pull("app:v1")) << "what was refused stands in nobody's way";
}

TEST_F(PullerTest, ARegistryMayNotSendUsElsewhereOnThisMachine) {
    registry_.push("v1", {layer_of("app", "one")});
    registry_.redirect = "http://169.254.169.254/latest/meta-data";
    expect_refused("app:v1", "TM-421");
    registry_.redirect = "http://elsewhere.example/blob";
    sim_.resolver.set("elsewhere.example", {{host::IpAddress::Family::v4, {10, 0, 0, 1}, 0}});
    expect_refused("app:v1", "TM-421", "plain HTTP");
    registry_.redirect = "/v2/again/and/again";
    expect_refused("app:v1", "TM-423", "redirects more than");
    registry_.redirect = "no place";
    expect_refused("app:v1", "TM-423", "redirects to no place");
}

TEST_F(PullerTest, ADroppedPullLeavesNothing) {
    registry_.push("v1", {layer_of("app", std::string(300'000, 'x'))});
    for (int steps = 1; steps < 40; ++steps) {
        {
            async::Scope scope(sim_.loop, 2);
            Puller::Wanted wanted{.reference = *parse_registry_reference("127.0.0.1:5000/app:v1"),
                                  .credentials = {},
                                  .name_space = space_};
            ASSERT_TRUE(scope.spawn([](Puller& puller, Puller::Wanted what) -> async::Task<void> {
                (void)co_await puller.pull(std::move(what));
            }(*puller_, std::move(wanted))));
            pass(steps * 500us);
            scope.cancel();
        }
        expect_clean();
    }
    EXPECT_TRUE(pull("app:v1"));
}

TEST_F(PullerTest, TooLargeIsRefusedBeforeItIsFetched) {
    options_.layer_bytes_max = 1000;
    puller_.emplace(host_, offload_, store_, nullptr, options_);
    registry_.push("v1", {layer_of("app", std::string(5000, 'x'))});
    registry_.asked.clear();
    expect_refused("app:v1", "TM-426");
    EXPECT_EQ(registry_.asked.size(), 1U);
    options_.layer_bytes_max = 1U << 20;
    options_.disk_free_bytes_min = UINT64_MAX / 2;
    puller_.emplace(host_, offload_, store_, nullptr, options_);
    expect_refused("app:v1", "TM-428");
}

TEST_F(PullerTest, WhatNobodyUsesIsCollectedAndNothingElse) {
    const auto shared = layer_of("base", "b");
    registry_.push("one", {shared, layer_of("app", "1")});
    registry_.push("two", {shared, layer_of("app", "2")});
    const auto one = *pull("app:one");
    const auto two = *pull("app:two");
    const auto collect = [&](std::set<std::string> in_use, base::Duration keep_for) {
        return *sim_.loop.run(puller_->collect(std::move(in_use), keep_for));
    };
    EXPECT_TRUE(collect({}, 1h).empty()) << "all are young";
    // As old as the wall says; handed out just now.
    pass(2h);
    ASSERT_TRUE(pull("app:two"));
    EXPECT_EQ(collect({}, 1h), (std::vector<std::string>{one.digest}));
    ASSERT_TRUE(pull("app:one"));
    pass(2h);
    EXPECT_EQ(collect({one.digest}, 1h), (std::vector<std::string>{two.digest}));
    EXPECT_FALSE(store_.find(two.digest));
    EXPECT_FALSE(disk_.info(two.tree));
    ASSERT_TRUE(store_.find(one.digest));
    EXPECT_EQ(text(one, "base"), "b");
    EXPECT_EQ(disk_.list(scratch_.path() + "/pulled/blobs")->size(), 4U);
    pass(2h);
    EXPECT_EQ(collect({}, 1h), (std::vector<std::string>{one.digest}));
    EXPECT_EQ(disk_.list(scratch_.path() + "/pulled/blobs")->size(), 0U);
    EXPECT_EQ(disk_.list(scratch_.path() + "/pulled/trees")->size(), 0U);
    EXPECT_TRUE(pull("app:two")) << "and comes again when it is asked for";
}

TEST_F(PullerTest, ADamagedImageSaysSoAndIsNotStarted) {
    registry_.push("v1", {layer_of("app", "1")});
    const auto image = *pull("app:v1");
    ASSERT_TRUE(disk_.remove_tree(image.tree));
    const auto found = store_.find(image.digest);
    ASSERT_FALSE(found);
    EXPECT_TRUE(found.error().message.starts_with("TM-413: ")) << found.error().message;
    const auto again = pull("app:v1");
    ASSERT_TRUE(again) << "a damaged one is made anew: " << again.error().message;
    EXPECT_EQ(text(*again, "app"), "1");
}

TEST_F(PullerTest, AnotherProcessFindsWhatIsThereAndSweepsTheRest) {
    registry_.push("v1", {layer_of("app", "1")});
    const auto image = *pull("app:v1");
    const auto left = store_.name_work();
    ASSERT_TRUE(disk_.make_directories(left + "/tree/x", 0700));
    const auto next =
        PulledStore::open(disk_, scratch_.path() + "/pulled", LayerStack::Owners::dropped, {});
    ASSERT_TRUE(next) << next.error().message;
    EXPECT_FALSE(disk_.info(left));
    EXPECT_EQ(next->find(image.digest)->tree, image.tree);
    EXPECT_EQ(next->list()->size(), 1U);
}

TEST_F(PullerTest, ArchivesAreTakenInBothForms) {
    const ImageName name{.name_space = "default", .name = "shop"};
    const auto take = [&](const std::string& bytes) {
        return sim_.loop.run([](Puller& puller, std::string sent,
                                ImageName as) -> async::Task<base::Result<PulledStore::Image>> {
            CO_TRY(auto archive, co_await puller.begin_archive());
            for (std::size_t at = 0; at < sent.size(); at += 1000) {
                CO_CHECK_OK(co_await archive->append(sent.substr(at, 1000)));
            }
            co_return co_await puller.take_archive(std::move(archive), std::move(as));
        }(*puller_, bytes, name));
    };
    const auto layer = layer_of("app", "from an archive");
    const auto digest = registry_.push("v1", {layer});
    const auto manifest = registry_.manifests["v1"];
    std::string blobs;
    std::vector<std::string> names;
    for (const auto& [of, bytes] : registry_.blobs) {
        names.push_back("blobs/sha256/" + of.substr(7));
        blobs += ustar({.path = names.back(), .content = bytes});
    }
    const auto manifest_name = "blobs/sha256/" + digest.substr(7);
    const auto index = R"({"schemaVersion":2,"manifests":[{"mediaType":"m","size":1,"digest":")" +
                       digest + "\"}]}";
    const auto layout = blobs + ustar({.path = manifest_name, .content = manifest}) +
                        ustar({.path = "index.json", .content = index}) +
                        ustar({.path = "oci-layout", .content = "{}"}) + ustar_end();
    const auto image = take(layout);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->digest, digest);
    EXPECT_EQ(image->names, (std::set<std::string>{"dev.local/default/shop"}));
    EXPECT_EQ(text(*image, "app"), "from an archive");

    const auto config =
        R"({"config":{"Cmd":["/app"]},"rootfs":{"diff_ids":[")" + digest_of(layer) + "\"]}}";
    const auto saved = ustar({.path = "abc.json", .content = config}) +
                       ustar({.path = "abc/layer.tar", .content = layer}) +
                       ustar({.path = "manifest.json",
                              .content = R"([{"Config":"abc.json","Layers":["abc/layer.tar"]}])"}) +
                       ustar_end();
    const auto docker = take(saved);
    ASSERT_TRUE(docker) << docker.error().message;
    EXPECT_EQ(docker->config.command, (std::vector<std::string>{"/app"}));
    EXPECT_EQ(text(*docker, "app"), "from an archive");
    EXPECT_EQ(take(saved)->digest, docker->digest) << "the same archive is the same image";

    struct Case {
        const char* name;
        std::string bytes;
        const char* code;
    };
    auto wrong = layout;
    wrong.replace(wrong.find("from an archive"), 4, "FROM");
    const Case cases[] = {
        {"no image", layer_of("x", "y"), "TM-429"},
        {"no tar", "text", "TM-429"},
        {"a blob of another digest", wrong, "TM-423"},
        {"a blob that is missing", ustar({.path = "index.json", .content = index}) + ustar_end(),
         "TM-429"},
        {"a path that climbs",
         ustar({.path = "manifest.json",
                .content = R"([{"Config":"../../../etc/passwd","Layers":[]}])"}) +
             ustar_end(),
         "TM-429"},
        {"two images",
         ustar({.path = "manifest.json", .content = R"([{"Config":"a"},{"Config":"b"}])"}) +
             ustar_end(),
         "TM-429"},
    };
    for (const auto& c : cases) {
        const auto got = take(c.bytes);
        ASSERT_FALSE(got) << c.name;
        EXPECT_TRUE(got.error().message.starts_with(c.code)) << c.name << got.error().message;
        expect_clean();
    }
}

}  // namespace
}  // namespace tidemill::image
