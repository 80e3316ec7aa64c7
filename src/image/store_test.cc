#include "image/store.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "host_linux/disk/linux_disk.h"
#include "host_linux/disk/scratch_directory.h"
#include "image/digest.h"

namespace tidemill::image {
namespace {

using base::Code;

const ImageName shop{.name_space = "default", .name = "shop"};

class ImageStoreTest : public testing::Test {
protected:
    ImageStoreTest() : store_(*ImageStore::open(disk_, path("images"), {})) {}

    std::string path(const std::string& name) const { return scratch_.path() + "/" + name; }
    // A source folder of one file.
    std::string source(const std::string& name, std::string_view text) {
        const auto folder = path(name);
        EXPECT_TRUE(disk_.make_directories(folder));
        auto file = *disk_.open(folder + "/handler.py", host::Disk::Open::create, 0640);
        EXPECT_TRUE(file->write_at(0, text));
        return folder;
    }
    ImageReference put(const ImageName& name, std::string_view text, std::int64_t at = 1) {
        auto put = store_.put(name, source("src-" + std::to_string(next_++), text), config_, {at});
        EXPECT_TRUE(put) << put.error().message;
        return put.value_or(ImageReference{});
    }
    std::size_t count(const std::string& directory) {
        return disk_.list(path("images/" + directory))->size();
    }

