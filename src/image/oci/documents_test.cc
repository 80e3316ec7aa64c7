// What registries and archives say: manifests, indexes, configurations, credentials, challenges.
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "host_linux/disk/linux_disk.h"
#include "host_linux/disk/scratch_directory.h"
#include "image/oci/manifest.h"
#include "image/oci/oci_config.h"
#include "image/platform.h"
#include "image/registry/challenge.h"
#include "image/registry/credentials.h"
#include "image/registry/location.h"

namespace tidemill::image {
namespace {

const std::string a = "sha256:" + std::string(64, 'a');
const std::string b = "sha256:" + std::string(64, 'b');

std::string descriptor(const std::string& digest, const std::string& more = "") {
    return R"({"mediaType":"t","digest":")" + digest + R"(","size":7)" + more + "}";
}

TEST(Manifest, SaysConfigurationAndLayers) {
    const auto text =
        R"({"schemaVersion":2,"config":)" + descriptor(a) + R"(,"layers":[)" + descriptor(b) + "]}";
    // A type that nobody knows is another thing than an image.
    EXPECT_TRUE(read_manifest(text).error().message.starts_with("TM-425: "));
    Manifest manifest{
        .config = {"application/vnd.docker.container.image.v1+json", a, 7},
        .layers = {{"application/vnd.oci.image.layer.v1.tar+gzip", b, 9}},
    };
    const auto read = read_manifest(write_manifest(manifest));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(std::get<Manifest>(*read), manifest);
}

TEST(Manifest, WhatIsNoneIsRefused) {
    struct Case {
        const char* name;
        std::string text;
        const char* code;
    };
    const std::string config = R"("config":{"digest":")" + a + R"(","size":1})";
    const Case cases[] = {
        {"no JSON", "{", "TM-423"},
        {"no version", "{}", "TM-423"},
        {"schema 1", R"({"schemaVersion":1})", "TM-425"},
        {"no configuration", R"({"schemaVersion":2,"layers":[]})", "TM-423"},
        {"another digest",
         R"({"schemaVersion":2,"config":{"digest":"sha512:00","size":1},"layers":[]})", "TM-423"},
        {"a negative size", R"({"schemaVersion":2,"config":{"digest":")" + a + R"(","size":-1}})",
         "TM-423"},
        {"a foreign layer",
         R"({"schemaVersion":2,)" + config +
             R"(,"layers":[{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",)"
             R"("digest":")" +
             b + R"(","size":1}]})",
         "TM-425"},
        {"an artifact",
         R"({"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json",)"
         R"("digest":")" +
             a + R"(","size":1},"layers":[]})",
         "TM-425"},
    };
    for (const auto& c : cases) {
        const auto read = read_manifest(c.text);
        ASSERT_FALSE(read) << c.name;
        EXPECT_TRUE(read.error().message.starts_with(c.code)) << c.name << read.error().message;
    }
    EXPECT_EQ(read_manifest(R"({"schemaVersion":2,)" + config + R"(,"layers":[)" + descriptor(a) +
                                "," + descriptor(b) + "]}",
                            {.layers_max = 1})
                  .error()
                  .code,
              base::Code::exhausted);
}

TEST(Index, ThisMachinesImageIsChosen) {
    const auto platform = [](std::string_view os, std::string_view architecture) {
        return R"(,"platform":{"os":")" + std::string(os) + R"(","architecture":")" +
               std::string(architecture) + R"("})";
    };
    const auto index = [](const std::string& entries) {
        const auto read = read_manifest(R"({"schemaVersion":2,"manifests":[)" + entries + "]}");
        EXPECT_TRUE(read) << read.error().message;
        return std::get<Index>(*read);
    };
    const auto ours = descriptor(b, platform("linux", host_architecture));
    EXPECT_EQ(
        choose_platform(index(descriptor(a, platform("windows", host_architecture)) + "," + ours))
            ->descriptor.digest,
        b);
    EXPECT_EQ(choose_platform(index(descriptor(a)))->descriptor.digest, a);
    const auto none = choose_platform(index(descriptor(a, platform("linux", "s390x")) + "," +
                                            descriptor(b, platform("unknown", "unknown"))));
    ASSERT_FALSE(none);
    EXPECT_TRUE(none.error().message.starts_with("TM-425: ")) << none.error().message;
    EXPECT_TRUE(none.error().message.ends_with("there is linux/s390x")) << none.error().message;
}

