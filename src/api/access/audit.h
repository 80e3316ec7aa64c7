// The record of who changed what: one JSON line per fact, each bound to the one before by a hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "async/task.h"
#include "auth/policy.h"
#include "base/result.h"
#include "host/host.h"
#include "host/offload.h"
#include "model/object/object.h"

namespace tidemill::api {

struct AuditRecord {
    enum class Stage : std::uint8_t {
        asked,   // allowed and about to be written; durable before it is
        done,    // what came of it
        denied,  // refused by policy
    } stage = Stage::asked;
    std::string id;  // equal in the records of one request
    auth::Subject who;
    std::string from;
    auth::Access what;
    std::string decision;
    std::optional<model::Json> before;  // documents; secrets are redacted when it is written
    std::optional<model::Json> after;
    int status = 0;       // of Stage::done
    std::string message;  // what was refused, or the uid and version that were written
};

// Where records go.
class AuditSink {
public:
    AuditSink() = default;
    AuditSink(const AuditSink&) = delete;
    AuditSink& operator=(const AuditSink&) = delete;
    virtual ~AuditSink() = default;

    // Goes on when the record is durable. Errors: exhausted (disk full, too many wait), unavailable
    // (the disk failed): the mutation must not be done.
    virtual async::Task<base::Status> record(AuditRecord record) = 0;
    // The same without waiting; what is lost is lost.
    virtual void note(AuditRecord record) = 0;
};

struct AuditLogOptions {
    std::string directory;  // DATA; the file is audit.log, older ones audit.log.1 and up
    std::uint64_t file_bytes_max = 64U << 20;
    std::size_t files_max = 8;  // with the one that is written
    std::size_t waiting_max = 10'000;
};

// The document without what must not leave the store: data of Secrets, and the annotations in which
// kubectl repeats it. Each value becomes "sha256:" and 8 digits of its digest, so that a change is
// seen.
model::Json redact(model::Json document);

// Group commit: records that wait at the same time are written and synced together by the thread of
// `offload`. A torn last line, which nobody was told of, is cut off when opening.
class AuditLog final : public AuditSink {
public:
    // Blocks. `host` and `offload` outlive it. Errors: invalid (the last line is no record: says
    // where), exhausted, unavailable.
    static base::Result<std::unique_ptr<AuditLog>> open(const host::Host& host,
                                                        host::Offload& offload,
                                                        AuditLogOptions options);
    ~AuditLog() override;
    async::Task<base::Status> record(AuditRecord record) override;
    void note(AuditRecord record) override;

private:
    struct State;
    explicit AuditLog(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

// Checks the lines of one file: that each is bound to the one before. The number of records.
// Errors: invalid, naming the first line that is not.
base::Result<std::size_t> verify_audit(std::string_view lines);

}  // namespace tidemill::api
