// Asks one registry for what belongs to one repository: the distribution API, version 2
// (github.com/opencontainers/distribution-spec), with the token protocol that registries share
// (distribution.github.io/distribution/spec/auth/token).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "async/task.h"
#include "base/result.h"
#include "host/host.h"
#include "image/registry/credentials.h"
#include "image/registry/location.h"
#include "image/registry/registry_reference.h"

namespace tidemill::http {
class StreamAdapter;
}  // namespace tidemill::http

namespace tidemill::image {

struct RegistryLimits {
    std::uint64_t document_bytes_max = 4U << 20;  // manifests; as containerd limits them
    std::uint64_t token_bytes_max = 64U << 10;
    base::Duration answer_time_max = std::chrono::seconds(20);    // until an answer's head is there
    base::Duration silence_max = std::chrono::seconds(20);        // between two pieces of a body
    base::Duration retry_pause = std::chrono::milliseconds(500);  // doubles
    std::uint32_t attempts_max = 4;                               // in a row without progress
    std::uint32_t redirects_max = 5;
};

// Takes the bytes of a blob as they come.
class BlobSink {
public:
    BlobSink() = default;
    BlobSink(const BlobSink&) = delete;
    BlobSink& operator=(const BlobSink&) = delete;
    virtual ~BlobSink() = default;
    virtual async::Task<base::Status> add(std::string piece) = 0;
    // Forgets what was added: the registry begins from the first byte again.
    virtual async::Task<base::Status> restart() = 0;
};

// Of one pull: keeps its tokens, nothing else. One loop's thread.
//
// Errors of all calls: not_found (TM-420), denied (TM-421), unavailable and deadline (TM-422),
// exhausted (TM-422: it asks us to wait; TM-426: larger than allowed), invalid (TM-423: what it
// says is not what it must be).
class RegistryClient {
public:
    // `tls` is null where only registries of this machine are asked. All outlive it.
    RegistryClient(host::Host& host, http::StreamAdapter* tls, RegistryReference reference,
                   std::optional<Credential> credential, RegistryLimits limits);
    RegistryClient(const RegistryClient&) = delete;
    RegistryClient& operator=(const RegistryClient&) = delete;

    struct Document {
        std::string text;
        std::string media_type;
        std::string digest;  // of the text
    };
    // The manifest or index of a tag or digest. That of a digest has that digest.
    async::Task<base::Result<Document>> document(std::string tag_or_digest);

    // All bytes of a blob, `size` of them; goes on where it was when the connection breaks. Whether
    // they are those of the digest is for the caller to check.
    async::Task<base::Status> blob(std::string digest, std::uint64_t size, BlobSink& sink);

private:
    struct Answer;
    struct Ask;

    async::Task<base::Result<Answer>> open(const Location& at, Ask ask);
    async::Task<base::Result<Answer>> follow(Location at, Ask ask);
    async::Task<base::Result<Answer>> ask(Ask ask);
    async::Task<base::Result<Answer>> ask_patiently(Ask ask);
    async::Task<base::Status> authorise(const Answer& refused, std::string scope);
    async::Task<base::Result<std::string>> fetch_token(Location realm, std::string service,
                                                       std::string scope);
    async::Task<base::Result<std::uint64_t>> pass_on(Answer& answer, std::uint64_t left,
                                                     BlobSink& sink);
    base::Status judge(const Answer& answer, std::string_view what) const;

    host::Host& host_;
    http::StreamAdapter* tls_;
    RegistryReference reference_;
    std::optional<Credential> credential_;
    RegistryLimits limits_;
    std::string authorisation_;  // value of the field; empty: none
};

}  // namespace tidemill::image
