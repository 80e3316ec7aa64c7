#include "api/access/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "async/event.h"
#include "auth/token.h"
#include "base/text.h"
#include "model/serving/annotations.h"
#include "wire/json.h"

namespace tidemill::api {
namespace {

using base::Code;
using model::as_json;
using model::Json;
using model::JsonObject;

// The chain begins at nothing.
constexpr std::string_view first_hash =
    "0000000000000000000000000000000000000000000000000000000000000000";
constexpr std::size_t line_bytes_max = 16U << 20;

std::string digest_of(const Json& value) {
    return "sha256:" + auth::sha256_hex(wire::write_json(value)).substr(0, 8);
}

std::string_view stage_name(AuditRecord::Stage stage) {
    switch (stage) {
        case AuditRecord::Stage::asked:
            return "asked";
        case AuditRecord::Stage::done:
            return "done";
        case AuditRecord::Stage::denied:
            return "denied";
    }
    return "";
}

void put_text(JsonObject& into, std::string_view key, std::string_view text) {
    if (!text.empty()) {
        into[key] = as_json(text);
    }
}

JsonObject to_json(AuditRecord record) {
    JsonObject who{{"name", as_json(record.who.name)}, {"method", as_json(record.who.method)}};
    model::JsonArray groups;
    for (const auto& group : record.who.groups) {
        groups.push_back(as_json(group));
    }
    who["groups"] = std::move(groups);
    JsonObject what{{"verb", as_json(record.what.verb)}};
    put_text(what, "group", record.what.api_group);
    put_text(what, "resource", record.what.resource);
    put_text(what, "subresource", record.what.subresource);
    put_text(what, "namespace", record.what.space);
    put_text(what, "name", record.what.name);
    put_text(what, "path", record.what.path);
    JsonObject out{{"stage", as_json(stage_name(record.stage))},
                   {"id", as_json(record.id)},
                   {"who", std::move(who)},
                   {"from", as_json(record.from)},
                   {"what", std::move(what)}};
    put_text(out, "decision", record.decision);
    if (record.before) {
        out["before"] = redact(*std::move(record.before));
    }
    if (record.after) {
        out["after"] = redact(*std::move(record.after));
    }
    if (record.status != 0) {
        out["status"] = record.status;
    }
    put_text(out, "message", record.message);
    return out;
}

struct Chain {
    std::uint64_t sequence = 0;
    std::string hash{first_hash};
};

// One line: the record, its place in the chain, and the hash over all of that.
std::string seal_line(JsonObject record, base::WallTime now, Chain& chain) {
    JsonObject line{{"version", 1},
                    {"sequence", ++chain.sequence},
                    {"time", as_json(base::format_rfc3339_ns(now))}};
    for (auto& member : record) {
        line[member.key()] = std::move(member.value());
    }
    line["previous"] = as_json(chain.hash);
    std::string text = wire::write_json(line);
    chain.hash = auth::sha256_hex(text);
    // The hash is the last member, so that a reader takes it off the text to check the rest.
    text.pop_back();
    text += fmt::format(",\"hash\":\"{}\"}}\n", chain.hash);
    return text;
}

constexpr std::string_view hash_start = ",\"hash\":\"";

// What a line says of the chain. Errors: invalid.
base::Result<Chain> read_line(std::string_view line, std::string* previous) {
    const auto at = line.rfind(hash_start);
    if (at == std::string_view::npos || line.size() != at + hash_start.size() + 64 + 2) {
        return base::fail(Code::invalid, "is no audit record");
    }
    Chain chain;
    chain.hash = line.substr(at + hash_start.size(), 64);
    const std::string covered = std::string(line.substr(0, at)) + "}";
    if (auth::sha256_hex(covered) != chain.hash) {
        return base::fail(Code::invalid, "was changed: its hash does not fit it");
    }
    TRY(const auto document, wire::parse_json(covered, {.bytes_max = line_bytes_max}));
    const wire::JsonReader reader(document);
    TRY(const auto sequence, reader.at("sequence").integer(1));
    chain.sequence = static_cast<std::uint64_t>(sequence);
    TRY(const auto before, reader.at("previous").string());
    if (previous != nullptr) {
        *previous = before;
    }
    return chain;
}

}  // namespace

Json redact(Json document) {
    auto* object = document.if_object();
    if (object == nullptr || model::text_at(*object, {"kind"}) != "Secret") {
        return document;
    }
    for (const auto* field : {"data", "stringData"}) {
        if (auto* data = object->if_contains(field); data != nullptr && data->is_object()) {
            for (auto& member : data->get_object()) {
                member.value() = digest_of(member.value());
            }
        }
    }
    if (auto* metadata = object->if_contains("metadata");
        metadata != nullptr && metadata->is_object()) {
        if (auto* annotations = metadata->get_object().if_contains("annotations");
            annotations != nullptr && annotations->is_object()) {
            for (auto& member : annotations->get_object()) {
                if (member.key() == model::annotation_last_applied) {
                    member.value() = digest_of(member.value());
                }
            }
        }
    }
    return document;
}

struct AuditLog::State : std::enable_shared_from_this<AuditLog::State> {
    struct Batch {
        explicit Batch(async::Loop& loop) : over(loop) {}
        std::vector<JsonObject> records;
        std::string bytes;
        Chain chain;  // after it
        std::uint64_t offset = 0;
        base::Status status = base::ok;
        async::Event over;
    };

    State(const host::Host& h, host::Offload& o, AuditLogOptions opts)
        : host(h), offload(o), options(std::move(opts)), path(options.directory + "/audit.log") {}

