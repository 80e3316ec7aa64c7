#include "model/object/names.h"

#include <gtest/gtest.h>

namespace tidemill::model {
namespace {

TEST(Names, LabelsAndSubdomains) {
    const std::string long_label(64, 'a');
    struct Case {
        const char* name;
        std::vector<std::string> (*check)(std::string_view);
        std::string text;
        std::vector<std::string> want;
    };
    const Case cases[] = {
        {"a plain label is fine", check_dns1123_label, "shop-1", {}},
        {"a label may begin with a digit", check_dns1123_label, "1shop", {}},
        {"a label has no dots", check_dns1123_label, "a.b", {"must not contain dots"}},
        {"63 bytes are enough", check_dns1123_label, std::string(63, 'a'), {}},
        {"64 bytes are too many",
         check_dns1123_label,
         long_label,
         {"must be no more than 63 characters"}},
        {"upper case is refused",
         check_dns1123_label,
         "Shop",
         {"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
          "and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
          "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"}},
        {"DNS-1035 wants a letter first",
         check_dns1035_label,
         "1shop",
         {"a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "
          "an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
          "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"}},
        {"a prefix may end in a dash", check_dns1035_prefix, "shop-", {}},
        {"a subdomain may have dots", check_dns1123_subdomain, "a.b-c.d", {}},
        {"an at sign is no subdomain",
         check_dns1123_subdomain,
         "foo@bar.baz",
         {"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
          "or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
          "regex used for validation is "
          "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"}},
        {"254 bytes are no subdomain",
         check_dns1123_subdomain,
         std::string(254, 'a'),
         {"must be no more than 253 characters"}},
        {"a label key may have a prefix", check_label_key, "example.com/Name_1", {}},
        {"an empty prefix is refused", check_label_key, "/name", {"prefix part must be non-empty"}},
        {"a label value may be empty", check_label_value, "", {}},
        {"a label value is short",
         check_label_value,
         long_label,
         {"must be no more than 63 characters"}},
        {"a data key may begin with a dot", check_data_key, ".env", {}},
        {"a data key is not the parent directory", check_data_key, "..", {"must not be '..'"}},
        {"a data key does not begin with two dots",
         check_data_key,
         "..a",
         {"must not start with '..'"}},
        {"a variable may have a dot", check_environment_name, "my.NAME-1", {}},
        {"a port name needs a letter",
         check_port_name,
         "80",
         {"must contain at least one letter (a-z)"}},
        {"a port name has no double dash",
         check_port_name,
         "a--b",
         {"must not contain consecutive hyphens"}},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(c.check(c.text), c.want) << c.name;
    }
}

TEST(Names, ALabelKeyHasAtMostOneSlash) {
    const auto reasons = check_label_key("a/b/c");
    ASSERT_EQ(reasons.size(), 1U);
    EXPECT_TRUE(reasons[0].starts_with("a valid label key must consist of")) << reasons[0];
}

TEST(Names, AVariableDoesNotBeginWithADigit) {
    EXPECT_FALSE(check_environment_name("1A").empty());
    EXPECT_FALSE(check_environment_name("A B").empty());
}

TEST(Names, GeneratedNamesKeepTheBaseAndFitALabel) {
    EXPECT_EQ(generate_name("shop-", 0), "shop-bbbbb");
    EXPECT_EQ(generate_name("shop-", 1), "shop-cbbbb");
    EXPECT_EQ(generate_name(std::string(80, 'a'), 27).size(), 63U);
    EXPECT_NE(generate_name("a-", 12345), generate_name("a-", 54321));
}

// The expected names come from Knative's own test table (knative/pkg kmeta/names_test.go).
TEST(Names, ChildNamesAreThoseOfKnative) {
    struct Case {
        const char* name;
        std::string parent;
        std::string suffix;
        std::string want;
    };
    std::string many;
    for (int i = 0; i < 20; ++i) {
        many += "b---a";
    }
    const Case cases[] = {
        {"short names are joined", "asdf", "-deployment", "asdf-deployment"},
        {"63 bytes fit", std::string(52, 'f'), "-deployment", std::string(52, 'f') + "-deployment"},
        {"a long parent is cut and hashed", std::string(63, 'f'), "-deployment",
         "ffffffffffffffffffff105d7597f637e83cc711605ac3ea4957-deployment"},
        {"a shorter suffix leaves more of the parent", std::string(63, 'f'), "-deploy",
         "ffffffffffffffffffffffff105d7597f637e83cc711605ac3ea4957-deploy"},
        {"a long suffix is hashed with its parent", std::string(63, 'f'), std::string(63, 'f'),
         "fffffffffffffffffffffffffffffff0502661254f13c89973cb3a83e0cbec0"},
        {"a short parent leaves room for the suffix", "a", std::string(63, 'f'),
         "ab5cfd486935decbc0d305799f4ce4414ffffffffffffffffffffffffffffff"},
        {"a trailing dash is cut off", "aaaa", many,
         "aaaa7a3f7966594e3f0849720eced8212c18b---ab---ab---ab---ab---ab"},
        {"so are dots", std::string(17, 'a'), "a.-.-.-.-.-.-.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "aaaaaaaaaaaaaaaaaa1eb10dc911444f8434af83b7225442da"},
    };
    for (const auto& c : cases) {
        const auto got = child_name(c.parent, c.suffix);
        EXPECT_LE(got.size(), 63U) << c.name;
        EXPECT_EQ(got, c.want) << c.name;
    }
}

TEST(Names, ImageReferences) {
    const std::string digest(64, 'a');
    const char* const fine[] = {"nginx", "nginx:1.25", "localhost:5000/app", "ghcr.io/a/b:V1",
                                "dev.local/default/shop"};
    for (const auto* text : fine) {
        EXPECT_EQ(check_image_reference(text), "") << text;
    }
    EXPECT_EQ(check_image_reference("dev.local/a/b@sha256:" + digest), "");
    EXPECT_EQ(check_image_reference("dev.local/a/b:v1@sha256:" + digest), "");
    const char* const wrong[] = {"", "Nginx", "a b", "nginx:ta g", "nginx@sha256:12", "x"};
    for (const auto* text : wrong) {
        EXPECT_EQ(check_image_reference(text), std::string("could not parse reference: ") + text);
    }
}

}  // namespace
}  // namespace tidemill::model