TEST(OciConfig, SaysHowToStart) {
    const auto config = read_oci_config(R"({"os":"linux","architecture":")" +
                                        std::string(host_architecture) + R"(","config":{
        "Entrypoint":["/bin/app"],"Cmd":["-v"],"Env":["A=1","B=x=y","A=2","BARE"],
        "WorkingDir":"/srv","User":"app:staff",
        "ExposedPorts":{"9000/tcp":{},"80":{},"53/udp":{}}},
        "rootfs":{"type":"layers","diff_ids":[")" +
                                        a + R"("]}})");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(*config, (OciConfig{.entrypoint = {"/bin/app"},
                                  .command = {"-v"},
                                  .environment = {{"B", "x=y"}, {"A", "2"}},
                                  .working_directory = "/srv",
                                  .user = "app:staff",
                                  .exposed_ports = {80, 9000},
                                  .diff_ids = {a}}));
    EXPECT_TRUE(read_oci_config(R"({"config":null})")) << "buildah leaves out what is empty";
    for (const auto& [text, code] : std::vector<std::pair<std::string, std::string>>{
             {"[]", "TM-423"},
             {R"({"os":"windows"})", "TM-425"},
             {R"({"architecture":"s390x"})", "TM-425"},
             {R"({"config":{"Cmd":"text"}})", "TM-423"},
             {R"({"config":{"Env":["=x"]}})", "TM-423"},
             {R"({"config":{"WorkingDir":"relative"}})", "TM-427"}}) {
        const auto read = read_oci_config(text);
        ASSERT_FALSE(read) << text;
        EXPECT_TRUE(read.error().message.starts_with(code)) << read.error().message;
    }
}

TEST(OciConfig, UsersAreThoseOfTheImage) {
    const host_linux::ScratchDirectory scratch;
    host_linux::LinuxDisk disk;
    const auto tree = scratch.path();
    const auto put = [&](const std::string& name, std::string_view text) {
        ASSERT_TRUE((*disk.open(tree + name, host::Disk::Open::create, 0600))->write_at(0, text));
    };
    ASSERT_TRUE(disk.make_directories(tree + "/etc", 0755));
    EXPECT_EQ(*find_user(disk, tree, ""), (OciUser{0, 0, ""})) << "no passwd is no trouble";
    EXPECT_EQ(*find_user(disk, tree, "12:13"), (OciUser{12, 13, ""}));
    EXPECT_TRUE(find_user(disk, tree, "app").error().message.starts_with("TM-427: "));
    put("/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\napp:x:101:102:The app:/home/app:/bin/sh\n"
        "broken\n:::\n");
    put("/etc/group", "root:x:0:\nstaff:x:50:app\n");
    EXPECT_EQ(*find_user(disk, tree, ""), (OciUser{0, 0, "/root"}));
    EXPECT_EQ(*find_user(disk, tree, "app"), (OciUser{101, 102, "/home/app"}));
    EXPECT_EQ(*find_user(disk, tree, "101"), (OciUser{101, 102, "/home/app"}));
    EXPECT_EQ(*find_user(disk, tree, "app:staff"), (OciUser{101, 50, "/home/app"}));
    EXPECT_EQ(*find_user(disk, tree, "7"), (OciUser{7, 0, ""}));
    EXPECT_FALSE(find_user(disk, tree, "app:nobody-knows"));
    EXPECT_FALSE(find_user(disk, tree, "99999999999"));
}

TEST(Credentials, TheLongestNameThatCoversWins) {
    Credentials known;
    ASSERT_TRUE(known.add(R"({"auths":{
        "https://index.docker.io/v1/":{"auth":"aHViOnB3"},
        "registry:5000":{"username":"all","password":"p"},
        "registry:5000/team":{"username":"team","password":"t"},
        "quay.io":{"identitytoken":"idt"}}})"));
    EXPECT_EQ(known.find("docker.io", "library/nginx")->user, "hub");
    EXPECT_EQ(known.find("docker.io", "library/nginx")->password, "pw");
    EXPECT_EQ(known.find("registry:5000", "team/app")->user, "team");
    EXPECT_EQ(known.find("registry:5000", "teams/app")->user, "all");
    EXPECT_EQ(known.find("quay.io", "a/b")->identity_token, "idt");
    EXPECT_FALSE(known.find("ghcr.io", "a/b"));
    Credentials old_form;
    ASSERT_TRUE(old_form.add(R"({"ghcr.io":{"auth":"dTpwOnE="}})"));
    EXPECT_EQ(old_form.find("ghcr.io", "x")->password, "p:q");
    const auto bad = known.add(R"({"auths":{"x":{"auth":"c2VjcmV0"}}})");
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().message.find("c2VjcmV0"), std::string::npos) << bad.error().message;
    EXPECT_FALSE(known.add("secret text").error().message.contains("secret text"));
}

