#include <gtest/gtest.h>

#include "auth/certificate.h"
#include "auth/policy.h"
#include "auth/seal.h"
#include "auth/token.h"
#include "base/bytes.h"

namespace tidemill::auth {
namespace {

constexpr base::WallTime now{1'790'000'000'000'000'000};

TEST(Certificate, ALeafIsIssuedAndEndsWhenAskedFor) {
    const auto authority = make_authority("tidemill test", now);
    ASSERT_TRUE(authority) << authority.error().message;
    LeafRequest request;
    request.common_name = "api";
    request.dns_names = {"localhost"};
    request.ip_addresses = {"127.0.0.1", "::1"};
    const auto leaf = issue(*authority, request, now);
    ASSERT_TRUE(leaf) << leaf.error().message;
    EXPECT_EQ(*expiry(leaf->certificate_pem), now + request.lifetime);
    EXPECT_NE(leaf->key_pem.find("PRIVATE KEY"), std::string::npos);
}

TEST(Certificate, RefusesNamesThatWouldSmuggleOthers) {
    const auto authority = make_authority("tidemill test", now);
    for (const char* name : {"a,DNS:evil", "a b", "a:b"}) {
        LeafRequest request;
        request.dns_names = {name};
        EXPECT_EQ(issue(*authority, request, now).error().code, base::Code::invalid) << name;
    }
    LeafRequest request;
    request.ip_addresses = {"not-an-ip"};
    EXPECT_FALSE(issue(*authority, request, now));
    EXPECT_FALSE(issue(Identity{"x", "y"}, LeafRequest{}, now));
    EXPECT_FALSE(expiry("nonsense"));
}

std::string token_from(char fill) {
    const std::string entropy(32, fill);
    return make_token("user", base::as_bytes(entropy));
}

TEST(Token, IsRecognisedOfflineAndEachIsItsOwn) {
    const auto token = token_from('a');
    EXPECT_TRUE(token.starts_with("tidemill_user_"));
    EXPECT_TRUE(is_token_shaped(token));
    EXPECT_NE(token, token_from('b'));
    auto mistyped = token;
    mistyped[20] = mistyped[20] == 'x' ? 'y' : 'x';
    EXPECT_FALSE(is_token_shaped(mistyped));
    EXPECT_FALSE(is_token_shaped("tidemill_"));
    EXPECT_FALSE(is_token_shaped(""));
    // All bytes above 247: the digest of the entropy must take over.
    EXPECT_TRUE(is_token_shaped(token_from('\xff')));
}

TEST(Token, Sha256KnownAnswer) {
    // FIPS 180-4 example: SHA-256("abc").
    EXPECT_EQ(sha256_hex("abc"),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
    EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
    EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
}

TEST(Seal, OpensOnlyWithItsKeyInItsPlaceAndUnchanged) {
    const std::string key(32, 'k');
    const auto sealed = seal(key, "Secret/default/db", "password");
    EXPECT_EQ(sealed.find("password"), std::string::npos);
    EXPECT_NE(sealed, seal(key, "Secret/default/db", "password"));
    EXPECT_EQ(unseal(key, "Secret/default/db", sealed), "password");
    EXPECT_FALSE(unseal(std::string(32, 'x'), "Secret/default/db", sealed));
    EXPECT_FALSE(unseal(key, "Secret/default/other", sealed));
    EXPECT_FALSE(unseal(key, "Secret/default/db", sealed.substr(0, 20)));
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        auto changed = sealed;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_FALSE(unseal(key, "Secret/default/db", changed)) << i;
    }
    EXPECT_EQ(unseal(key, "", seal(key, "", "")), "");
}

TEST(Decide, Table) {
    const Policy policy{{{"ann", Role::viewer, ""},
                         {"dev", Role::developer, "shop"},
                         {"group:ops", Role::operator_, ""},
                         {"boss", Role::admin, ""}}};
    struct Case {
        const char* name;
        Subject subject;
        Access access;
        bool allowed;
    };
    const Access read_services{"list", "serving.knative.dev", "services", "", "shop", "", ""};
    const Access write_service{"create", "serving.knative.dev", "services", "", "shop", "", ""};
    const Access write_elsewhere{"create", "serving.knative.dev", "services", "", "bank", "", ""};
    const Access read_secret{"get", "", "secrets", "", "shop", "db", ""};
    const Access write_secret{"update", "", "secrets", "", "shop", "db", ""};
    const Access make_namespace{"create", "", "namespaces", "", "", "x", ""};
    const Access make_token_for_all{"create", "tidemill.dev", "tokens", "", "shop", "", ""};
    const Access version{"get", "", "", "", "", "", "/version"};
    const Access discovery{"get", "", "", "", "", "", "/apis"};
    const Access write_tokens_secret{"create", "", "secrets", "", "tidemill-system", "", ""};
    const Access write_config{"update", "", "configmaps", "", "knative-serving", "x", ""};
    const Access ask_oneself{
        "create", "authorization.k8s.io", "selfsubjectaccessreviews", "", "", "", ""};
    const Subject nobody{};
    for (const auto& c : {
             Case{"a viewer reads", {"ann", {}, ""}, read_services, true},
             Case{"a viewer does not write", {"ann", {}, ""}, write_service, false},
             Case{"a viewer does not read secrets", {"ann", {}, ""}, read_secret, false},
             Case{"a developer deploys in the own namespace", {"dev", {}, ""}, write_service, true},
             Case{"a developer deploys nowhere else", {"dev", {}, ""}, write_elsewhere, false},
             Case{"a developer writes secrets", {"dev", {}, ""}, write_secret, true},
             Case{"a developer does not read secrets", {"dev", {}, ""}, read_secret, false},
             Case{"a developer makes no namespace", {"dev", {}, ""}, make_namespace, false},
             Case{"an operator by group", {"eve", {"ops"}, ""}, write_elsewhere, true},
             Case{"an operator makes no tokens", {"eve", {"ops"}, ""}, make_token_for_all, false},
             Case{"an admin reads secrets", {"boss", {}, ""}, read_secret, true},
             Case{"masters may do everything", {"x", {"system:masters"}, ""}, make_namespace, true},
             Case{"an operator cannot forge a token",
                  {"eve", {"ops"}, ""},
                  write_tokens_secret,
                  false},
             Case{"an operator does not configure", {"eve", {"ops"}, ""}, write_config, false},
             Case{"an admin configures", {"boss", {}, ""}, write_config, true},
             Case{"whoever is known asks what they may", {"zed", {}, ""}, ask_oneself, true},
             Case{"nobody asks what they may", nobody, ask_oneself, false},
             Case{"nobody sees the version", nobody, version, true},
             Case{"nobody sees no kinds", nobody, discovery, false},
             Case{"whoever is known sees kinds", {"zed", {}, ""}, discovery, true},
             Case{"whoever has no role reads nothing", {"zed", {}, ""}, read_services, false},
         }) {
        const auto decision = decide(policy, c.subject, c.access);
        EXPECT_EQ(decision.allowed(), c.allowed) << c.name << ": " << decision.reason;
        EXPECT_FALSE(decision.reason.empty()) << c.name;
    }
}

}  // namespace
}  // namespace tidemill::auth
