#include "image/registry/registry_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "async/loop.h"
#include "base/bytes.h"
#include "base/text.h"
#include "http/client.h"
#include "http/message.h"
#include "image/digest.h"
#include "image/registry/challenge.h"
#include "wire/json.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;

// What this program can run, the most general first.
constexpr std::string_view accepted_documents =
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view user_agent = "tidemill";

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Worth asking again: the peer or the way to it has trouble, not our question.
bool is_passing(Code code) {
    return code == Code::unavailable || code == Code::deadline;
}

std::string media_type_of(const http::Headers& headers) {
    const auto field = headers.get("Content-Type");
    return base::lower(base::trim(field.substr(0, field.find(';'))));
}

// What a registry says is wrong: {"errors":[{"code":"…","message":"…"}]}; empty when it says
// nothing that can be shown.
std::string words_of(std::string_view body) {
    const auto parsed = wire::parse_json(body);
    if (!parsed) {
        return {};
    }
    const auto first = wire::JsonReader(*parsed).at("errors").at(std::size_t{0});
    const auto message = first.at("message").string_or("");
    const auto code = first.at("code").string_or("");
    const auto said = message && !message->empty() ? *message : code.value_or("");
    std::string text(said.substr(0, 200));
    // Into logs and terminals nothing goes that moves a cursor.
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
    return base::is_utf8(text) && !text.empty() ? fmt::format(" (it says: {})", text)
                                                : std::string();
}

}  // namespace

struct RegistryClient::Ask {
    std::string path;                // below /v2/REPOSITORY/
    std::string accept;              // empty: none
    std::string range;               // empty: none
    std::string authorisation = {};  // not sent to other hosts
    std::string method = "GET";
    std::string body = {};  // a form
};

struct RegistryClient::Answer {
    Location from;
    std::unique_ptr<http::ClientConnection> connection;
    http::ClientResponse response;
};

RegistryClient::RegistryClient(host::Host& host, http::StreamAdapter* tls,
                               RegistryReference reference, std::optional<Credential> credential,
                               RegistryLimits limits)
    : host_(host),
      tls_(tls),
      reference_(std::move(reference)),
      credential_(std::move(credential)),
      limits_(limits) {}

// One request on a connection of its own. `at` outlives the task.
async::Task<base::Result<RegistryClient::Answer>> RegistryClient::open(const Location& at,
                                                                       Ask ask) {
    const auto deadline = host_.loop.now() + limits_.answer_time_max;
    const auto unreachable = [&](const base::Error& error) {
        return fail(error.code == Code::deadline ? Code::deadline : Code::unavailable,
                    "TM-422: image {}: {} does not answer: {}", reference_.text(), at.host_field(),
                    error.message);
    };
    std::vector<host::IpAddress> addresses;
    const auto literal =
        host::parse_address(at.host.contains(':') ? fmt::format("[{}]:{}", at.host, at.port)
                                                  : fmt::format("{}:{}", at.host, at.port));
    if (literal && std::holds_alternative<host::IpAddress>(*literal)) {
        addresses.push_back(std::get<host::IpAddress>(*literal));
    } else {
        auto resolved = co_await host_.resolver.resolve(at.host, deadline);
        if (!resolved) {
            co_return unreachable(resolved.error());
        }
        addresses = *std::move(resolved);
    }
    // A registry out there must not send us to a service of this machine or of its cloud.
    const auto own = registry_location(reference_.registry);
    const bool may_be_loopback = own && is_loopback_host(own->host);
    std::erase_if(addresses, [&](const auto& address) {
        return is_link_local(address) || (is_this_machine(address) && !may_be_loopback);
    });
    if (addresses.empty()) {
        co_return fail(Code::denied,
                       "TM-421: image {}: {} is an address of this machine or of its "
                       "neighbourhood, where a registry elsewhere may not lead",
                       reference_.text(), at.host_field());
    }
    const bool encrypted = at.scheme == Location::Scheme::https;
    if (encrypted && tls_ == nullptr) {
        co_return fail(Code::unavailable, "TM-422: image {}: TLS is not set up", reference_.text());
    }
    if (!encrypted && !is_loopback_host(at.host)) {
        co_return fail(Code::denied,
                       "TM-421: image {}: {} speaks plain HTTP, which is taken from registries on "
                       "this machine only",
                       reference_.text(), at.host_field());
    }
    base::Result<std::unique_ptr<http::ClientConnection>> connection =
        fail(Code::unavailable, "no address");
    for (auto address : addresses) {
        address.port = at.port;
        connection = co_await http::ClientConnection::open(
            host_, address, encrypted ? tls_ : nullptr, at.host, deadline);
        if (connection) {
            break;
        }
    }
    if (!connection) {
        co_return unreachable(connection.error());
    }
    http::ClientRequest request;
    request.method = ask.method;
    request.target = at.target;
    request.host = at.host_field();
    request.headers.add("User-Agent", std::string(user_agent));
    if (!ask.accept.empty()) {
        request.headers.add("Accept", ask.accept);
    }
    if (!ask.range.empty()) {
        request.headers.add("Range", ask.range);
    }
    if (!ask.authorisation.empty()) {
        request.headers.add("Authorization", ask.authorisation);
    }
    if (!ask.body.empty()) {
        request.headers.add("Content-Type", "application/x-www-form-urlencoded");
        request.body = std::move(ask.body);
    }
    auto response = co_await (*connection)->send(std::move(request), deadline);
    if (!response) {
        co_return unreachable(response.error());
    }
    (*connection)->set_deadline(host_.loop.now() + limits_.silence_max);
    co_return Answer{at, *std::move(connection), *std::move(response)};
}