    std::string numbered(std::size_t number) const { return fmt::format("{}.{}", path, number); }

    base::Status open_file();
    void rotate();
    base::Status write(Batch& batch);
    base::Result<std::shared_ptr<Batch>> add(AuditRecord record);
    void flush();

    host::Host host;
    host::Offload& offload;
    AuditLogOptions options;
    std::string path;
    // Of the offload's thread while a batch is on its way, else of the loop's.
    std::unique_ptr<host::File> file;
    std::uint64_t size = 0;  // durable bytes
    Chain chain;             // of the last durable record
    std::shared_ptr<Batch> collecting;
    bool writing = false;
};

base::Status AuditLog::State::open_file() {
    TRY(auto opened, host.disk.open(path, host::Disk::Open::create));
    // What was written and never synced belongs to records that were refused.
    CHECK_OK(opened->truncate(size));
    CHECK_OK(host.disk.sync_directory(options.directory));
    file = std::move(opened);
    return base::ok;
}

void AuditLog::State::rotate() {
    file.reset();
    (void)host.disk.remove(numbered(options.files_max - 1));
    for (std::size_t i = options.files_max - 1; i > 1; --i) {
        (void)host.disk.rename(numbered(i - 1), numbered(i));
    }
    if (host.disk.rename(path, numbered(1))) {
        size = 0;
    }
}

base::Status AuditLog::State::write(Batch& batch) {
    if (size > 0 && size + batch.bytes.size() > options.file_bytes_max) {
        rotate();
    }
    if (!file) {
        CHECK_OK(open_file());
    }
    auto status = file->write_at(size, batch.bytes);
    if (status) {
        status = file->sync();
    }
    if (!status) {
        file.reset();
        return status;
    }
    size += batch.bytes.size();
    chain = batch.chain;
    return base::ok;
}

base::Result<std::shared_ptr<AuditLog::State::Batch>> AuditLog::State::add(AuditRecord record) {
    if (!collecting) {
        collecting = std::make_shared<Batch>(host.loop);
    }
    if (collecting->records.size() >= options.waiting_max) {
        return base::fail(Code::exhausted, "audit: {} records wait for the disk",
                          options.waiting_max);
    }
    collecting->records.push_back(to_json(std::move(record)));
    auto batch = collecting;
    flush();
    return batch;
}

void AuditLog::State::flush() {
    if (writing || !collecting) {
        return;
    }
    const auto batch = std::exchange(collecting, nullptr);
    batch->chain = chain;
    for (auto& record : batch->records) {
        batch->bytes += seal_line(std::move(record), host.clock.wall_now(), batch->chain);
    }
    writing = true;
    const auto self = shared_from_this();
    const auto submitted = offload.submit([self, batch] { batch->status = self->write(*batch); },
                                          [self, batch] {
                                              self->writing = false;
                                              batch->over.set();
                                              self->flush();
                                          });
    if (!submitted) {
        writing = false;
        batch->status = submitted;
        batch->over.set();
    }
}

AuditLog::AuditLog(std::shared_ptr<State> state) : state_(std::move(state)) {}
AuditLog::~AuditLog() = default;

base::Result<std::unique_ptr<AuditLog>> AuditLog::open(const host::Host& host,
                                                       host::Offload& offload,
                                                       AuditLogOptions options) {
    CHECK(options.files_max >= 2);
    auto state = std::make_shared<State>(host, offload, std::move(options));
    CHECK_OK(host.disk.make_directories(state->options.directory));
    // The newest file that holds a record says where the chain stands.
    for (std::size_t number = 0; number < state->options.files_max; ++number) {
        const auto name = number == 0 ? state->path : state->numbered(number);
        auto bytes = host::read_file(host.disk, name, state->options.file_bytes_max * 2);
        if (!bytes) {
            if (bytes.error().code == Code::not_found) {
                continue;
            }
            return base::wrap("audit: ", bytes.error());
        }
        const auto whole = bytes->rfind('\n');
        if (number == 0) {
            state->size = whole == std::string::npos ? 0 : whole + 1;
        }
        if (whole == std::string::npos) {
            continue;
        }
        const std::string_view lines(bytes->data(), whole);
        const auto line = lines.substr(lines.rfind('\n') + 1);
        auto chain = read_line(line, nullptr);
        if (!chain) {
            return base::fail(Code::invalid, "audit: {}: the last line {} (TM-310)", name,
                              chain.error().message);
        }
        state->chain = *std::move(chain);
        break;
    }
    CHECK_OK(state->open_file());
    return std::unique_ptr<AuditLog>(new AuditLog(std::move(state)));
}

async::Task<base::Status> AuditLog::record(AuditRecord record) {
    CO_TRY(const auto batch, state_->add(std::move(record)));
    co_await batch->over.wait();
    co_return batch->status;
}

void AuditLog::note(AuditRecord record) {
    (void)state_->add(std::move(record));
}

base::Result<std::size_t> verify_audit(std::string_view lines) {
    std::size_t count = 0;
    std::string last;
    for (const auto line : base::split(lines, '\n')) {
        if (line.empty()) {
            continue;
        }
        std::string previous;
        const auto chain = read_line(line, &previous);
        if (!chain) {
            return base::fail(Code::invalid, "line {}: {}", count + 1, chain.error().message);
        }
        if (count > 0 && previous != last) {
            return base::fail(Code::invalid, "line {}: the record before it is missing", count + 1);
        }
        last = chain->hash;
        ++count;
    }
    return count;
}

}  // namespace tidemill::api
