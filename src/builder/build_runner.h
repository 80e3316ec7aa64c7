// Runs one command of a build, confined.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "base/time.h"
#include "image/config.h"
#include "sandbox/workload.h"

namespace tidemill::builder {

struct BuildStep {
    std::string name;                  // for people: "pip install"
    std::vector<std::string> command;  // absolute path first
    image::NamedTexts environment;
    std::string directory = "/";
    std::vector<sandbox::Mount> mounts;
    // Steps of one build share it, so that one may change what another made; no two builds do.
    std::uint32_t user = 0;
    base::Duration time_max = std::chrono::minutes(15);
};

struct StepEnd {
    std::optional<int> code;
    std::optional<int> signal;
    bool is_out_of_memory = false;
    bool is_out_of_time = false;

    bool ok() const { return code == 0; }
    // "exit code 1", "signal 9", "was killed after 15m".
    std::string text(base::Duration time_max) const;
};

// Hears what a step writes, line by line, on the loop. Must not block.
class StepLog {
public:
    virtual ~StepLog() = default;
    virtual void line(std::string_view text) = 0;
};

class BuildRunner {
public:
    virtual ~BuildRunner() = default;
    // Waits for the command's end and for all that it wrote. `log` outlives the task. Dropping the
    // task ends the command with everything it started; `holds` is let go when nothing of it runs
    // any more. Errors: invalid, exhausted, unavailable (it could not be started, or was lost).
    virtual async::Task<base::Result<StepEnd>> run(BuildStep step, StepLog& log,
                                                   std::shared_ptr<void> holds) = 0;
};

}  // namespace tidemill::builder