// Blobs often lie elsewhere: credentials do not go along.
async::Task<base::Result<RegistryClient::Answer>> RegistryClient::follow(Location at, Ask ask) {
    const auto origin = at;
    for (std::uint32_t hops = 0;; ++hops) {
        auto here = ask;
        if (!at.same_origin(origin)) {
            here.authorisation.clear();
        }
        CO_TRY(auto answer, co_await open(at, std::move(here)));
        if (!is_redirect(answer.response.status)) {
            co_return answer;
        }
        if (hops == limits_.redirects_max) {
            co_return fail(Code::invalid, "TM-423: image {}: {} redirects more than {} times",
                           reference_.text(), origin.host_field(), limits_.redirects_max);
        }
        auto next = parse_location(answer.response.headers.get("Location"), at);
        if (!next) {
            co_return fail(Code::invalid, "TM-423: image {}: {} redirects to no place: {}",
                           reference_.text(), at.host_field(), next.error().message);
        }
        if (at.scheme == Location::Scheme::https && next->scheme == Location::Scheme::http) {
            co_return fail(Code::denied,
                           "TM-421: image {}: {} redirects from TLS to plain HTTP at {}",
                           reference_.text(), at.host_field(), next->host_field());
        }
        at = *std::move(next);
    }
}

async::Task<base::Result<RegistryClient::Answer>> RegistryClient::ask(Ask ask) {
    CO_TRY(auto at, registry_location(reference_.registry));
    at.target = fmt::format("/v2/{}/{}", reference_.repository, ask.path);
    for (int attempt = 0;; ++attempt) {
        ask.authorisation = authorisation_;
        CO_TRY(auto answer, co_await follow(at, ask));
        if (answer.response.status != 401 || attempt == 1) {
            co_return answer;
        }
        CO_CHECK_OK(
            co_await authorise(answer, fmt::format("repository:{}:pull", reference_.repository)));
    }
}

// Asks again when the way or the registry has trouble; the answer may still be a refusal.
async::Task<base::Result<RegistryClient::Answer>> RegistryClient::ask_patiently(Ask wanted) {
    auto pause = limits_.retry_pause;
    for (std::uint32_t attempt = 1;; ++attempt) {
        auto answer = co_await ask(wanted);
        const bool passing =
            answer ? answer->response.status >= 500 : is_passing(answer.error().code);
        if (!passing || attempt >= limits_.attempts_max) {
            co_return answer;
        }
        co_await async::sleep_for(host_.loop, pause);
        pause *= 2;
    }
}

