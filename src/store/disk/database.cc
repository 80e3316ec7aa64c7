#include "store/disk/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/mutant.h"

namespace tidemill::store {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

// "Tide" in ASCII: tells our file from any other SQLite database (PRAGMA application_id).
constexpr std::int64_t application = 0x54696465;

constexpr const char* schema = R"(
BEGIN;
CREATE TABLE objects(
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    revision INTEGER NOT NULL, encoding INTEGER NOT NULL, document BLOB NOT NULL,
    digest INTEGER NOT NULL,
    PRIMARY KEY(kind, namespace, name)) WITHOUT ROWID;
CREATE TABLE meta(
    one INTEGER PRIMARY KEY CHECK(one = 1),
    revision INTEGER NOT NULL, objects INTEGER NOT NULL, digest INTEGER NOT NULL,
    build TEXT NOT NULL);
INSERT INTO meta VALUES(1, 0, 0, 0, '');
PRAGMA application_id = 1416193125;
PRAGMA user_version = 1;
COMMIT;)";

// SQLite's integers are signed; digests and revisions keep their bits.
std::int64_t to_signed(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}
std::uint64_t to_unsigned(std::int64_t value) {
    return static_cast<std::uint64_t>(value);
}

std::string text_of(sqlite3_stmt* statement, int column) {
    const auto* const bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    return bytes == nullptr ? std::string() : std::string(bytes, size);
}

// The text lives until the statement is reset. Not named bind: std::bind would be found first.
void bind_text(sqlite3_stmt* statement, int index, const std::string& text) {
    sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}

int note_wal(void* pages, sqlite3*, const char*, int count) {
    *static_cast<int*>(pages) = count;
    return SQLITE_OK;
}

}  // namespace

void Database::Closer::operator()(sqlite3* connection) const {
    sqlite3_close_v2(connection);
}

void Database::Closer::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

Database::Database(host::Disk& disk, DatabaseOptions options)
    : options_(std::move(options)), path_(options_.directory + "/objects.db"), files_(disk) {}

Database::~Database() {
    files_.cut_off();
}

Result<std::unique_ptr<Database>> Database::open(host::Disk& disk, DatabaseOptions options) {
    CHECK_OK(disk.make_directories(options.directory));
    std::unique_ptr<Database> database(new Database(disk, std::move(options)));
    auto lock = disk.lock(database->options_.directory + "/lock");
    if (!lock) {
        if (lock.error().code == Code::conflict) {
            return fail(Code::conflict,
                        "{}: in use by another Tidemill ({}); stop that one, or choose another "
                        "data directory",
                        database->options_.directory, lock.error().message);
        }
        return std::unexpected(std::move(lock).error());
    }
    database->lock_ = *std::move(lock);
    CHECK_OK(database->start());
    return database;
}

Status Database::start() {
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(
        path_.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
        files_.name());
    connection_.reset(raw);
    if (code != SQLITE_OK) {
        return std::unexpected(explain(code));
    }
    sqlite3_extended_result_codes(raw, 1);
    CHECK_OK(execute("PRAGMA temp_store = MEMORY"));
    CHECK_OK(execute("PRAGMA locking_mode = EXCLUSIVE"));
    CHECK_OK(check_format());
    CHECK_OK(set_up());
    // Statements last: each is compiled against the schema that is there now.
    TRY(put_, prepare("INSERT OR REPLACE INTO objects VALUES(?, ?, ?, ?, ?, ?, ?)"));
    TRY(remove_, prepare("DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?"));
    TRY(meta_, prepare("UPDATE meta SET revision = ?, objects = ?, digest = ?"));
    sqlite3_wal_hook(raw, note_wal, &wal_pages_);
    return base::ok;
}

