// The processes that `tidemill up` keeps running, each with its services in order of starting.
#pragma once

#include "app/options.h"
#include "app/process.h"
#include "async/task.h"
#include "base/result.h"

namespace tidemill::app {

// Each serves until SIGTERM, then stops in order. Errors: what kept it from starting.
async::Task<base::Status> run_control(Process& process, Options options);
async::Task<base::Status> run_agent(Process& process, Options options);
async::Task<base::Status> run_proxy(Process& process, Options options);

// Where the roles meet.
std::string control_socket(const Options& options);
std::string agent_socket(const Options& options);

// SIGTERM or SIGINT; others are passed over.
async::Task<void> wait_for_end(host::Signals& signals);

}  // namespace tidemill::app