TEST(Challenge, IsReadAsRegistriesWriteIt) {
    const auto found = parse_challenges(
        R"(Bearer realm="https://auth.example/token?x=1",service="reg, istry",)"
        R"(scope="repository:a/b:pull,push",error="invalid\"token", Basic realm=plain)");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].scheme, "bearer");
    EXPECT_EQ(found[0].parameter("realm"), "https://auth.example/token?x=1");
    EXPECT_EQ(found[0].parameter("service"), "reg, istry");
    EXPECT_EQ(found[0].parameter("scope"), "repository:a/b:pull,push");
    EXPECT_EQ(found[0].parameter("error"), "invalid\"token");
    EXPECT_EQ(found[0].parameter("none"), "");
    EXPECT_EQ(found[1].scheme, "basic");
    EXPECT_EQ(found[1].parameter("realm"), "plain");
    for (const auto* text : {"", ",,,", "=", "Bearer realm=\"open", "Bearer realm=", "\"", "a=b"}) {
        const auto odd = parse_challenges(text);
        EXPECT_TRUE(odd.empty() || odd.front().parameter("realm").empty()) << text;
    }
}

TEST(Location, UrlsAreTakenApartAndRelativeOnesFollowed) {
    const auto base = *registry_location("registry.example:5000");
    EXPECT_EQ(base.text(), "https://registry.example:5000/");
    EXPECT_EQ(registry_location("docker.io")->text(), "https://registry-1.docker.io/");
    EXPECT_EQ(registry_location("localhost:5000")->text(), "http://localhost:5000/");
    EXPECT_EQ(registry_location("127.0.0.1")->text(), "http://127.0.0.1/");
    EXPECT_EQ(registry_location("[::1]:5000")->text(), "http://[::1]:5000/");
    EXPECT_EQ(parse_location("/v2/x?a=b#c", base)->text(),
              "https://registry.example:5000/v2/x?a=b");
    EXPECT_EQ(parse_location("//cdn/x", base)->text(), "https://cdn/x");
    EXPECT_EQ(parse_location("HTTP://CDN:80?q", base)->text(), "http://cdn/?q");
    EXPECT_FALSE(parse_location("/", base)->same_origin(*parse_location("//cdn/x", base)));
    EXPECT_TRUE(parse_location("/y", base)->same_origin(base));
    for (const auto* bad : {"", "ftp://x/", "x/y", "https://", "https://u@h/", "https://h:0/",
                            "https://h:70000/", "https://h/a b", "https://h/\r\nX: y"}) {
        EXPECT_FALSE(parse_location(bad, base)) << bad;
    }
}

TEST(Location, NeighboursAndThisMachineAreKnown) {
    for (const auto* text : {"localhost", "registry.localhost", "127.0.0.1", "127.9.9.9", "::1"}) {
        EXPECT_TRUE(is_loopback_host(text)) << text;
    }
    for (const auto* text : {"localhost.example", "10.0.0.1", "example", "::2", "128.0.0.1"}) {
        EXPECT_FALSE(is_loopback_host(text)) << text;
    }
    const auto address = [](const char* text) {
        return std::get<host::IpAddress>(*host::parse_address(text));
    };
    for (const auto* text :
         {"127.0.0.1:1", "0.0.0.0:1", "[::]:1", "[::1]:1", "[::ffff:7f00:1]:1"}) {
        EXPECT_TRUE(is_this_machine(address(text))) << text;
    }
    EXPECT_FALSE(is_this_machine(address("10.0.0.1:1")));
    EXPECT_FALSE(is_this_machine(address("[fd00::1]:1")));
    EXPECT_TRUE(is_link_local(address("169.254.169.254:80")));
    EXPECT_TRUE(is_link_local(address("[fe80::1]:80")));
    EXPECT_TRUE(is_link_local(address("[::ffff:a9fe:a9fe]:80")));
    EXPECT_FALSE(is_link_local(address("169.253.1.1:80")));
    EXPECT_FALSE(is_link_local(address("[fd00::1]:80")));
}

}  // namespace
}  // namespace tidemill::image