Status Database::check_format() {
    TRY(const auto id, number("PRAGMA application_id"));
    TRY(const auto version, number("PRAGMA user_version"));
    TRY(const auto tables, number("SELECT count(*) FROM sqlite_schema"));
    was_empty_ = tables == 0 && version == 0;
    if (was_empty_) {
        return base::ok;
    }
    if (id != application) {
        return fail(Code::invalid,
                    "{}: a database of another program; choose another data directory", path_);
    }
    if (version > format) {
        std::string build = "(unknown)";
        if (auto statement = prepare("SELECT build FROM meta");
            statement && sqlite3_step(statement->get()) == SQLITE_ROW) {
            build = text_of(statement->get(), 0);
        }
        return fail(Code::invalid,
                    "{}: written by Tidemill {} in format {}, but this is Tidemill {}, which reads "
                    "formats up to {}; run Tidemill {} or newer, or restore a backup made by this "
                    "version",
                    path_, build, version, options_.build, format, build);
    }
    return base::ok;
}

Status Database::set_up() {
    CHECK_OK(execute("PRAGMA journal_mode = WAL"));
    CHECK_OK(execute("PRAGMA synchronous = FULL"));
    CHECK_OK(execute("PRAGMA wal_autocheckpoint = 0"));
    if (was_empty_) {
        CHECK_OK(execute(schema));
    }
    TRY(auto statement, prepare("UPDATE meta SET build = ?1 WHERE build <> ?1"));
    bind_text(statement.get(), 1, options_.build);
    CHECK_OK(step(statement.get()));
    if (!TIDEMILL_MUTANT("store.no_checkpoint_at_open")) {
        CHECK_OK(checkpoint());
    }
    return base::ok;
}

base::Error Database::explain(int code) {
    const auto& cause = files_.last_error();
    const char* const words = sqlite3_errstr(code & 0xff);
    switch (code & 0xff) {
        case SQLITE_FULL:
            return {Code::exhausted,
                    fmt::format("{}: {}", path_, cause ? cause->message : "the disk is full")};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_FORMAT:
        case SQLITE_SCHEMA:
        case SQLITE_ERROR:
            return {Code::invalid,
                    fmt::format("{}: damaged ({}); keep a copy of the directory, then restore a "
                                "backup",
                                path_, connection_ ? sqlite3_errmsg(connection_.get()) : words)};
        default:
            return {Code::unavailable,
                    fmt::format("{}: {}", path_, cause ? cause->message : words)};
    }
}

Status Database::execute(const char* sql) {
    files_.forget_error();
    const int code = sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
        return std::unexpected(explain(code));
    }
    return base::ok;
}

Result<Database::Statement> Database::prepare(const char* sql) {
    files_.forget_error();
    sqlite3_stmt* raw = nullptr;
    const int code =
        sqlite3_prepare_v3(connection_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    Statement statement(raw);
    if (code != SQLITE_OK) {
        return std::unexpected(explain(code));
    }
    return statement;
}

Result<std::int64_t> Database::number(const char* sql) {
    TRY(auto statement, prepare(sql));
    const int code = sqlite3_step(statement.get());
    if (code != SQLITE_ROW) {
        return std::unexpected(explain(code == SQLITE_DONE ? SQLITE_CORRUPT : code));
    }
    return sqlite3_column_int64(statement.get(), 0);
}

Status Database::step(sqlite3_stmt* statement) {
    const int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        return std::unexpected(explain(code));
    }
    return base::ok;
}

