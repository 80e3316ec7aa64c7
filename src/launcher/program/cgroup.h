// Limits and accounts of an instance: version 1, version 2, or the two mounted side by side.
#pragma once

#include <cstdint>
#include <string_view>

#include "launcher/program/plan.h"
#include "launcher/program/system.h"

namespace tidemill::launcher {

// Where instances' groups are made, one per controller; found once.
class CgroupHome {
public:
    enum Controller : std::uint8_t { memory, cpu, cpuacct, pids, freezer, controller_count };

    // Finds the hierarchies from /proc/self/{mountinfo,cgroup} and makes `name` in each, below the
    // group this process is in, so that limits around the whole platform hold for instances too.
    void find(std::string_view name);

    struct Place {
        char directory[512] = {};  // of `name`; empty: this controller cannot be used
        std::uint8_t version = 0;
    };
    const Place& place(Controller which) const { return places_[which]; }
    bool has(Controller which) const { return places_[which].version != 0; }
    // 2 only if the controllers for limits are there.
    std::uint32_t version() const { return has(memory) ? places_[memory].version : core_version_; }
    // Of version 2 without controllers: still a way to kill and to freeze.
    const Place& core() const { return core_; }
    bool swap_counts() const { return swap_counts_; }
    // True for the first place of each directory: comounted controllers share one.
    bool leads(std::uint8_t which) const;
    // Every directory of `name`, each once: calls `each(const Place&)`.
    template <typename Each>
    void for_each(Each each) const {
        for (std::uint8_t i = 0; i < controller_count; ++i) {
            if (has(Controller(i)) && leads(i)) {
                each(places_[i]);
            }
        }
        if (core_.version != 0) {
            each(core_);
        }
    }
    // `name` itself, where no instance's group is left in it. What is above may be shared.
    void remove() const;

private:
    void offer(std::uint8_t controller, std::string_view mount, std::string_view own,
               std::string_view name, std::uint8_t version);
    void enable_v2(std::string_view mount, std::string_view own, std::string_view name);

    Place places_[controller_count];
    Place core_;
    std::uint32_t core_version_ = 0;
    bool swap_counts_ = false;
};

// The group of one instance in each hierarchy.
class Cgroup {
public:
    Cgroup(const CgroupHome& home, std::string_view name) : home_(home), name_(name) {}

    // Makes the groups and writes the limits. A limit that the host cannot hold is left out: what
    // is missing was said in the capabilities. After a failure nothing is left.
    Failure create(const Plan& plan);
    // Of version 2: the directory to clone into. Moving there later would take a lock of the whole
    // machine, which waits for every processor: 10 ms and more when they are busy. Not open: none.
    Fd open_directory() const;
    // Of version 1: opens what join() needs, since paths end with the host's root.
    static constexpr int joins_max = CgroupHome::controller_count;
    void open_joins(Fd (&into)[joins_max]) const;
    // Moves the calling process. Single-threaded callers only.
    static Failure join(const Fd (&joins)[joins_max]);

    std::uint64_t oom_kills() const;
    std::uint64_t memory_bytes() const;
    std::uint64_t cpu_usec() const;
    bool freeze(bool wanted) const;
    // Asked to be frozen, whether or not every process has come to rest.
    bool is_frozen() const;
    // A file that lists the processes; false if there is no group.
    bool procs_path(Path& into) const;
    // Kills all that is in it; for instances without a process namespace of their own.
    void kill_all() const;
    // True when nothing is left of it. False: somebody is still on the way out; try again.
    bool remove() const;

private:
    const CgroupHome& home_;
    std::string_view name_;
};

}  // namespace tidemill::launcher
