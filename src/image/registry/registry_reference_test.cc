#include "image/registry/registry_reference.h"

#include <gtest/gtest.h>

namespace tidemill::image {
namespace {

const std::string digest = "sha256:" + std::string(64, 'a');

TEST(RegistryReference, ShortNamesAreDockerHubs) {
    struct Case {
        const char* name;
        std::string text;
        RegistryReference want;
        std::string full;
    };
    const Case cases[] = {
        {"a bare name is official and latest",
         "nginx",
         {"docker.io", "library/nginx", "latest", ""},
         "docker.io/library/nginx:latest"},
        {"a tag",
         "nginx:1.25",
         {"docker.io", "library/nginx", "1.25", ""},
         "docker.io/library/nginx:1.25"},
        {"a user's image",
         "somebody/app",
         {"docker.io", "somebody/app", "latest", ""},
         "docker.io/somebody/app:latest"},
        {"the index is the hub",
         "index.docker.io/nginx",
         {"docker.io", "library/nginx", "latest", ""},
         "docker.io/library/nginx:latest"},
        {"a port makes a registry",
         "registry:5000/app:v1",
         {"registry:5000", "app", "v1", ""},
         "registry:5000/app:v1"},
        {"localhost is a registry",
         "localhost/app",
         {"localhost", "app", "latest", ""},
         "localhost/app:latest"},
        {"an address of version 6",
         "[::1]:5000/app",
         {"[::1]:5000", "app", "latest", ""},
         "[::1]:5000/app:latest"},
        {"a dot makes a registry",
         "ghcr.io/a/b/c@" + digest,
         {"ghcr.io", "a/b/c", "", digest},
         "ghcr.io/a/b/c@" + digest},
        {"both are kept",
         "quay.io/a/b:v1@" + digest,
         {"quay.io", "a/b", "v1", digest},
         "quay.io/a/b:v1@" + digest},
    };
    for (const auto& c : cases) {
        const auto got = parse_registry_reference(c.text);
        ASSERT_TRUE(got) << c.name << ": " << got.error().message;
        EXPECT_EQ(*got, c.want) << c.name << ": " << got->text();
        EXPECT_EQ(got->text(), c.full) << c.name;
    }
    EXPECT_EQ(parse_registry_reference("x/a.b_c__d---e/f")->repository, "x/a.b_c__d---e/f");
    // A dot in the first part says that it is a host, which may hold no underscore.
    EXPECT_FALSE(parse_registry_reference("a.b_c__d---e/f"));
    EXPECT_EQ(parse_registry_reference("nginx")->pinned(digest),
              "index.docker.io/library/nginx@" + digest);
    EXPECT_EQ(parse_registry_reference("r:1/a:t@" + digest)->wanted(), digest);
}

TEST(RegistryReference, WhatIsNoneIsRefused) {
    for (const std::string text :
         {"", "/", "a//b", "Nginx/x/", "UPPER/app:t/x", "a/b:", "a/b:.x", "a/B", "a/b@sha256:12",
          "a/b@md5:aa", "r:0/a", "r:x/a", "-r.io/a", "a/b_", "a/b___c", "a/b..c", "a/../b", "a/b c",
          "a/b\n"}) {
        const auto got = parse_registry_reference(text);
        ASSERT_FALSE(got) << text << " -> " << got->text();
        EXPECT_TRUE(got.error().message.starts_with("TM-411: ")) << got.error().message;
    }
}

TEST(RegistryReference, OwnImagesAreKnownByTheirRegistry) {
    EXPECT_TRUE(is_local_image("dev.local/default/shop@" + digest));
    EXPECT_FALSE(is_local_image("dev.localhost/default/shop"));
    EXPECT_FALSE(is_local_image("nginx"));
}

}  // namespace
}  // namespace tidemill::image