    host_linux::ScratchDirectory scratch_;
    host_linux::LinuxDisk linux_disk_;
    host::Disk& disk_ = linux_disk_;
    ImageStore store_;
    ImageConfig config_{.runtime = ImageConfig::Runtime::python,
                        .title = "a Python function",
                        .functions = {{"/a", "a.py:handle"}}};
    int next_ = 0;
};

TEST_F(ImageStoreTest, WhatIsPutIsFoundUnderItsReference) {
    const auto reference = put(shop, "def handle(): pass");
    const auto resolved = store_.resolve(reference.text());
    ASSERT_TRUE(resolved) << resolved.error().message;
    EXPECT_EQ(resolved->config, config_);
    EXPECT_EQ(*host::read_file(disk_, resolved->tree + "/handler.py", 100), "def handle(): pass");
    EXPECT_EQ(disk_.info(resolved->tree + "/handler.py")->mode, 0644U);
    EXPECT_TRUE(store_.verify(reference));
    EXPECT_EQ(count("incoming"), 0U);
}

TEST_F(ImageStoreTest, TheSameSourceIsTheSameImageAndAnotherConfigurationIsAnother) {
    const auto first = put(shop, "one");
    EXPECT_EQ(put(shop, "one", 2), first);
    EXPECT_NE(put(shop, "two").digest, first.digest);
    config_.handler = "handler.py:other";
    EXPECT_NE(put(shop, "one").digest, first.digest);
    const auto listed = *store_.list();
    ASSERT_EQ(listed.size(), 3U);
    EXPECT_EQ(listed[0].reference, first);
    EXPECT_EQ(listed[0].created, base::WallTime{1}) << "putting it again must not make it younger";
}

TEST_F(ImageStoreTest, AnImageOfOneNamespaceIsNotThereInAnother) {
    auto reference = put(shop, "one");
    reference.name.name_space = "other";
    EXPECT_EQ(store_.resolve(reference).error().code, Code::not_found);
    EXPECT_TRUE(store_.resolve(put(reference.name, "one")));
}

TEST_F(ImageStoreTest, CollectKeepsWhatIsUsedOrYoung) {
    const auto used = put(shop, "used", 10);
    const auto old = put(shop, "old", 10);
    const auto young = put(shop, "young", 100);
    const ImageName cart{.name_space = "default", .name = "cart"};
    put(cart, "old", 10);
    const auto removed = store_.collect({used}, {50});
    ASSERT_TRUE(removed) << removed.error().message;
    EXPECT_EQ(removed->size(), 2U);
    EXPECT_TRUE(store_.verify(used));
    EXPECT_TRUE(store_.verify(young));
    EXPECT_EQ(store_.resolve(old).error().code, Code::not_found);
    EXPECT_EQ(store_.list()->size(), 2U);
    EXPECT_EQ(count("trees"), 2U);
    // Manifest and layer of each, and the one configuration's documents, which name their layers.
    EXPECT_EQ(count("blobs/sha256"), 6U);
    EXPECT_TRUE(store_.verify(put(shop, "old", 200))) << "it can come back";
}

TEST_F(ImageStoreTest, DamageIsNoticedAndPuttingAgainMendsAMissingTree) {
    const auto reference = put(shop, "one");
    const auto tree = store_.resolve(reference)->tree;
    {
        auto file = *disk_.open(tree + "/handler.py", host::Disk::Open::read_write, 0);
        ASSERT_TRUE(file->write_at(0, "1"));
    }
    EXPECT_EQ(store_.verify(reference).error().code, Code::invalid);
    ASSERT_TRUE(disk_.remove_tree(tree));
    const auto gone = store_.resolve(reference);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().message.substr(0, 6), "TM-413");
    EXPECT_EQ(put(shop, "one"), reference);
    EXPECT_TRUE(store_.verify(reference));
}

TEST_F(ImageStoreTest, AManifestWithOtherBytesDoesNotStart) {
    const auto reference = put(shop, "one");
    auto file =
        *disk_.open(path("images/blobs/sha256/") + std::string(digest_hex(reference.digest)),
                    host::Disk::Open::read_write, 0);
    ASSERT_TRUE(file->write_at(3, "X"));
    EXPECT_EQ(store_.resolve(reference).error().code, Code::invalid);
}

TEST_F(ImageStoreTest, OpeningSweepsWhatACrashLeftAndRefusesANewerForm) {
    const auto reference = put(shop, "one");
    ASSERT_TRUE(disk_.make_directories(path("images/incoming/7/tree")));
    auto again = ImageStore::open(disk_, path("images"), {});
    ASSERT_TRUE(again);
    EXPECT_EQ(count("incoming"), 0U);
    EXPECT_TRUE(again->resolve(reference));
    ASSERT_TRUE(host::write_file_durably(disk_, path("images/version"), "2\n"));
    EXPECT_EQ(ImageStore::open(disk_, path("images"), {}).error().code, Code::invalid);
}

TEST_F(ImageStoreTest, ALimitOfVersionsIsKept) {
    auto store = *ImageStore::open(disk_, path("few"), {.images_per_name_max = 1});
    ASSERT_TRUE(store.put(shop, source("a", "a"), config_, {1}));
    EXPECT_TRUE(store.put(shop, source("a2", "a"), config_, {1}));
    EXPECT_EQ(store.put(shop, source("b", "b"), config_, {1}).error().code, Code::exhausted);
    EXPECT_FALSE(store.put({.name_space = "../x", .name = "y"}, source("c", "c"), config_, {1}));
}

TEST(ImageReference, Table) {
    const std::string digest = "sha256:" + std::string(64, 'a');
    struct Case {
        const char* name;
        std::string text;
        const char* code;  // nullptr: accepted
    };
    const Case cases[] = {
        {"an image from source", "dev.local/default/shop@" + digest, nullptr},
        {"an image of a registry", "ghcr.io/a/b@" + digest, "TM-411"},
        {"an image of the default registry", "nginx:1.25", "TM-411"},
        {"no digest", "dev.local/default/shop", "TM-411"},
        {"a tag", "dev.local/default/shop:v1", "TM-411"},
        {"too few parts", "dev.local/shop@" + digest, "TM-411"},
        {"too many parts", "dev.local/a/b/c@" + digest, "TM-411"},
        {"a short digest", "dev.local/default/shop@sha256:abc", "TM-411"},
        {"a name that is no label", "dev.local/default/shop_1@" + digest, "TM-411"},
        {"nothing", "", "TM-411"},
    };
    for (const auto& each : cases) {
        const auto parsed = parse_reference(each.text);
        EXPECT_EQ(parsed.has_value(), each.code == nullptr) << each.name;
        if (parsed) {
            EXPECT_EQ(parsed->text(), each.text) << each.name;
        } else if (each.code != nullptr) {
            EXPECT_EQ(parsed.error().message.substr(0, 6), each.code)
                << each.name << ": " << parsed.error().message;
        }
    }
}

TEST(StartPlan, EachRuntimeHasItsCommand) {
    const Toolbox tools{.runtimes = "/srv/runtimes", .static_server = "/srv/tidemill-static"};
    using Runtime = ImageConfig::Runtime;
    using Words = std::vector<std::string>;
    const auto plan = [&](const ImageConfig& config, const Words& command = {},
                          const Words& arguments = {}) {
        return plan_start(config, "/data/tree", tools, command, arguments);
    };
    const auto python = *plan({.runtime = Runtime::python, .handler = "a.py:run"});
    EXPECT_EQ(python.command,
              (Words{"/usr/bin/python3", "-I", "-S", "/opt/tidemill/runtimes/python/shim.py"}));
    EXPECT_EQ(python.environment, (NamedTexts{{"TIDEMILL_HANDLER", "a.py:run"}}));
    EXPECT_EQ(python.mounts, (std::vector<StartPlan::Mount>{
                                 {"/data/tree", "/app"},
                                 {"/srv/runtimes/python", "/opt/tidemill/runtimes/python"}}));
    EXPECT_EQ(python.listen, StartPlan::Listen::unix_socket);
    const auto node = *plan({.runtime = Runtime::node, .functions = {{"/a", "a.js"}}});
    EXPECT_EQ(node.command.back(), "/opt/tidemill/runtimes/node/shim.js");
    EXPECT_EQ(node.environment, (NamedTexts{{"TIDEMILL_FUNCTIONS", R"({"/a":"a.js"})"}}));
    const auto site = *plan({.runtime = Runtime::static_site});
    EXPECT_EQ(site.mounts[1].source, "/srv/tidemill-static");
    EXPECT_EQ(site.mounts[1].target, site.command[0]);
    const ImageConfig app{.runtime = Runtime::program, .command = {"/app/run", "x"}};
    EXPECT_EQ(plan(app)->command, (Words{"/app/run", "x"}));
    EXPECT_EQ(plan(app)->listen, StartPlan::Listen::port);
    EXPECT_EQ(plan(app, {}, {"y"})->command, (Words{"/app/run", "x", "y"}));
    EXPECT_EQ(plan(app, {"ls"}, {"y"})->command, (Words{"/usr/bin/env", "--", "ls", "y"}));
    EXPECT_FALSE(plan({.runtime = Runtime::python}, {}, {"y"}));
    EXPECT_FALSE(plan({.runtime = Runtime::program}));
}

TEST(Digest, IsThatOfTheStandard) {
    // FIPS 180-2, appendix B.1.
    EXPECT_EQ(digest_of("abc"),
              "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_FALSE(is_digest("sha256:" + std::string(64, 'A')));
    EXPECT_FALSE(is_digest("sha512:" + std::string(64, 'a')));
}

}  // namespace
}  // namespace tidemill::image