async::Task<base::Status> RegistryClient::authorise(const Answer& refused, std::string scope) {
    for (const auto& [name, value] : refused.response.headers) {
        if (!base::equals_ignoring_case(name, "WWW-Authenticate")) {
            continue;
        }
        for (const auto& challenge : parse_challenges(value)) {
            if (challenge.scheme == "bearer") {
                auto realm = parse_location(challenge.parameter("realm"), refused.from);
                if (!realm) {
                    co_return fail(Code::invalid,
                                   "TM-423: image {}: {} names no place to ask for a token",
                                   reference_.text(), refused.from.host_field());
                }
                const auto asked = challenge.parameter("scope");
                CO_TRY(const auto token,
                       co_await fetch_token(*std::move(realm), challenge.parameter("service"),
                                            asked.empty() ? std::move(scope) : asked));
                authorisation_ = "Bearer " + token;
                co_return base::ok;
            }
            if (challenge.scheme == "basic" && credential_ && !credential_->user.empty()) {
                authorisation_ = "Basic " + base::to_base64(base::as_bytes(credential_->user + ":" +
                                                                           credential_->password));
                co_return base::ok;
            }
        }
    }
    co_return fail(Code::denied,
                   "TM-421: image {}: {} asks for credentials{}; name a Secret of type "
                   "kubernetes.io/dockerconfigjson in imagePullSecrets",
                   reference_.text(), refused.from.host_field(),
                   credential_ ? " of a kind that is not known" : ", and none are given for it");
}

async::Task<base::Result<std::string>> RegistryClient::fetch_token(Location realm,
                                                                   std::string service,
                                                                   std::string scope) {
    Ask ask;
    if (credential_ && !credential_->identity_token.empty()) {
        ask.method = "POST";
        ask.body = fmt::format(
            "grant_type=refresh_token&client_id={}&service={}&scope={}&refresh_token={}",
            user_agent, http::percent_encode(service), http::percent_encode(scope),
            http::percent_encode(credential_->identity_token));
    } else {
        realm.target += fmt::format("{}service={}&scope={}", realm.target.contains('?') ? "&" : "?",
                                    http::percent_encode(service), http::percent_encode(scope));
        if (credential_ && !credential_->user.empty()) {
            ask.authorisation =
                "Basic " +
                base::to_base64(base::as_bytes(credential_->user + ":" + credential_->password));
        }
    }
    CO_TRY(auto answer, co_await follow(realm, std::move(ask)));
    const auto status = answer.response.status;
    if (status == 401 || status == 403 || status == 400) {
        co_return fail(Code::denied, "TM-421: image {}: {} gives no token for it ({}{})",
                       reference_.text(), realm.host_field(), status,
                       credential_ ? ": the credentials are wrong or do not cover it"
                                   : ": no credentials are given");
    }
    if (status != 200) {
        co_return fail(Code::unavailable, "TM-422: image {}: {} answered {} when asked for a token",
                       reference_.text(), realm.host_field(), status);
    }
    auto body = co_await answer.response.body().read_all(limits_.token_bytes_max);
    if (!body) {
        co_return fail(Code::unavailable, "TM-422: image {}: {} gives no whole token: {}",
                       reference_.text(), realm.host_field(), body.error().message);
    }
    const auto parsed = wire::parse_json(*body);
    std::string token;
    if (parsed) {
        for (const std::string_view name : {"token", "access_token"}) {
            const auto value = wire::JsonReader(*parsed).at(name).string_or("");
            if (token.empty() && value) {
                token = *value;
            }
        }
    }
    if (token.empty()) {
        co_return fail(Code::invalid, "TM-423: image {}: {} answers with no token",
                       reference_.text(), realm.host_field());
    }
    co_return token;
}

base::Status RegistryClient::judge(const Answer& answer, std::string_view what) const {
    const auto status = answer.response.status;
    if (status == 200 || status == 206) {
        return base::ok;
    }
    const auto at = answer.from.host_field();
    switch (status) {
        case 404:
            return fail(Code::not_found, "TM-420: image {}: {} has no {}", reference_.text(), at,
                        what);
        case 401:
        case 403:
            return fail(Code::denied,
                        "TM-421: image {}: {} refuses {} ({}); the credentials are wrong, do not "
                        "cover it, or are missing",
                        reference_.text(), at, what, status);
        case 429:
            return fail(Code::exhausted, "TM-422: image {}: {} asks to wait: too many requests",
                        reference_.text(), at);
        default:
            return fail(Code::unavailable, "TM-422: image {}: {} answered {} when asked for {}",
                        reference_.text(), at, status, what);
    }
}

