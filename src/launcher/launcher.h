// host::Launcher by way of the launcher program, a child of this process.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "async/channel.h"
#include "async/event.h"
#include "async/scope.h"
#include "host/host.h"
#include "host/launcher.h"
#include "launcher/program_bytes.h"

namespace tidemill::launcher {

struct Options {
    std::string run_directory;  // absolute, short, on a tmpfs if there is one; mode 0700 is made
    std::string cgroup_name;    // below this process's own group, e.g. "tidemill/ab12"
    std::uint32_t instances_max = 4096;
    std::size_t requests_max = 1024;  // that may wait for an answer
    std::size_t events_max = 65'536;  // that may wait for next_event()
};

// Starts the program, starts it again when it dies (after 10 ms, doubling to 1 s), and says `lost`
// then. Instances do not notice.
class ProgramLauncher final : public host::Launcher {
public:
    // `host` outlives it. Waits for the program to be ready, which waits for the launches of one
    // that a previous owner left. Errors: exhausted, unavailable (it does not start or speaks
    // another version), deadline.
    static async::Task<base::Result<std::unique_ptr<ProgramLauncher>>> start(
        host::Host& host, Options options, base::Instant deadline);
    ~ProgramLauncher() override;

    async::Task<base::Result<host::Launched>> launch(host::LaunchPlan plan,
                                                     base::Instant deadline) override;
    async::Task<base::Status> signal(std::string instance, int number) override;
    async::Task<base::Status> kill(std::string instance) override;
    async::Task<base::Status> freeze(std::string instance, Freeze wanted) override;
    async::Task<base::Result<std::vector<host::KnownInstance>>> scan() override;
    async::Task<base::Result<host::Inspection>> inspect(std::string instance) override;
    async::Task<base::Result<host::PortHolder>> port_holder(std::string instance,
                                                            std::uint16_t port) override;
    async::Task<base::Status> forget(std::string instance) override;
    async::Task<host::LauncherEvent> next_event() override;
    const host::LauncherCapabilities& capabilities() const override { return capabilities_; }
    // Of the program; for tests that kill it. 0 while it is being started again.
    std::int32_t program_pid() const;

private:
    struct Answer {
        std::uint16_t type = 0;
        std::string payload;
    };
    // One question and the frames that answer it.
    struct Question {
        explicit Question(async::Loop& loop) : answered(loop) {}
        async::Event answered;
        std::vector<Answer> parts;
        std::optional<base::Error> error;
    };

    ProgramLauncher(host::Host& host, Options options, ProgramFile program);
    async::Task<base::Status> greet(base::Instant deadline);
    base::Status spawn();
    async::Task<void> keep_running();
    async::Task<void> read_frames();
    async::Task<void> write_frames();
    bool take_frames(std::string& input);
    void take_news(std::uint16_t type, std::string_view payload);
    void push(host::LauncherEvent event);
    void drop_questions();
    async::Task<base::Result<std::vector<Answer>>> ask(std::uint16_t type, std::string payload);
    async::Task<base::Status> tell(std::uint16_t type, std::string payload);

    host::Host& host_;
    Options options_;
    ProgramFile program_;
    std::unique_ptr<host::Process> process_;
    host::LauncherCapabilities capabilities_;
    std::uint64_t last_request_ = 0;
    std::unordered_map<std::uint64_t, Question*> questions_;
    std::string output_;
    async::Event has_output_;
    async::Channel<host::LauncherEvent> events_;
    bool ready_ = false;
    // Last: what runs in them uses all of the above.
    async::Scope keeper_;
};

}  // namespace tidemill::launcher
