// The first process of an instance: sets it up, starts the program, and stays to reap, to forward
// signals, to keep what the program says, and to write down how it ended.
#pragma once

#include "launcher/program/cgroup.h"
#include "launcher/program/plan.h"
#include "launcher/program/system.h"

namespace tidemill::launcher {

// What init tells the launcher, each in one write, so never cut.
struct Report {
    enum class Kind : std::uint32_t { running, failed, stopped, resumed };
    Kind kind;
    std::int32_t error;
    std::int32_t pid;  // of init, as the host sees it
    std::uint64_t start_ticks;
    std::int64_t began_ns;
    std::int64_t root_done_ns;
    std::int64_t exec_done_ns;
    char step[32];
    char path[256];
};

struct InitSetup {
    const Plan& plan;
    const char* stage;  // an empty directory, the root's place until it is the root
    int empty;          // make_empty_namespace(); -1: init has a mount namespace already
    int report;         // writing end of a pipe
    int record;         // the instance's record, open for writing
    int listener;       // -1: none
    int mapped;         // reading end of a pipe: a byte comes when ids are mapped; -1: no need
    Fd (&joins)[Cgroup::joins_max];
};

// Runs in the clone; never returns.
[[noreturn]] void run_init(const InitSetup& setup);

}  // namespace tidemill::launcher