async::Task<base::Result<RegistryClient::Document>> RegistryClient::document(
    std::string tag_or_digest) {
    auto pause = limits_.retry_pause;
    for (std::uint32_t attempt = 1;; ++attempt) {
        CO_TRY(auto answer, co_await ask_patiently({.path = "manifests/" + tag_or_digest,
                                                    .accept = std::string(accepted_documents),
                                                    .range = {}}));
        auto text = co_await answer.response.body().read_all(limits_.document_bytes_max);
        if (!text) {
            if (is_passing(text.error().code) && attempt < limits_.attempts_max) {
                co_await async::sleep_for(host_.loop, pause);
                pause *= 2;
                continue;
            }
            if (text.error().code == Code::exhausted) {
                co_return fail(Code::exhausted,
                               "TM-426: image {}: the manifest of {} at {} is too large: {}",
                               reference_.text(), tag_or_digest, answer.from.host_field(),
                               text.error().message);
            }
            co_return fail(text.error().code,
                           "TM-422: image {}: the manifest of {} at {} does not come whole: {}",
                           reference_.text(), tag_or_digest, answer.from.host_field(),
                           text.error().message);
        }
        if (auto judged = judge(answer, "manifest of " + tag_or_digest); !judged) {
            judged.error().message += words_of(*text);
            co_return std::unexpected(std::move(judged).error());
        }
        Document found{.text = *std::move(text),
                       .media_type = media_type_of(answer.response.headers),
                       .digest = {}};
        found.digest = digest_of(found.text);
        const auto said = std::string(answer.response.headers.get("Docker-Content-Digest"));
        const auto& expected = is_digest(tag_or_digest) ? tag_or_digest : said;
        if (is_digest(expected) && expected != found.digest) {
            co_return fail(Code::invalid,
                           "TM-423: image {}: the manifest that {} gives for {} has the digest {}",
                           reference_.text(), answer.from.host_field(), expected, found.digest);
        }
        co_return found;
    }
}

// How many bytes went to the sink before the body ended or broke; more than `left` is a lie.
async::Task<base::Result<std::uint64_t>> RegistryClient::pass_on(Answer& answer, std::uint64_t left,
                                                                 BlobSink& sink) {
    std::uint64_t passed = 0;
    for (;;) {
        answer.connection->set_deadline(host_.loop.now() + limits_.silence_max);
        auto piece = co_await answer.response.body().next();
        if (!piece && !is_passing(piece.error().code)) {
            co_return fail(Code::invalid, "TM-423: image {}: {}", reference_.text(),
                           piece.error().message);
        }
        if (!piece || !*piece) {
            co_return passed;
        }
        passed += (*piece)->size();
        if (passed > left) {
            co_return fail(Code::invalid,
                           "TM-423: image {}: {} gives more bytes for a layer than its manifest "
                           "says",
                           reference_.text(), answer.from.host_field());
        }
        CO_CHECK_OK(co_await sink.add(**std::move(piece)));
    }
}

async::Task<base::Status> RegistryClient::blob(std::string digest, std::uint64_t size,
                                               BlobSink& sink) {
    std::uint64_t have = 0;
    auto pause = limits_.retry_pause;
    std::uint32_t attempt = 0;
    while (have < size) {
        CO_TRY(auto answer,
               co_await ask_patiently(
                   {.path = "blobs/" + digest,
                    .accept = {},
                    .range = have == 0 ? std::string() : fmt::format("bytes={}-", have)}));
        CO_CHECK_OK(judge(answer, "blob " + digest));
        if (have > 0 && answer.response.status != 206) {
            // It does not know ranges.
            CO_CHECK_OK(co_await sink.restart());
            have = 0;
        }
        CO_TRY(const auto passed, co_await pass_on(answer, size - have, sink));
        have += passed;
        if (have == size) {
            break;
        }
        attempt = passed > 0 ? 1 : attempt + 1;
        // A registry that ends its answers early again and again gives one piece each time: the
        // caller's time limit ends that.
        if (attempt >= limits_.attempts_max) {
            co_return fail(Code::unavailable,
                           "TM-422: image {}: {} ends its answer for {} after {} of {} bytes",
                           reference_.text(), answer.from.host_field(), digest, have, size);
        }
        co_await async::sleep_for(host_.loop, pause);
        pause = passed > 0 ? limits_.retry_pause : pause * 2;
    }
    co_return base::ok;
}

}  // namespace tidemill::image
