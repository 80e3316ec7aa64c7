// What the API shows of instances, and who knows it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "base/time.h"
#include "model/object/object.h"
#include "store/watch.h"

namespace tidemill::api {

// Which lines of which instance.
struct LogQuery {
    std::string namespace_name;
    std::string pod;
    std::string container;  // empty: the one that serves
    enum class Mode : std::uint8_t { once, follow } mode = Mode::once;
    enum class Which : std::uint8_t { current, previous } which = Which::current;
    std::optional<std::uint64_t> tail_lines;
    std::optional<base::WallTime> since;
};

// Lines of a log as they come. Dropping it ends the work behind it.
class LogStream {
public:
    LogStream() = default;
    LogStream(const LogStream&) = delete;
    LogStream& operator=(const LogStream&) = delete;
    virtual ~LogStream() = default;
    // Whole lines as CRI writes them ("TIME stdout F text\n"), as in link::LogChunk; nothing at the
    // end. Errors: unavailable (the machine that has it does not answer).
    virtual async::Task<base::Result<std::optional<std::string>>> next() = 0;
};

// The views of what runs: Pods of instances, Deployments of revisions. One loop's thread.
class Instances {
public:
    Instances() = default;
    Instances(const Instances&) = delete;
    Instances& operator=(const Instances&) = delete;
    virtual ~Instances() = default;

    // All views of one kind (model::Origin::view) at one moment, in any order. `revision` grows
    // with every change, is never 0, and begins above its last value after a restart (start it from
    // the wall clock); each object's resource_version is the revision at which it last changed.
    // Objects are immutable.
    struct Snapshot {
        std::uint64_t revision = 1;
        std::vector<store::ObjectPtr> objects;
    };
    virtual Snapshot views(model::KindId kind) const = 0;
    // Goes on when the revision of that kind is not `seen`, at once if it is not now. Many wait at
    // a time.
    virtual async::Task<void> changed(model::KindId kind, std::uint64_t seen) = 0;

    // Errors: not_found (no such instance or container, or it keeps no log), unavailable.
    virtual async::Task<base::Result<std::unique_ptr<LogStream>>> logs(LogQuery query) = 0;
};

}  // namespace tidemill::api
