// All instances that the program knows, living and ended.
#pragma once

#include <cstdint>
#include <string_view>

#include "launcher/program/cgroup.h"
#include "launcher/program/plan.h"
#include "launcher/program/record.h"
#include "launcher/program/system.h"
#include "launcher/protocol.h"

namespace tidemill::launcher {

struct Instance {
    enum class State : std::uint8_t { launching, running, ended };
    State state = State::launching;
    bool leaving = false;  // taken off the table, freed at the end of the turn
    bool cgroup_gone = false;
    Isolation isolation = Isolation::namespaces;
    std::int32_t pid = 0;
    Fd process;  // pidfd
    Fd report;   // reading end
    std::uint64_t request = 0;
    std::uint64_t start_ticks = 0;
    std::int64_t received_ns = 0;
    std::int64_t cloning_ns = 0;
    int error = 0;  // of a launch that failed
    char step[32] = {};
    char path[256] = {};
    Ending ending{};
    char name[name_bytes_max + 1] = {};
    Instance* next = nullptr;

    std::string_view name_view() const;
};

// Where things of instances are kept: RUN/instances/NAME (records), RUN/root (where roots begin).
class RunDirectory {
public:
    // Makes it, and holds its lock: one launcher at a time, and none before the launches of the one
    // before it are through.
    Failure open(std::string_view path);
    Path record_path(std::string_view name) const { return Path(path_, "/instances/", name); }
    Path instances_path() const { return Path(path_, "/instances"); }
    const char* stage() const { return stage_; }
    // Of make_empty_namespace(); -1: there is none.
    int empty_namespace() const { return empty_namespace_.get(); }

private:
    char path_[512] = {};
    char stage_[520] = {};
    Fd lock_;
    Fd empty_namespace_;
};

// Makes the record, the groups and the socket of a plan and clones its init. After a failure
// nothing is left.
Failure start_instance(const Plan& plan, const RunDirectory& run, const CgroupHome& home,
                       Instance& into);
// Reads RUN/instances/NAME: whether it lives, and if not, how it ended. False: not a record.
bool recover_instance(std::string_view name, const RunDirectory& run, Instance& into);
// Reads a record with its note (record.note_bytes, in `note`).
bool load_record(std::string_view name, const RunDirectory& run, Record& record,
                 char (&note)[note_bytes_max]);
// How it ended, once its process has: what init wrote, else what can be known without it. Stored in
// the record. Reaps.
void settle_ending(Instance& instance, const RunDirectory& run, const CgroupHome& home);
void remove_record(const Instance& instance, const RunDirectory& run);
void kill_instance(const Instance& instance, const CgroupHome& home);

}  // namespace tidemill::launcher
