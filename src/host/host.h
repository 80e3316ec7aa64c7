// Everything outside the process, in one hand: what a service gets instead of globals.
#pragma once

#include "async/loop.h"
#include "host/clock.h"
#include "host/disk.h"
#include "host/network.h"
#include "host/process.h"
#include "host/resolver.h"

namespace tidemill::host {

// References that outlive every service they are given to. Passed, never global.
struct Host {
    async::Loop& loop;
    Clock& clock;
    Random& random;
    Disk& disk;
    Network& network;
    Processes& processes;
    Resolver& resolver;
};

}  // namespace tidemill::host