Result<Database::Loaded> Database::load(const std::function<Status(Row)>& take) {
    const auto damaged = [&](std::string what) {
        return fail(Code::invalid,
                    "{}: damaged ({}); keep a copy of the directory, then restore a backup", path_,
                    what);
    };
    TRY(auto statement,
        prepare("SELECT kind, namespace, name, revision, encoding, document, digest "
                "FROM objects ORDER BY kind, namespace, name"));
    Loaded seen;
    std::uint64_t revision_max = 0;
    int code = SQLITE_OK;
    while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
        Row row;
        row.kind = text_of(statement.get(), 0);
        row.namespace_name = text_of(statement.get(), 1);
        row.name = text_of(statement.get(), 2);
        row.revision = to_unsigned(sqlite3_column_int64(statement.get(), 3));
        row.encoding = static_cast<Encoding>(sqlite3_column_int(statement.get(), 4));
        row.document = text_of(statement.get(), 5);
        row.digest = to_unsigned(sqlite3_column_int64(statement.get(), 6));
        if (row.digest != digest_of(row)) {
            return damaged(fmt::format("{} \"{}/{}\" is not what was written", row.kind,
                                       row.namespace_name, row.name));
        }
        revision_max = std::max(revision_max, row.revision);
        ++seen.objects;
        seen.digest ^= row.digest;
        CHECK_OK(take(std::move(row)));
    }
    if (code != SQLITE_DONE) {
        return std::unexpected(explain(code));
    }
    TRY(auto meta, prepare("SELECT revision, objects, digest FROM meta"));
    code = sqlite3_step(meta.get());
    if (code == SQLITE_DONE) {
        return damaged("its revision is missing");
    }
    if (code != SQLITE_ROW) {
        return std::unexpected(explain(code));
    }
    Loaded kept;
    kept.revision = to_unsigned(sqlite3_column_int64(meta.get(), 0));
    kept.objects = to_unsigned(sqlite3_column_int64(meta.get(), 1));
    kept.digest = to_unsigned(sqlite3_column_int64(meta.get(), 2));
    if (kept.objects != seen.objects || kept.digest != seen.digest ||
        revision_max > kept.revision) {
        return damaged(fmt::format("{} objects were written, {} are there or differ", kept.objects,
                                   seen.objects));
    }
    if (TIDEMILL_MUTANT("store.revision_of_newest_object")) {
        kept.revision = revision_max;
    }
    return kept;
}

Status Database::commit(const Batch& batch) {
    auto done = commit_rows(batch);
    if (!done && sqlite3_get_autocommit(connection_.get()) == 0) {
        sqlite3_exec(connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
    if (!done && done.error().code != Code::exhausted) {
        // Whatever SQLite calls it, the caller cannot know what is on the disk.
        done.error().code = Code::unavailable;
    }
    return done;
}

Status Database::commit_rows(const Batch& batch) {
    CHECK_OK(execute("BEGIN IMMEDIATE"));
    for (const auto& removal : batch.removals) {
        bind_text(remove_.get(), 1, removal.kind);
        bind_text(remove_.get(), 2, removal.namespace_name);
        bind_text(remove_.get(), 3, removal.name);
        CHECK_OK(step(remove_.get()));
    }
    for (const auto& row : batch.puts) {
        bind_text(put_.get(), 1, row.kind);
        bind_text(put_.get(), 2, row.namespace_name);
        bind_text(put_.get(), 3, row.name);
        sqlite3_bind_int64(put_.get(), 4, to_signed(row.revision));
        sqlite3_bind_int(put_.get(), 5, static_cast<int>(row.encoding));
        sqlite3_bind_blob64(put_.get(), 6, row.document.data(), row.document.size(), SQLITE_STATIC);
        sqlite3_bind_int64(put_.get(), 7, to_signed(row.digest));
        CHECK_OK(step(put_.get()));
    }
    sqlite3_bind_int64(meta_.get(), 1, to_signed(batch.revision));
    sqlite3_bind_int64(meta_.get(), 2, to_signed(batch.objects));
    sqlite3_bind_int64(meta_.get(), 3, to_signed(batch.digest));
    CHECK_OK(step(meta_.get()));
    return execute("COMMIT");
}

Status Database::checkpoint() {
    files_.forget_error();
    const int code = sqlite3_wal_checkpoint_v2(connection_.get(), nullptr,
                                               SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    if (code != SQLITE_OK) {
        return std::unexpected(explain(code));
    }
    wal_pages_ = 0;
    return base::ok;
}

Status Database::close() {
    if (connection_ == nullptr) {
        return base::ok;
    }
    put_.reset();
    remove_.reset();
    meta_.reset();
    auto done = checkpoint();
    connection_.reset();
    lock_.reset();
    return done;
}

}  // namespace tidemill::store
